// RSA keys as a key vault serves them in software: OAEP to encrypt and to wrap, RSASSA to sign digests.
// Promises: 2048, 3072 or 4096 bits only; a private key shows itself only as PKCS #8, to be sealed;
// making a key never blocks the event loop. RSA1_5 encryption is left out on purpose: its padding is an
// oracle (Bleichenbacher 1998), and every client that may use it may use OAEP as well.

import {
  constants,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  privateDecrypt,
  privateEncrypt,
  publicDecrypt,
  publicEncrypt,
} from 'node:crypto';
import { promisify } from 'node:util';
import { constantTimeEqual } from './compare.ts';
import { cryptoFailures } from './crypto.errors.ts';
import { encodePkcs1, encodePss, isPss, SHA256, SHA384, SHA512, type SignatureHash } from './rsa-padding.ts';

export type RsaBits = 2048 | 3072 | 4096;
export type RsaEncryption = 'RSA-OAEP' | 'RSA-OAEP-256';
export type RsaSignature = 'RS256' | 'RS384' | 'RS512' | 'PS256' | 'PS384' | 'PS512';

/** The public half in base64url, as JSON web keys carry it (RFC 7518, 6.3.1). */
export interface RsaPublicParts {
  readonly n: string;
  readonly e: string;
}

/** A whole private key in base64url, as JSON web keys carry it (RFC 7518, 6.3.2). */
export interface RsaPrivateParts extends RsaPublicParts {
  readonly d: string;
  readonly p: string;
  readonly q: string;
  readonly dp: string;
  readonly dq: string;
  readonly qi: string;
}

/** What anybody can do with a key. */
export interface RsaPublicKey {
  readonly bits: RsaBits;
  readonly parts: RsaPublicParts;
  /** Encrypts (or wraps) at most `bits / 8 - 42` bytes with RSA-OAEP, `bits / 8 - 66` with RSA-OAEP-256. */
  encrypt(algorithm: RsaEncryption, plaintext: Uint8Array): Uint8Array;
  /** Tells whether a signature is over this digest. The digest has the size of the algorithm's hash. */
  verifyDigest(algorithm: RsaSignature, digest: Uint8Array, signature: Uint8Array): boolean;
}

/** What only the holder can do. Private operations take milliseconds on the calling thread. */
export interface RsaKey extends RsaPublicKey {
  /** Decrypts (or unwraps), or throws `integrity` with one message for every reason. */
  decrypt(algorithm: RsaEncryption, ciphertext: Uint8Array): Uint8Array;
  /** Signs a digest that the caller computed. */
  signDigest(algorithm: RsaSignature, digest: Uint8Array): Uint8Array;
  /** Returns the private key as PKCS #8 DER. Seal it before it is stored. */
  exportPkcs8(): Uint8Array;
}

const ENCRYPTIONS: Readonly<Record<RsaEncryption, { readonly hash: string; readonly overheadBytes: number }>> = {
  'RSA-OAEP': { hash: 'sha1', overheadBytes: 42 },
  'RSA-OAEP-256': { hash: 'sha256', overheadBytes: 66 },
};

const SIGNATURES: Readonly<Record<RsaSignature, { readonly hash: SignatureHash; readonly isPss: boolean }>> = {
  RS256: { hash: SHA256, isPss: false },
  RS384: { hash: SHA384, isPss: false },
  RS512: { hash: SHA512, isPss: false },
  PS256: { hash: SHA256, isPss: true },
  PS384: { hash: SHA384, isPss: true },
  PS512: { hash: SHA512, isPss: true },
};

const generate = promisify(generateKeyPair);

/** Makes a random key with the public exponent 65537, on another thread (seconds for 4096 bits). */
export async function generateRsaKey(bits: RsaBits): Promise<RsaKey> {
  requireBits(bits);
  const { privateKey } = await generate('rsa', { modulusLength: bits, publicExponent: 65_537 });
  return rsaKey(privateKey);
}

/** Reads a key from PKCS #8 DER. Throws `invalid` for what is no sound RSA key of a size we serve. */
export function importRsaPkcs8(pkcs8: Uint8Array): RsaKey {
  return importedKey(readKey(() => createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })));
}

/** Reads a key from the parts of a JSON web key. Throws `invalid` if the parts do not belong together. */
export function importRsaParts(parts: RsaPrivateParts): RsaKey {
  const { n, e, d, p, q, dp, dq, qi } = parts;
  return importedKey(
    readKey(() => createPrivateKey({ key: { kty: 'RSA', n, e, d, p, q, dp, dq, qi }, format: 'jwk' })),
  );
}

