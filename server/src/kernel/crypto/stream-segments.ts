// The arithmetic and the per-segment cipher of Tink's AES-GCM-HKDF streaming AEAD
// (developers.google.com/tink/streaming-aead/aes_gcm_hkdf_streaming), with SHA-256 and AES-256.
// Internal to this room: stream-aead.ts makes streams and ranges of it at one segment size.
// Promises: a segment opens only at its own index, in its own stream, with its own finality.
//
//   header    1 byte 40 · 32 bytes salt · 7 bytes nonce prefix
//   key       HKDF-SHA256(ikm = key, salt = salt, info = associated data), 32 bytes
//   nonce i   nonce prefix · i as 4 bytes big-endian · 1 if the segment is the last, else 0
//   segment   ciphertext · 16 bytes tag; all full except the last; the first is shorter by the header

import { createCipheriv, createDecipheriv, createHmac, createSecretKey, randomBytes } from 'node:crypto';
import { cryptoFailures } from './crypto.errors.ts';
import { requireKeyBytes } from './envelope.ts';

export const HEADER_BYTES = 40;
export const TAG_BYTES = 16;
const SALT_BYTES = 32;
/** Worked through at once: memory of a whole segment is new from the system each time, which costs more than the cipher. */
const PIECE_BYTES = 256 * 1024;
const WHAT = 'sealed stream';

/** Where segments begin and end, for one segment size. All sizes and offsets are bytes. */
export interface Layout {
  readonly segmentBytes: number;
  /** Plaintext capacity of segment `index`. */
  capacity(index: number): number;
  /** Size of the whole ciphertext of a plaintext. */
  ciphertextSize(plaintextBytes: number): number;
  /** Size of the plaintext inside a whole ciphertext; throws `integrity` where no plaintext has that size. */
  plaintextSize(ciphertextBytes: number): number;
  /** Number of segments in a whole ciphertext. */
  segmentCount(ciphertextBytes: number): number;
  /** Index of the segment that holds a plaintext offset. */
  segmentOf(plaintextOffset: number): number;
  /** Plaintext offset at which segment `index` begins. */
  plaintextStart(index: number): number;
}

export function createLayout(segmentBytes: number): Layout {
  const full = segmentBytes - TAG_BYTES;
  const first = full - HEADER_BYTES;
  if (!Number.isInteger(segmentBytes) || first < 1)
    throw cryptoFailures.InvalidCryptoArgument('A segment must hold its header, its tag and a byte.');
  const segmentOf = (offset: number) => (offset < first ? 0 : 1 + Math.floor((offset - first) / full));
  const segmentCount = (ciphertextBytes: number) => Math.max(1, Math.ceil(ciphertextBytes / segmentBytes));
  return {
    segmentBytes,
    segmentCount,
    segmentOf,
    capacity: (index) => (index === 0 ? first : full),
    plaintextStart: (index) => (index === 0 ? 0 : first + (index - 1) * full),
    ciphertextSize(plaintextBytes) {
      requireSize(plaintextBytes);
      const segments = plaintextBytes === 0 ? 1 : segmentOf(plaintextBytes - 1) + 1;
      return HEADER_BYTES + plaintextBytes + segments * TAG_BYTES;
    },
    plaintextSize(ciphertextBytes) {
      requireSize(ciphertextBytes);
      const segments = segmentCount(ciphertextBytes);
      const plaintextBytes = ciphertextBytes - HEADER_BYTES - segments * TAG_BYTES;
      // Only the first segment may be empty: a last segment of nothing is never written.
      const least = segments === 1 ? 0 : first + (segments - 2) * full + 1;
      if (plaintextBytes < least) throw cryptoFailures.IntegrityCheckFailed(WHAT);
      return plaintextBytes;
    },
  };
}

