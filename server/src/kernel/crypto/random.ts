// Randomness for the whole server, from the operating system's generator.
// Everything unguessable (keys, nonces, tokens, ids) is drawn here and nowhere else, so that
// `Math.random` has no excuse. Draws are bounded: no caller can ask for an allocation of any size.

import { randomBytes as drawBytes, randomUUID } from 'node:crypto';
import { cryptoFailures } from './crypto.errors.ts';

/** The most that one draw may ask for, in bytes. */
export const MAX_RANDOM_BYTES = 65_536;

/** Returns `count` random bytes, 1 to 65,536. */
export function randomBytes(count: number): Uint8Array {
  if (!Number.isInteger(count) || count < 1 || count > MAX_RANDOM_BYTES) {
    throw cryptoFailures.InvalidCryptoArgument(`Random bytes come in counts from 1 to ${MAX_RANDOM_BYTES}.`);
  }
  return new Uint8Array(drawBytes(count));
}

/** Returns a random version 4 UUID in lower case, 122 random bits. */
export function randomUuid(): string {
  return randomUUID();
}

/** Returns `byteCount` random bytes (32 by default, 16 at least) as base64url without padding. */
export function randomToken(byteCount = 32): string {
  if (byteCount < 16) {
    throw cryptoFailures.InvalidCryptoArgument('A token needs at least 16 random bytes, so that nobody can guess it.');
  }
  return Buffer.from(randomBytes(byteCount)).toString('base64url');
}
