// Conditions on a blob or a container as it is now (RFC 9110 section 13): looked at before anything is read or written, and for
// writes again inside the transaction that changes, so that two writers with the same If-Match do not both win.

import { storageFailures } from './storage.errors.ts';

/** Tags without their quotes, which are optional in this protocol; `*` is any. */
export type Etags = '*' | readonly string[];

export type Conditions = {
  readonly ifMatch?: Etags;
  readonly ifNoneMatch?: Etags;
  readonly ifModifiedSince?: Date;
  readonly ifUnmodifiedSince?: Date;
};

/** What a condition is about. The etag has its quotes, as HTTP sends it. */
export type Versioned = { readonly etag: string; readonly lastModified: Date };

const names = (etags: Etags, { etag }: Versioned) => etags === '*' || etags.includes(etag.replaceAll('"', ''));

/** HTTP dates have whole seconds. */
const seconds = (date: Date) => Math.floor(date.getTime() / 1000);

/** `unmet`: a precondition failed, 412. `unchanged`: the reader has it already, 304. */
export function judge(conditions: Conditions, found: Versioned | undefined): 'met' | 'unmet' | 'unchanged' {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions;
  if (found === undefined) return ifMatch === undefined ? 'met' : 'unmet';
  if (ifMatch !== undefined && !names(ifMatch, found)) return 'unmet';
  if (
    ifMatch === undefined &&
    ifUnmodifiedSince !== undefined &&
    seconds(found.lastModified) > seconds(ifUnmodifiedSince)
  )
    return 'unmet';
  if (ifNoneMatch !== undefined) return names(ifNoneMatch, found) ? 'unchanged' : 'met';
  if (ifModifiedSince !== undefined && seconds(found.lastModified) <= seconds(ifModifiedSince)) return 'unchanged';
  return 'met';
}

/** For writes. Throws 412, or 409 where the writer wanted to be the first. */
export function requireWritable(conditions: Conditions, found: Versioned | undefined): void {
  const verdict = judge(conditions, found);
  if (verdict === 'met') return;
  if (verdict === 'unchanged' && conditions.ifNoneMatch === '*') throw storageFailures.BlobAlreadyExists();
  throw storageFailures.ConditionNotMet();
}

/** For what is read to be copied. Throws 412: there is nothing to tell a copier that he has it already. */
export function requireSource(conditions: Conditions, found: Versioned): void {
  if (judge(conditions, found) !== 'met') throw storageFailures.SourceConditionNotMet();
}
