// Comparison of secrets. Time depends on neither content nor position of the first difference.
// Use it for every token, key, digest or password-like value; `===` on those leaks them byte by byte.

import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';

/** Drawn once in the life of the process, at the first comparison. */
let key: KeyObject | undefined;

/**
 * Tells whether two secrets are the same bytes (strings count as UTF-8).
 *
 * constant time: both sides are hashed under a key that nobody knows, so the comparison itself always sees 32 bytes that no
 * caller could have chosen, whatever the lengths were.
 */
export function constantTimeEqual(a: Uint8Array | string, b: Uint8Array | string): boolean {
  key ??= createSecretKey(randomBytes(32));
  return timingSafeEqual(createHmac('sha256', key).update(a).digest(), createHmac('sha256', key).update(b).digest());
}