/** The cipher of one stream: its header, and its segments by index. */
export interface SegmentCipher {
  readonly header: Uint8Array;
  /** Returns ciphertext and tag of segment `index` in pieces: joining them would copy every byte that is stored. */
  seal(index: number, isLast: boolean, plaintext: Uint8Array): readonly Uint8Array[];
  /** Returns the plaintext of segment `index` in pieces, none of them empty, or throws `integrity`. */
  open(index: number, isLast: boolean, segment: Uint8Array): readonly Uint8Array[];
}

/** Begins a new stream with a fresh random header. */
export function beginStream(key: Uint8Array, associatedData: Uint8Array): SegmentCipher {
  return segmentCipher(
    key,
    associatedData,
    Buffer.concat([Uint8Array.of(HEADER_BYTES), randomBytes(HEADER_BYTES - 1)]),
  );
}

/** Resumes the stream that has this header; nothing is known to be right until a segment opens. */
export function segmentCipher(key: Uint8Array, associatedData: Uint8Array, header: Uint8Array): SegmentCipher {
  requireKeyBytes({ bytes: key });
  if (header.length !== HEADER_BYTES || header[0] !== HEADER_BYTES) throw cryptoFailures.IntegrityCheckFailed(WHAT);
  // A key object, made once: bytes would be imported anew for every segment.
  const streamKey = createSecretKey(deriveKey(key, header.subarray(1, 1 + SALT_BYTES), associatedData));
  // Copied: the header may be a view of a buffer that the next segment overwrites (Buffer's own slice would not copy).
  const prefix = Uint8Array.from(header.subarray(1 + SALT_BYTES));

  function nonce(index: number, isLast: boolean): Uint8Array {
    // The counter has 32 bits; repeating one would repeat a nonce, which breaks GCM altogether.
    if (!Number.isInteger(index) || index < 0 || index > 0xffff_ffff)
      throw cryptoFailures.InvalidCryptoArgument('A stream has at most 2^32 segments.');
    const bytes = Buffer.alloc(12);
    bytes.set(prefix);
    bytes.writeUInt32BE(index, 7);
    bytes[11] = isLast ? 1 : 0;
    return bytes;
  }

  return {
    header,
    seal(index, isLast, plaintext) {
      const cipher = createCipheriv('aes-256-gcm', streamKey, nonce(index, isLast), { authTagLength: TAG_BYTES });
      const pieces = inPieces(plaintext, (piece) => cipher.update(piece));
      cipher.final();
      return [...pieces, cipher.getAuthTag()];
    },
    open(index, isLast, segment) {
      const bodyBytes = segment.length - TAG_BYTES;
      if (bodyBytes < 0) throw cryptoFailures.IntegrityCheckFailed(WHAT);
      const decipher = createDecipheriv('aes-256-gcm', streamKey, nonce(index, isLast), { authTagLength: TAG_BYTES });
      decipher.setAuthTag(segment.subarray(bodyBytes));
      const plaintext = inPieces(segment.subarray(0, bodyBytes), (piece) => decipher.update(piece));
      try {
        decipher.final();
      } catch {
        // fails closed: what was decrypted but not authenticated is wiped, never returned.
        for (const piece of plaintext) piece.fill(0);
        throw cryptoFailures.IntegrityCheckFailed(WHAT);
      }
      return plaintext;
    },
  };
}

function inPieces(bytes: Uint8Array, work: (piece: Uint8Array) => Uint8Array): readonly Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) pieces.push(work(bytes.subarray(at, at + PIECE_BYTES)));
  return pieces;
}

/** HKDF (RFC 5869) with one block of output. Node's own bounds `info` to 1,024 bytes, shorter than the name of a blob may be. */
function deriveKey(key: Uint8Array, salt: Uint8Array, info: Uint8Array): Uint8Array {
  const pseudorandomKey = createHmac('sha256', salt).update(key).digest();
  return createHmac('sha256', pseudorandomKey).update(info).update(Uint8Array.of(1)).digest();
}

function requireSize(bytes: number): void {
  if (!Number.isSafeInteger(bytes) || bytes < 0)
    throw cryptoFailures.InvalidCryptoArgument('A size is a whole number of bytes, 0 or more.');
}
