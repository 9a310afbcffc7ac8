// Ed25519 signatures (RFC 8032): audit checkpoints and provenance. Deterministic, 64 bytes, no
// parameters to choose. A private key leaves this file only as PKCS #8, for the caller to seal.
// JSON web tokens are not signed here: public clients read RS256, which rsa.ts holds.

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { cryptoFailures } from './crypto.errors.ts';

export const ED25519_PUBLIC_KEY_BYTES = 32;
export const ED25519_SIGNATURE_BYTES = 64;

/** A private signing key. It shows its public half; the private half has to be asked for by name. */
export interface SigningKey {
  /** The 32-byte public key of RFC 8032. */
  readonly publicKey: Uint8Array;
  /** Signs the message itself (not a digest of it). */
  sign(message: Uint8Array): Uint8Array;
  /** Returns the private key as PKCS #8 DER (RFC 8410). Seal it before it is stored. */
  exportPkcs8(): Uint8Array;
}

/** Makes a new random key. */
export function generateSigningKey(): SigningKey {
  return signingKey(generateKeyPairSync('ed25519').privateKey);
}

/** Reads a key from PKCS #8 DER, as `exportPkcs8` wrote it. Throws `invalid` for anything but Ed25519. */
export function importSigningKey(pkcs8: Uint8Array): SigningKey {
  let key: KeyObject | undefined;
  try {
    key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  } catch {
    // The reason is not chained: parser messages may quote key material.
  }
  if (key?.asymmetricKeyType !== 'ed25519')
    throw cryptoFailures.InvalidCryptoArgument('A signing key is an Ed25519 private key in PKCS #8 DER.');
  return signingKey(key);
}

/** Tells whether `signature` over `message` is by the holder of `publicKey`. A malformed key or signature is false. */
export function verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== ED25519_PUBLIC_KEY_BYTES || signature.length !== ED25519_SIGNATURE_BYTES) return false;
  const x = Buffer.from(publicKey).toString('base64url');
  try {
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    return verify(null, message, key, signature);
  } catch {
    // fails closed: a point that is not on the curve verifies nothing.
    return false;
  }
}

function signingKey(key: KeyObject): SigningKey {
  const { x } = createPublicKey(key).export({ format: 'jwk' });
  if (x === undefined) throw cryptoFailures.InvalidCryptoArgument('This key has no Ed25519 public half.');
  return {
    publicKey: new Uint8Array(Buffer.from(x, 'base64url')),
    sign: (message) => new Uint8Array(sign(null, message, key)),
    exportPkcs8: () => new Uint8Array(key.export({ format: 'der', type: 'pkcs8' })),
  };
}
