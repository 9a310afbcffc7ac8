// The byte layout shared by sealed values and wrapped keys: AES-256-GCM (NIST SP 800-38D) with a
// random 96-bit nonce. Promises: nothing is returned before the whole tag has been verified, and
// the layout version and key id are authenticated too.
// Internal to this room: callers use value-envelope.ts and key-wrap.ts, which fix the context.
//
//   offset  size  field
//        0     1  layout version, 0x01
//        1    16  key id, the bytes of a UUID
//       17    12  nonce, random
//       29     n  ciphertext, as long as the plaintext
//     29+n    16  tag

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { cryptoFailures } from './crypto.errors.ts';

/** A 256-bit key and the UUID it is known by. The id is public, the bytes never leave memory unsealed. */
export interface DataKey {
  readonly id: string;
  readonly bytes: Uint8Array;
}

export const KEY_BYTES = 32;
const LAYOUT_VERSION = 1;
const ID_END = 17;
const HEADER_BYTES = 29;
const TAG_BYTES = 16;

/** Bytes that an envelope adds to its plaintext. */
export const ENVELOPE_OVERHEAD_BYTES = HEADER_BYTES + TAG_BYTES;

/** The longest plaintext of one envelope, in bytes. Larger things are streams. */
export const MAX_ENVELOPE_PLAINTEXT_BYTES = 16 * 1024 * 1024;

/** Seals `plaintext` under `key`; `associated` must be given again, equal, to open it. */
export function sealEnvelope(key: DataKey, associated: Uint8Array, plaintext: Uint8Array): Uint8Array {
  requireKeyBytes(key);
  if (plaintext.length > MAX_ENVELOPE_PLAINTEXT_BYTES) {
    throw cryptoFailures.InvalidCryptoArgument(
      `A sealed value holds at most ${MAX_ENVELOPE_PLAINTEXT_BYTES} bytes; seal larger data as a stream.`,
    );
  }
  const header = Buffer.concat([Uint8Array.of(LAYOUT_VERSION), uuidToBytes(key.id), randomBytes(12)]);
  const cipher = createCipheriv('aes-256-gcm', key.bytes, header.subarray(ID_END), { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.concat([header.subarray(0, ID_END), associated]));
  const body = cipher.update(plaintext);
  cipher.final();
  return new Uint8Array(Buffer.concat([header, body, cipher.getAuthTag()]));
}

/** Opens an envelope, or throws one `integrity` failure for every reason why it does not open. */
export function openEnvelope(
  keyById: (id: string) => DataKey | undefined,
  associated: Uint8Array,
  envelope: Uint8Array,
  what: string,
): Uint8Array {
  const key = keyById(readEnvelopeKeyId(envelope, what));
  if (key === undefined) throw cryptoFailures.IntegrityCheckFailed(what);
  requireKeyBytes(key);
  const nonce = envelope.subarray(ID_END, HEADER_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key.bytes, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.concat([envelope.subarray(0, ID_END), associated]));
  decipher.setAuthTag(envelope.subarray(envelope.length - TAG_BYTES));
  const plaintext = decipher.update(envelope.subarray(HEADER_BYTES, envelope.length - TAG_BYTES));
  try {
    decipher.final();
  } catch {
    // fails closed: what was decrypted but not authenticated is wiped, never returned.
    plaintext.fill(0);
    throw cryptoFailures.IntegrityCheckFailed(what);
  }
  return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.length);
}

/** Reads which key an envelope names. Not authenticated until it has been opened. */
function readEnvelopeKeyId(envelope: Uint8Array, what: string): string {
  if (envelope.length < ENVELOPE_OVERHEAD_BYTES || envelope[0] !== LAYOUT_VERSION)
    throw cryptoFailures.IntegrityCheckFailed(what);
  const hex = Buffer.from(envelope.subarray(1, ID_END)).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/**
 * Encodes a context and its parts so that no two lists share an encoding: a count, then each
 * part as a 4-byte big-endian length and its UTF-8 bytes.
 */
export function encodeAssociated(parts: readonly string[]): Uint8Array {
  const pieces: Uint8Array[] = [uint32(parts.length)];
  for (const part of parts) {
    // Lone surrogates all encode to U+FFFD, which would make two different places equal.
    if (!part.isWellFormed())
      throw cryptoFailures.InvalidCryptoArgument('Names that bind a sealed value must be well-formed Unicode.');
    const bytes = Buffer.from(part, 'utf8');
    pieces.push(uint32(bytes.length), bytes);
  }
  return new Uint8Array(Buffer.concat(pieces));
}

export function requireKeyBytes(key: { readonly bytes: Uint8Array }): void {
  if (key.bytes.length !== KEY_BYTES)
    throw cryptoFailures.InvalidCryptoArgument(`A sealing key has exactly ${KEY_BYTES} bytes.`);
}

function uuidToBytes(id: string): Uint8Array {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) {
    throw cryptoFailures.InvalidCryptoArgument('A key id is a UUID in lower case, as randomUuid() returns it.');
  }
  return Buffer.from(id.replaceAll('-', ''), 'hex');
}

function uint32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
