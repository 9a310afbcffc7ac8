// Comparison of secrets. Time depends on neither content nor position of the first difference.
// Use it for every token, key, digest or password-like value; `===` on those leaks them byte by byte.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/**
 * Tells whether two secrets are the same bytes (strings count as UTF-8).
 *
 * constant time: both sides are hashed under a key drawn for this call, so the comparison itself
 * always sees 32 bytes that no caller could have chosen, whatever the lengths were.
 */
export function constantTimeEqual(a: Uint8Array | string, b: Uint8Array | string): boolean {
  const key = randomBytes(32);
  const hash = (value: Uint8Array | string) => createHmac('sha256', key).update(value).digest();
  return timingSafeEqual(hash(a), hash(b));
}
