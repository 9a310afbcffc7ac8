// What answers of the blob protocol look like: headers of a blob and the documents of listings.

import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { type Answer, empty } from '#kernel/http/route';
import type { BlobInfo } from '../blobs.store.ts';
import type { BlockSize } from '../blocks.service.ts';
import type { Container } from '../containers.service.ts';
import type { BlobPage, ListedBlob } from '../listing.service.ts';
import type { Metadata } from '../names.rules.ts';
import { documentOf, type Element, element, entriesAtOnce } from './xml.wire.ts';

/** What lies in an account was written by users: a browser that is led to it must run none of it on this origin. */
const inert = { 'content-security-policy': "default-src 'none'; sandbox" };

/** Of a blob that nobody gave a tier: the account's. */
const defaultTier = 'Hot';

const httpDate = (date: Date) => date.toUTCString();

/** Identity of a version: on every answer that tells of one. */
export const versionHeaders = (of: { readonly etag: string; readonly lastModified: Date }) => ({
  etag: of.etag,
  'last-modified': httpDate(of.lastModified),
});

export const metadataHeaders = (metadata: Metadata): Record<string, string> =>
  Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`x-ms-meta-${name}`, value]));

export function blobHeaders(info: BlobInfo): Record<string, string> {
  return {
    ...inert,
    ...info.contentHeaders,
    ...versionHeaders(info),
    ...metadataHeaders(info.metadata),
    ...(info.contentType === '' ? {} : { 'content-type': info.contentType }),
    'x-ms-access-tier': info.accessTier ?? defaultTier,
    'x-ms-access-tier-inferred': String(info.accessTier === undefined),
    'content-length': String(info.size),
    'accept-ranges': 'bytes',
    'x-ms-blob-type': 'BlockBlob',
    'x-ms-creation-time': httpDate(info.createdAt),
    'x-ms-lease-status': 'unlocked',
    'x-ms-lease-state': 'available',
    'x-ms-server-encrypted': 'true',
    ...(info.contentMd5 === undefined ? {} : { 'content-md5': info.contentMd5 }),
  };
}

/** After a write: what the client needs to know of the new version. */
export const written = (status: 200 | 201, info: BlobInfo): Answer =>
  empty(status, {
    ...versionHeaders(info),
    'x-ms-request-server-encrypted': 'true',
    ...(info.contentMd5 === undefined ? {} : { 'content-md5': info.contentMd5 }),
  });

export const notModified = (info: BlobInfo): Answer =>
  empty(304, { ...versionHeaders(info), 'x-ms-error-code': 'ConditionNotMet' });

const xml = (root: Element, headers: Readonly<Record<string, string>> = {}): Answer => ({
  status: 200,
  headers: { ...inert, ...headers },
  contentType: 'application/xml',
  body: documentOf(root),
});

const metadataElement = (metadata: Metadata) =>
  element(
    'Metadata',
    Object.entries(metadata).map(([name, value]) => element(name, value)),
  );

function blobElement(info: ListedBlob, withMetadata: boolean): Element {
  if (info.isUncommitted) {
    const properties = [
      element('Last-Modified', httpDate(info.lastModified)),
      element('Etag', ''),
      element('Content-Length', 0),
      element('BlobType', 'BlockBlob'),
    ];
    return element('Blob', [element('Name', info.name), element('Properties', properties)]);
  }
  const headers = info.contentHeaders;
  const properties = [
    element('Creation-Time', httpDate(info.createdAt)),
    element('Last-Modified', httpDate(info.lastModified)),
    element('Etag', info.etag.replaceAll('"', '')),
    element('Content-Length', info.size),
    element('Content-Type', info.contentType),
    element('Content-Encoding', headers['content-encoding'] ?? ''),
    element('Content-Language', headers['content-language'] ?? ''),
    element('Content-MD5', info.contentMd5 ?? ''),
    element('Cache-Control', headers['cache-control'] ?? ''),
    element('Content-Disposition', headers['content-disposition'] ?? ''),
    element('BlobType', 'BlockBlob'),
    element('AccessTier', info.accessTier ?? defaultTier),
    ...(info.accessTier === undefined ? [element('AccessTierInferred', 'true')] : []),
    element('LeaseStatus', 'unlocked'),
    element('LeaseState', 'available'),
    element('ServerEncrypted', 'true'),
  ];
  return element('Blob', [
    element('Name', info.name),
    element('Properties', properties),
    ...(withMetadata ? [metadataElement(info.metadata)] : []),
  ]);
}

