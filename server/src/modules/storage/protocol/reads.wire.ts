// What the operations of the blob protocol read of a request beside its path, and the refusal of all else. The protocol has
// more optional headers and parameters than are served: conditions, leases, keys of the caller's, tiers. One that an operation
// does not read is refused by name, known here or not: a delete that goes on without its condition is data lost in silence.
// The routes state their rows (`Route.reads`); reads.test.ts holds that a row is read, and that nothing else passes.

import type { Exchange } from '#kernel/http/exchange';
import type { Reads, Route } from '#kernel/http/route';
import { storageFailures } from '../storage.errors.ts';

/** Of every operation: who asks, which request it is, and for how long a client would wait at most. */
const common: ReadonlySet<string> = new Set([
  ...['x-ms-version', 'x-ms-date', 'x-ms-client-request-id', 'x-ms-return-client-request-id'],
  ...['x-ms-correlation-request-id', 'x-ms-request-id', 'x-ms-request-root-id', 'x-ms-useragent'],
  ...['?comp', '?restype', '?timeout', '?api-version'],
]);

/** Of a signed address. All that is decided on is in `sig` itself; what stands beside it tells clients what they have. */
const signed: ReadonlySet<string> = new Set([
  ...['?sig', '?sv', '?sr', '?sp', '?spr', '?st', '?se', '?si', '?skoid', '?sktid', '?skt', '?ske', '?sks', '?skv'],
]);

/** Headers that mean something to the protocol besides those of its own name. `Range` on what answers no content means nothing. */
const shared: ReadonlySet<string> = new Set([
  ...['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range'],
  ...['content-md5', 'content-range'],
]);

const conditions = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'] as const;
const sourceConditions = conditions.map((name) => `x-ms-source-${name}`);
const metadata = 'x-ms-meta-*';
const described = [
  'x-ms-blob-content-type',
  'x-ms-blob-content-encoding',
  'x-ms-blob-content-language',
  'x-ms-blob-content-disposition',
  'x-ms-blob-cache-control',
  'x-ms-blob-content-md5',
] as const;

export const reads = {
  nothing: [],
  getBlob: [...conditions, 'if-range', 'x-ms-range', 'x-ms-range-get-content-md5'],
  getProperties: conditions,
  setMetadata: [...conditions, metadata],
  setProperties: [...conditions, ...described],
  setTier: ['x-ms-access-tier'],
  deleteBlob: [...conditions, 'x-ms-delete-snapshots'],
  putBlob: [...conditions, ...described, metadata, 'x-ms-blob-type', 'content-md5', 'x-ms-access-tier'],
  copyBlob: [
    ...[...conditions, ...sourceConditions, metadata, 'x-ms-copy-source', 'x-ms-requires-sync', 'x-ms-access-tier'],
    'x-ms-source-content-md5',
  ],
  putBlobFromUrl: [
    ...[...conditions, ...sourceConditions, ...described, metadata, 'x-ms-blob-type', 'x-ms-copy-source'],
    ...['x-ms-copy-source-blob-properties', 'x-ms-source-content-md5', 'x-ms-access-tier'],
  ],
  // `x-ms-blob-content-md5` is none of Put Block's; the protocol says that it is ignored there.
  putBlock: ['?blockid', 'content-md5', 'x-ms-blob-content-md5'],
  putBlockFromUrl: [
    ...['?blockid', 'x-ms-copy-source', 'x-ms-source-range', 'x-ms-source-content-md5'],
    ...sourceConditions,
  ],
  putBlockList: [...conditions, ...described, metadata, 'content-md5', 'x-ms-access-tier'],
  getBlockList: ['?blocklisttype'],
  createContainer: [metadata],
  setContainerMetadata: ['if-modified-since', metadata],
  deleteContainer: ['if-modified-since', 'if-unmodified-since'],
  list: ['?prefix', '?delimiter', '?marker', '?maxresults', '?include'],
  listContainers: ['?prefix', '?marker', '?maxresults', '?include'],
} as const satisfies Readonly<Record<string, Reads>>;

/** Three operations share a method and a path, and are told apart by their headers. */
export function putReads(exchange: Exchange): Reads {
  if (exchange.header('x-ms-copy-source') === undefined) return reads.putBlob;
  return exchange.header('x-ms-blob-type') === undefined ? reads.copyBlob : reads.putBlobFromUrl;
}

export const blockReads = (exchange: Exchange): Reads =>
  exchange.header('x-ms-copy-source') === undefined ? reads.putBlock : reads.putBlockFromUrl;

/** Throws `invalid` UnsupportedHeader or UnsupportedQueryParameter for the first that the route does not read. */
export function refuseUnread(exchange: Exchange, route: Pick<Route, 'reads'>): void {
  const stated = typeof route.reads === 'function' ? route.reads(exchange) : route.reads;
  if (stated === 'anything') return;
  const read = new Set(stated);
  const { query } = exchange.target;
  for (const name of Object.keys(exchange.raw.request.headers)) {
    if (!name.startsWith('x-ms-') && !shared.has(name)) continue;
    if (common.has(name) || read.has(name) || (name.startsWith('x-ms-meta-') && read.has(metadata))) continue;
    // True of every blob here, and sent with every request by many who write their own.
    if (name === 'x-ms-blob-type' && exchange.header(name) === 'BlockBlob') continue;
    throw storageFailures.UnsupportedHeader({
      target: name,
      message: `This operation does not read the header ${name}: what it asks for would not be done. Leave it out.`,
    });
  }
  const isSigned = query.get('sig') !== undefined;
  for (const plain of Object.keys(query.values)) {
    const name = `?${plain}`;
    if (common.has(name) || read.has(name) || (isSigned && signed.has(name))) continue;
    throw storageFailures.UnsupportedQueryParameter({
      target: plain,
      message: `This operation does not read the query parameter ${plain}: what it asks for would not be done. Leave it out.`,
    });
  }
}
