// Signature encodings of RFC 8017 over a digest that already exists: EMSA-PKCS1-v1_5 (section 9.2)
// and EMSA-PSS (section 9.1). Key Vault's `sign` takes a digest, which Node's own signing functions
// do not: they take the message. Internal to rsa.ts, which does the arithmetic with the key.
// rsa.test.ts holds both against Node's own signatures, in both directions.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** A hash as a signature names it; `prefix` is the DER of DigestInfo up to the digest (RFC 8017, 9.2, note 1). */
export interface SignatureHash {
  readonly name: 'sha256' | 'sha384' | 'sha512';
  readonly bytes: number;
  readonly prefix: string;
}

export const SHA256: SignatureHash = { name: 'sha256', bytes: 32, prefix: '3031300d060960864801650304020105000420' };
export const SHA384: SignatureHash = { name: 'sha384', bytes: 48, prefix: '3041300d060960864801650304020205000430' };
export const SHA512: SignatureHash = { name: 'sha512', bytes: 64, prefix: '3051300d060960864801650304020305000440' };

/** Returns the block that an RS256-like signature raises to the private power; `size` is that of the modulus, in bytes. */
export function encodePkcs1(hash: SignatureHash, digest: Uint8Array, size: number): Uint8Array {
  const info = Buffer.concat([Buffer.from(hash.prefix, 'hex'), digest]);
  const filling = Buffer.alloc(size - info.length - 3, 0xff);
  return Buffer.concat([Uint8Array.of(0, 1), filling, Uint8Array.of(0), info]);
}

/** Returns the block of a PS256-like signature, with a random salt as long as the digest (RFC 7518, 3.5). */
export function encodePss(hash: SignatureHash, digest: Uint8Array, size: number): Uint8Array {
  const salt = randomBytes(hash.bytes);
  const seal = pssHash(hash, digest, salt);
  const data = Buffer.alloc(size - hash.bytes - 1);
  data[data.length - salt.length - 1] = 1;
  data.set(salt, data.length - salt.length);
  const masked = xor(data, maskOf(hash, seal, data.length));
  clearTopBit(masked);
  return Buffer.concat([masked, seal, Uint8Array.of(0xbc)]);
}

/** Tells whether a block is a PSS encoding of the digest with a salt as long as the digest. */
export function isPss(hash: SignatureHash, digest: Uint8Array, block: Uint8Array): boolean {
  const split = block.length - hash.bytes - 1;
  const masked = block.subarray(0, split);
  const seal = block.subarray(split, -1);
  if (block.at(-1) !== 0xbc || ((masked[0] ?? 0xff) & 0x80) !== 0) return false;
  const data = xor(masked, maskOf(hash, seal, split));
  clearTopBit(data);
  const saltStart = split - hash.bytes;
  const isFilled = data.subarray(0, saltStart - 1).every((byte) => byte === 0) && data[saltStart - 1] === 1;
  return isFilled && timingSafeEqual(pssHash(hash, digest, data.subarray(saltStart)), seal);
}

function pssHash(hash: SignatureHash, digest: Uint8Array, salt: Uint8Array): Uint8Array {
  return createHash(hash.name).update(new Uint8Array(8)).update(digest).update(salt).digest();
}

/** MGF1 (RFC 8017, B.2.1). */
function maskOf(hash: SignatureHash, seed: Uint8Array, length: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let counter = 0; counter * hash.bytes < length; counter++) {
    blocks.push(
      createHash(hash.name)
        .update(seed)
        .update(Uint8Array.of(0, 0, 0, counter))
        .digest(),
    );
  }
  return Buffer.concat(blocks).subarray(0, length);
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, index) => byte ^ (b[index] ?? 0));
}

/** The block has one bit less than the modulus, whose size in bits is a multiple of eight here. */
function clearTopBit(block: Uint8Array): void {
  block[0] = (block[0] ?? 0) & 0x7f;
}
