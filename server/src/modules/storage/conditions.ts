// Conditions on a blob as it is now (RFC 9110 section 13): looked at before anything is read or written, and for writes
// again inside the transaction that replaces, so that two writers with the same If-Match do not both win.

import type { BlobInfo } from './blobs.store.ts';
import { failure } from './errors.ts';

export type Conditions = {
  /** ETags with their quotes, or `*`. */
  readonly ifMatch?: readonly string[];
  readonly ifNoneMatch?: readonly string[];
  readonly ifModifiedSince?: Date;
  readonly ifUnmodifiedSince?: Date;
};

const names = (etags: readonly string[], info: BlobInfo) => etags.includes('*') || etags.includes(info.etag);

/** HTTP dates have whole seconds. */
const seconds = (date: Date) => Math.floor(date.getTime() / 1000);

/** `unmet`: a precondition failed, 412. `unchanged`: the reader has it already, 304. */
export function judge(conditions: Conditions, info: BlobInfo | undefined): 'met' | 'unmet' | 'unchanged' {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions;
  if (info === undefined) return ifMatch === undefined ? 'met' : 'unmet';
  if (ifMatch !== undefined && !names(ifMatch, info)) return 'unmet';
  if (
    ifMatch === undefined &&
    ifUnmodifiedSince !== undefined &&
    seconds(info.lastModified) > seconds(ifUnmodifiedSince)
  )
    return 'unmet';
  if (ifNoneMatch !== undefined) return names(ifNoneMatch, info) ? 'unchanged' : 'met';
  if (ifModifiedSince !== undefined && seconds(info.lastModified) <= seconds(ifModifiedSince)) return 'unchanged';
  return 'met';
}

/** For writes. Throws 412, or 409 where the writer wanted to be the first. */
export function requireWritable(conditions: Conditions, info: BlobInfo | undefined): void {
  const verdict = judge(conditions, info);
  if (verdict === 'met') return;
  if (verdict === 'unchanged' && conditions.ifNoneMatch?.includes('*')) throw failure('BlobAlreadyExists');
  throw failure('ConditionNotMet');
}