/** Reads a public key, for verifying and encrypting only. Throws `invalid` for a size we do not serve. */
export function importRsaPublicParts({ n, e }: RsaPublicParts): RsaPublicKey {
  return rsaPublicKey(readKey(() => createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' })));
}

/** A key from outside: the parser checks no arithmetic, and one signature by a faulty part can give the key away. */
function importedKey(key: KeyObject): RsaKey {
  const imported = rsaKey(key);
  const parts = key.export({ format: 'jwk' });
  const number = (part: string | undefined) => BigInt(`0x0${Buffer.from(part ?? '', 'base64url').toString('hex')}`);
  const [n, e, p, q] = [number(parts.n), number(parts.e), number(parts.p), number(parts.q)];
  const [d, dp, dq, qi] = [number(parts.d), number(parts.dp), number(parts.dq), number(parts.qi)];
  const isSound =
    p > 1n &&
    q > 1n &&
    p * q === n &&
    d % (p - 1n) === dp &&
    d % (q - 1n) === dq &&
    (e * dp) % (p - 1n) === 1n &&
    (e * dq) % (q - 1n) === 1n &&
    (qi * q) % p === 1n;
  if (!isSound) throw cryptoFailures.InvalidCryptoArgument('The parts of this RSA key do not belong together.');
  return imported;
}

function rsaKey(key: KeyObject): RsaKey {
  const publicHalf = rsaPublicKey(createPublicKey(key));
  const size = publicHalf.bits / 8;
  return {
    ...publicHalf,
    decrypt(algorithm, ciphertext) {
      const oaepHash = encryptionOf(algorithm).hash;
      try {
        const plaintext = privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, ciphertext);
        return new Uint8Array(plaintext);
      } catch {
        throw cryptoFailures.IntegrityCheckFailed('RSA ciphertext');
      }
    },
    signDigest(algorithm, digest) {
      const { hash, isPss } = signatureOf(algorithm, digest);
      const block = isPss ? encodePss(hash, digest, size) : encodePkcs1(hash, digest, size);
      return new Uint8Array(privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, block));
    },
    exportPkcs8: () => new Uint8Array(key.export({ format: 'der', type: 'pkcs8' })),
  };
}

function rsaPublicKey(key: KeyObject): RsaPublicKey {
  const bits = requireBits(key.asymmetricKeyDetails?.modulusLength);
  const { n, e } = key.export({ format: 'jwk' });
  if (key.asymmetricKeyType !== 'rsa' || n === undefined || e === undefined)
    throw cryptoFailures.InvalidCryptoArgument('This is not an RSA key.');
  requireExponent(key.asymmetricKeyDetails?.publicExponent);
  const size = bits / 8;
  return {
    bits,
    parts: { n, e },
    encrypt(algorithm, plaintext) {
      const { hash: oaepHash, overheadBytes } = encryptionOf(algorithm);
      if (plaintext.length > size - overheadBytes) {
        throw cryptoFailures.InvalidCryptoArgument(
          `${algorithm} with ${bits} bits encrypts at most ${size - overheadBytes} bytes.`,
        );
      }
      return new Uint8Array(publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, plaintext));
    },
    verifyDigest(algorithm, digest, signature) {
      const { hash, isPss: isPssSignature } = signatureOf(algorithm, digest);
      if (signature.length !== size) return false;
      let block: Uint8Array;
      try {
        block = publicDecrypt({ key, padding: constants.RSA_NO_PADDING }, signature);
      } catch {
        // fails closed: a number outside the modulus is nobody's signature.
        return false;
      }
      if (isPssSignature) return isPss(hash, digest, block);
      // The whole block is rebuilt and compared, never parsed: parsing it is what forgeries with low exponents live on.
      return constantTimeEqual(block, encodePkcs1(hash, digest, size));
    },
  };
}

function readKey(read: () => KeyObject): KeyObject {
  try {
    return read();
  } catch {
    // The reason is not chained: parser messages may quote key material.
    throw cryptoFailures.InvalidCryptoArgument('This is not an RSA key in the expected form.');
  }
}

function requireBits(bits: number | undefined): RsaBits {
  if (bits === 2048 || bits === 3072 || bits === 4096) return bits;
  throw cryptoFailures.InvalidCryptoArgument('An RSA key has 2048, 3072 or 4096 bits.');
}

function requireExponent(exponent: bigint | undefined): void {
  // Small exponents make padding mistakes fatal, huge ones make verifying slow at will.
  if (exponent !== 65_537n) throw cryptoFailures.InvalidCryptoArgument('An RSA key has the public exponent 65537.');
}

function encryptionOf(algorithm: RsaEncryption): { readonly hash: string; readonly overheadBytes: number } {
  if (!Object.hasOwn(ENCRYPTIONS, algorithm))
    throw cryptoFailures.InvalidCryptoArgument('RSA encrypts and wraps with RSA-OAEP or RSA-OAEP-256.');
  return ENCRYPTIONS[algorithm];
}

function signatureOf(algorithm: RsaSignature, digest: Uint8Array): { hash: SignatureHash; isPss: boolean } {
  if (!Object.hasOwn(SIGNATURES, algorithm))
    throw cryptoFailures.InvalidCryptoArgument('RSA signs with RS256, RS384, RS512, PS256, PS384 or PS512.');
  const { hash } = SIGNATURES[algorithm];
  if (digest.length !== hash.bytes)
    throw cryptoFailures.InvalidCryptoArgument(`${algorithm} signs a digest of ${hash.bytes} bytes.`);
  return SIGNATURES[algorithm];
}
