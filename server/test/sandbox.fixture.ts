// For tests: whether this machine can run what they put into a sandbox. Under CI what it lacks is a failure and no skip: they run, and
// say so.

import { findBubblewrap } from '../../agent/src/sandbox/host.ts';

/** @param lacks what is missing besides, in words */
export function sandboxed(lacks?: string): {
  readonly isPossible: boolean;
  readonly skip: { readonly skip: string | false };
} {
  const missing = findBubblewrap() === undefined ? 'no bubblewrap' : lacks;
  const isPossible = process.env['CI'] === 'true' || missing === undefined;
  return { isPossible, skip: { skip: isPossible ? false : (missing ?? false) } };
}
