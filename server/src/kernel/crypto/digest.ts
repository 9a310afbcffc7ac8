// Digests and message authentication codes, over bytes or UTF-8 strings.
// SHA-256 identifies content. MD5 exists only because `Content-MD5` (RFC 1864) is part of the blob
// protocol: it detects line noise, and no decision about trust may rest on it.

import { createHash, createHmac, createSecretKey, hash } from 'node:crypto';

/** A SHA-256 that is fed piece by piece. After `digest` or `hex` it is spent and further use throws. */
export interface Sha256Stream {
  update(piece: Uint8Array | string): void;
  digest(): Uint8Array;
  hex(): string;
}

/** Returns the 32-byte SHA-256 of the input. */
export function sha256(input: Uint8Array | string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(input).digest());
}

/** Returns the SHA-256 of the input as 64 lower-case hexadecimal digits. */
export function sha256Hex(input: Uint8Array | string): string {
  return hash('sha256', input, 'hex');
}

/** Starts an incremental SHA-256. */
export function createSha256(): Sha256Stream {
  const hash = createHash('sha256');
  return {
    update: (piece) => void hash.update(piece),
    digest: () => new Uint8Array(hash.digest()),
    hex: () => hash.digest('hex'),
  };
}

/** An MD5 that is fed piece by piece, for `Content-MD5` of a body that streams past. */
export interface Md5Stream {
  update(piece: Uint8Array | string): void;
  base64(): string;
}

/** Returns the MD5 of the input in base64, as `Content-MD5` carries it. Never a security check. */
export function md5Base64(input: Uint8Array | string): string {
  return createHash('md5').update(input).digest('base64');
}

/** Starts an incremental MD5 for `Content-MD5`. Never a security check. */
export function createMd5(): Md5Stream {
  const hash = createHash('md5');
  return { update: (piece) => void hash.update(piece), base64: () => hash.digest('base64') };
}

/** Returns the 32-byte HMAC-SHA256 (RFC 2104) of the input. Compare it with `constantTimeEqual` only. */
export function hmacSha256(key: Uint8Array | string, input: Uint8Array | string): Uint8Array {
  return new Uint8Array(createHmac('sha256', key).update(input).digest());
}

/** HMAC-SHA256 under one key for many inputs: the key is taken in once, which costs more than hashing something short. */
export function createHmacSha256(key: Uint8Array): (input: Uint8Array | string) => Uint8Array {
  const held = createSecretKey(key);
  return (input) => new Uint8Array(createHmac('sha256', held).update(input).digest());
}
