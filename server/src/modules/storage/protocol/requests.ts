// What the headers of a blob request say. Every value is bounded and checked here; a header that asks for something that is
// not done (a lease, a key of the caller's, an access tier of legal hold) is refused instead of being ignored.

import type { Exchange } from '#kernel/http/exchange';
import type { ByteRange } from '../blobs.service.ts';
import type { Conditions } from '../conditions.ts';
import type { BlobContent } from '../content.ts';
import { failure } from '../errors.ts';
import type { Metadata } from '../names.ts';

/** Ignoring one of these would promise what does not happen. */
const refusedHeaders = [
  'x-ms-lease-id',
  'x-ms-encryption-key',
  'x-ms-encryption-scope',
  'x-ms-immutability-policy-until-date',
  'x-ms-legal-hold',
  'x-ms-tags',
  'x-ms-if-tags',
  'x-ms-blob-public-access',
  'x-ms-content-crc64',
  'x-ms-structured-body',
];

export function checkHeaders(exchange: Exchange): void {
  const version = exchange.header('x-ms-version');
  if (version !== undefined && !isVersion(version))
    throw failure('InvalidHeaderValue', { target: 'x-ms-version', message: 'x-ms-version is a date: 2021-12-02.' });
  for (const name of refusedHeaders) {
    if (exchange.header(name) !== undefined)
      throw failure('InvalidHeaderValue', { target: name, message: `${name} is not served. Leave it out.` });
  }
}

export const isVersion = (text: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(text);

export function conditionsOf(exchange: Exchange): Conditions {
  const etags = (name: string) => {
    const text = exchange.header(name);
    if (text === undefined) return undefined;
    const found = text.split(',').map((etag) => etag.trim());
    if (found.length > 16 || found.some((etag) => !/^(\*|(W\/)?"[\x21\x23-\x7e]{0,128}")$/.test(etag)))
      throw failure('InvalidHeaderValue', { target: name });
    return found.map((etag) => etag.replace(/^W\//, ''));
  };
  const date = (name: string) => {
    const text = exchange.header(name);
    if (text === undefined) return undefined;
    const parsed = new Date(text);
    if (text.length > 40 || Number.isNaN(parsed.getTime())) throw failure('InvalidHeaderValue', { target: name });
    return parsed;
  };
  return withoutUndefined({
    ifMatch: etags('if-match'),
    ifNoneMatch: etags('if-none-match'),
    ifModifiedSince: date('if-modified-since'),
    ifUnmodifiedSince: date('if-unmodified-since'),
  });
}

/** `x-ms-range` wins, and must be right; a `Range` that makes no sense is ignored (RFC 9110 section 14.2). */
export function rangeOf(exchange: Exchange): ByteRange | undefined {
  const own = exchange.header('x-ms-range');
  const text = own ?? exchange.header('range');
  if (text === undefined) return undefined;
  const found = /^bytes=(\d{1,15})-(\d{1,15})?$/.exec(text.trim());
  const start = Number(found?.[1]);
  const end = found?.[2] === undefined ? undefined : Number(found[2]);
  if (found !== null && (end === undefined || start <= end)) return end === undefined ? { start } : { start, end };
  if (own !== undefined)
    throw failure('InvalidHeaderValue', {
      target: 'x-ms-range',
      message: 'A range looks like bytes=0-1023 or bytes=1024-.',
    });
  return undefined;
}

/** Names as they were sent: Node gives them in lower case, and Azure gives them back as they came. */
export function metadataOf(exchange: Exchange): Metadata {
  const { rawHeaders } = exchange.raw.request;
  const metadata: Record<string, string> = Object.create(null) as Record<string, string>;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (name.slice(0, 10).toLowerCase() !== 'x-ms-meta-') continue;
    const key = name.slice(10);
    if (Object.keys(metadata).some((known) => known.toLowerCase() === key.toLowerCase()))
      throw failure('InvalidMetadata');
    metadata[key] = rawHeaders[at + 1] ?? '';
  }
  return { ...metadata };
}

/** What a writer says of the content. `Content-Type` of the request counts only where its body is the content. */
export function contentOf(exchange: Exchange, isBodyTheContent: boolean): BlobContent {
  const contentType =
    exchange.header('x-ms-blob-content-type') ?? (isBodyTheContent ? exchange.header('content-type') : undefined);
  return {
    ...withoutUndefined({ contentType }),
    contentHeaders: withoutUndefined({
      'content-encoding': exchange.header('x-ms-blob-content-encoding'),
      'content-language': exchange.header('x-ms-blob-content-language'),
      'content-disposition': exchange.header('x-ms-blob-content-disposition'),
      'cache-control': exchange.header('x-ms-blob-cache-control'),
    }),
    metadata: metadataOf(exchange),
  };
}

/** The MD5 of the content, where the caller sent one. */
export function md5Of(exchange: Exchange): { readonly contentMd5?: string } {
  return withoutUndefined({ contentMd5: exchange.header('content-md5') ?? exchange.header('x-ms-blob-content-md5') });
}

export function requireLength(exchange: Exchange): void {
  if (exchange.header('content-length') === undefined) throw failure('MissingContentLengthHeader');
}

/** A page size: 1 to 5000; more than Azure gives means as many as it gives. */
export function pageSizeOf(exchange: Exchange): number {
  const text = exchange.target.query.get('maxresults');
  if (text === undefined) return 5000;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw failure('InvalidQueryParameterValue', { target: 'maxresults' });
  return Math.min(Number(text), 5000);
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** A copy without what is not there; optional properties hold no undefined. */
export function withoutUndefined<T extends Readonly<Record<string, unknown>>>(values: T): Present<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Present<T>; // nothing but absent values is dropped
}
