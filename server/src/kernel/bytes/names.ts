// What an object may be called. The callers' names are random; this is for the day on which one is not: no name leads out of
// its store, and none is taken for an unfinished write.

import { isTemporaryName } from '#kernel/files/files';
import { byteFailures } from './bytes.errors.ts';

/** @throws Failure `internal` ObjectName */
export function requireName(name: string): void {
  if (!/^[^/\\\0]{1,255}$/.test(name) || name === '.' || name === '..' || isTemporaryName(name))
    throw byteFailures.ObjectName();
}
