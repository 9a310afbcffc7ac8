// Segments as files, compressed or not. Read line by line within bounds: a file that somebody gives may be anything.

import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { createSha256 } from '#kernel/crypto/digest';
import { auditFailures } from './audit.errors.ts';

/** Longer than any record that the log holds, with everything in it escaped. */
const lineBytesMax = 1_048_576;
const newline = 0x0a;

/** The bytes of a segment's file as they were before they were compressed. */
export async function* segmentBytes(path: string): AsyncGenerator<Uint8Array> {
  const compressed = await isCompressed(path);
  const file = createReadStream(path);
  let source: Readable = file;
  if (compressed) {
    const unpacked = createGunzip();
    file.on('error', (error) => unpacked.destroy(error));
    source = file.pipe(unpacked);
  }
  try {
    yield* source;
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_'))
      throw auditFailures.segmentUnreadable('it does not unpack', error);
    throw error;
  } finally {
    source.destroy();
    file.destroy();
  }
}

/** Its lines, without their ends. */
export async function* segmentFileLines(path: string): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of segmentBytes(path)) {
    for (let from = 0; from < chunk.length; ) {
      const end = chunk.indexOf(newline, from);
      const part = chunk.subarray(from, end < 0 ? chunk.length : end);
      length += part.length;
      if (length > lineBytesMax) throw auditFailures.segmentUnreadable('it holds a line that no segment has');
      parts.push(part);
      if (end < 0) break;
      yield Buffer.concat(parts).toString('utf8');
      parts = [];
      length = 0;
      from = end + 1;
    }
  }
  if (length > 0) yield Buffer.concat(parts).toString('utf8');
}

/** Of what a segment's file holds, not compressed. */
export async function segmentFileDigest(path: string): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const hash = createSha256();
  let bytes = 0;
  for await (const chunk of segmentBytes(path)) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { sha256: hash.hex(), bytes };
}

async function isCompressed(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await file.close();
  }
}
