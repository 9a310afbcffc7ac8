// What the headers of a blob request say. Every value is bounded and checked here. Which of them an operation reads at all, and
// the refusal of the rest, is in reads.wire.ts.

import type { Exchange } from '#kernel/http/exchange';
import { type AccessTier, accessTiers } from '../access-tier.rules.ts';
import type { Conditions, Etags } from '../conditions.rules.ts';
import type { BlobContent } from '../content.rules.ts';
import type { Metadata } from '../names.rules.ts';
import type { ByteRange } from '../reading.service.ts';
import { storageFailures } from '../storage.errors.ts';

export function checkRequest(exchange: Exchange): void {
  const version = exchange.header('x-ms-version');
  if (version !== undefined && !isVersion(version))
    throw storageFailures.InvalidHeaderValue({
      target: 'x-ms-version',
      message: 'x-ms-version is a date: 2021-12-02.',
    });
}

export const isVersion = (text: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(text);

/** @param prefix of the headers that condition a copy on its source: `x-ms-source-` */
export function conditionsOf(exchange: Exchange, prefix = ''): Conditions {
  const etags = (condition: string): Etags | undefined => {
    const name = prefix + condition;
    const text = exchange.header(name)?.trim();
    if (text === undefined || text === '*') return text;
    const found = text.split(',').map((etag) => etag.trim());
    if (text === '' || found.length > 16) throw storageFailures.InvalidHeaderValue({ target: name });
    // As in the protocol's own service: any among others is any to whoever wants a match, and none to whoever wants no match.
    if (condition === 'if-match' && found.includes('*')) return '*';
    // Quotes are optional in this protocol, whose own listings leave them out; what is no etag of ours matches none.
    return found.map((etag) => etag.replace(/^W\//, '').replace(/^"(.*)"$/, '$1'));
  };
  const date = (condition: string) => {
    const name = prefix + condition;
    const text = exchange.header(name);
    if (text === undefined) return undefined;
    const parsed = new Date(text);
    if (text.length > 40 || Number.isNaN(parsed.getTime())) throw storageFailures.InvalidHeaderValue({ target: name });
    return parsed;
  };
  return withoutUndefined({
    ifMatch: etags('if-match'),
    ifNoneMatch: etags('if-none-match'),
    ifModifiedSince: date('if-modified-since'),
    ifUnmodifiedSince: date('if-unmodified-since'),
  });
}

/** Of whoever reads: that there be nothing is no wish of a reader. */
export function readConditionsOf(exchange: Exchange): Conditions {
  const conditions = conditionsOf(exchange);
  if (conditions.ifNoneMatch === '*') throw storageFailures.UnsatisfiableCondition();
  return conditions;
}

/** Of whoever deletes: for him `If-None-Match: *` means nothing, in the protocol's own service. */
export function deleteConditionsOf(exchange: Exchange): Conditions {
  const { ifNoneMatch, ...conditions } = conditionsOf(exchange);
  return ifNoneMatch === undefined || ifNoneMatch === '*' ? conditions : { ...conditions, ifNoneMatch };
}

/** Whether a range is meant of what is there now (RFC 9110 section 13.1.5): of anything else the whole is sent. */
export function isRangeMeant(
  exchange: Exchange,
  found: { readonly etag: string; readonly lastModified: Date },
): boolean {
  const text = exchange.header('if-range');
  return text === undefined || text === found.etag || text === found.lastModified.toUTCString();
}

/** `x-ms-range` wins, and must be right; a `Range` that makes no sense is ignored (RFC 9110 section 14.2). */
export function rangeOf(exchange: Exchange, header = 'x-ms-range'): ByteRange | undefined {
  const own = exchange.header(header);
  const text = own ?? (header === 'x-ms-range' ? exchange.header('range') : undefined);
  if (text === undefined) return undefined;
  const found = /^bytes=(\d{1,15})-(\d{1,15})?$/.exec(text.trim());
  const start = Number(found?.[1]);
  const end = found?.[2] === undefined ? undefined : Number(found[2]);
  if (found !== null && (end === undefined || start <= end)) return end === undefined ? { start } : { start, end };
  if (own !== undefined)
    throw storageFailures.InvalidHeaderValue({
      target: header,
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
      throw storageFailures.InvalidMetadata();
    metadata[key] = rawHeaders[at + 1] ?? '';
  }
  return { ...metadata };
}

/** What a writer says of the content. The request's own headers count only where its body is the content. */
export function contentOf(exchange: Exchange, isBodyTheContent: boolean): BlobContent {
  const said = (name: string) =>
    exchange.header(`x-ms-blob-${name}`) ?? (isBodyTheContent ? exchange.header(name) : undefined);
  return {
    ...withoutUndefined({ contentType: said('content-type') }),
    contentHeaders: withoutUndefined({
      'content-encoding': said('content-encoding'),
      'content-language': said('content-language'),
      'content-disposition': exchange.header('x-ms-blob-content-disposition'),
      'cache-control': said('cache-control'),
    }),
    metadata: metadataOf(exchange),
    ...tierOf(exchange),
  };
}

/** What a writer says is the MD5 of a whole whose bytes are not in this request. */
export const toldMd5Of = (exchange: Exchange) =>
  withoutUndefined({ toldMd5: exchange.header('x-ms-blob-content-md5') });

/** The MD5 that content must have, where the caller sent one; of several headers the first that is there. */
export function md5Of(exchange: Exchange, ...headers: readonly string[]): { readonly contentMd5?: string } {
  return withoutUndefined({
    contentMd5: headers.map((name) => exchange.header(name)).find((md5) => md5 !== undefined),
  });
}

export function tierOf(exchange: Exchange): { readonly accessTier?: AccessTier } {
  const asked = exchange.header('x-ms-access-tier');
  if (asked === undefined) return {};
  const accessTier = accessTiers.find((tier) => tier.toLowerCase() === asked.toLowerCase());
  if (accessTier !== undefined) return { accessTier };
  throw storageFailures.InvalidHeaderValue({
    target: 'x-ms-access-tier',
    message: 'The access tiers are Hot, Cool and Cold: kept and shown, all on the same disk. Archive is not served.',
  });
}

/** Of a header that says yes or no; undefined when it is not there. */
export function flagOf(exchange: Exchange, name: string): boolean | undefined {
  const text = exchange.header(name)?.toLowerCase();
  if (text === undefined) return undefined;
  if (text === 'true' || text === 'false') return text === 'true';
  throw storageFailures.InvalidHeaderValue({ target: name, message: `${name} is true or false.` });
}

/** Of a copy: its bytes come from elsewhere. */
export function requireNoBody(exchange: Exchange): void {
  if (Number(exchange.header('content-length') ?? 0) === 0 && exchange.header('transfer-encoding') === undefined)
    return;
  throw storageFailures.InvalidHeaderValue({
    target: 'content-length',
    message: 'A request with x-ms-copy-source has no body: its bytes come from there. Leave one of them out.',
  });
}

/** What a listing tells besides names, of what a listing of this kind may be asked. What there is none of here is told of none. */
export function includedOf(exchange: Exchange, known: readonly string[]): ReadonlySet<string> {
  const asked = exchange.target.query.all('include').flatMap((text) => text.split(','));
  if (asked.length > 64) throw storageFailures.InvalidQueryParameterValue({ target: 'include' });
  const members = asked.map((member) => member.trim().toLowerCase()).filter((member) => member !== '');
  const unknown = members.find((member) => !known.includes(member));
  if (unknown === undefined) return new Set(members);
  throw storageFailures.InvalidQueryParameterValue({
    target: 'include',
    message: `A listing can include ${known.join(', ')}.`,
  });
}

export function requireLength(exchange: Exchange): void {
  if (exchange.header('content-length') === undefined) throw storageFailures.MissingContentLengthHeader();
}

/** A page size: 1 to 5000; more than Azure gives means as many as it gives. */
export function pageSizeOf(exchange: Exchange): number {
  const text = exchange.target.query.get('maxresults');
  if (text === undefined) return 5000;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw storageFailures.InvalidQueryParameterValue({ target: 'maxresults' });
  return Math.min(Number(text), 5000);
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** A copy without what is not there; optional properties hold no undefined. */
export function withoutUndefined<T extends Readonly<Record<string, unknown>>>(values: T): Present<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Present<T>; // nothing but absent values is dropped
}