export type Listing = {
  readonly endpoint: string;
  readonly prefix: string | undefined;
  readonly marker: string | undefined;
  readonly delimiter: string | undefined;
  readonly limit: number;
  readonly include: ReadonlySet<string>;
};

const askedElements = (listing: Listing) => [
  ...(listing.prefix === undefined ? [] : [element('Prefix', listing.prefix)]),
  ...(listing.marker === undefined ? [] : [element('Marker', listing.marker)]),
  element('MaxResults', listing.limit),
  ...(listing.delimiter === undefined ? [] : [element('Delimiter', listing.delimiter)]),
];

export function blobList(container: string, page: BlobPage, listing: Listing): Answer {
  const blobs = [
    ...page.blobs.map((info) => blobElement(info, listing.include.has('metadata'))),
    ...page.prefixes.map((prefix) => element('BlobPrefix', [element('Name', prefix)])),
  ];
  return xml(
    element(
      'EnumerationResults',
      [...askedElements(listing), element('Blobs', blobs), element('NextMarker', page.nextMarker ?? '')],
      { ServiceEndpoint: listing.endpoint, ContainerName: container },
    ),
  );
}

export function containerList(
  page: { readonly containers: readonly Container[]; readonly nextMarker: string | undefined },
  listing: Listing,
): Answer {
  const containers = page.containers.map((container) =>
    element('Container', [
      element('Name', container.name),
      element('Properties', [
        element('Last-Modified', httpDate(container.lastModified)),
        element('Etag', container.etag),
        element('LeaseStatus', 'unlocked'),
        element('LeaseState', 'available'),
        element('HasImmutabilityPolicy', 'false'),
        element('HasLegalHold', 'false'),
      ]),
      ...(listing.include.has('metadata') ? [metadataElement(container.metadata)] : []),
    ]),
  );
  return xml(
    element(
      'EnumerationResults',
      [...askedElements(listing), element('Containers', containers), element('NextMarker', page.nextMarker ?? '')],
      { ServiceEndpoint: listing.endpoint },
    ),
  );
}

export const containerHeaders = (container: Container): Record<string, string> => ({
  ...versionHeaders(container),
  ...metadataHeaders(container.metadata),
  'x-ms-lease-status': 'unlocked',
  'x-ms-lease-state': 'available',
  'x-ms-has-immutability-policy': 'false',
  'x-ms-has-legal-hold': 'false',
});

/** A list that is left out is undefined. A list may have 50,000 entries: others have turns meanwhile. */
export async function blockList(
  info: BlobInfo | undefined,
  committed: readonly BlockSize[] | undefined,
  uncommitted: readonly BlockSize[] | undefined,
): Promise<Answer> {
  const lists = [];
  if (committed !== undefined) lists.push(element('CommittedBlocks', await blockElements(committed)));
  if (uncommitted !== undefined) lists.push(element('UncommittedBlocks', await blockElements(uncommitted)));
  return xml(
    element('BlockList', lists),
    info === undefined ? {} : { ...versionHeaders(info), 'x-ms-blob-content-length': String(info.size) },
  );
}

async function blockElements(blocks: readonly BlockSize[]): Promise<readonly Element[]> {
  const all: Element[] = [];
  for (let at = 0; at < blocks.length; at += entriesAtOnce) {
    if (at > 0) await yieldToEventLoop();
    const some = blocks
      .slice(at, at + entriesAtOnce)
      .map(({ blockId, size }) => element('Block', [element('Name', blockId), element('Size', size)]).xml);
    all.push({ xml: some.join('') });
  }
  return all;
}
