// Reads a request body, only after the caller was allowed to send one, and never more bytes than were asked for.

import type { IncomingMessage } from 'node:http';
import { type Readable, Transform } from 'node:stream';
import { declareLength } from '#kernel/bytes/lengths';
import { ownPiece } from '#kernel/bytes/pieces';
import { httpFailures } from './http.errors.ts';

function refuseDeclared(request: IncomingMessage, maxBytes: number): void {
  const declared = Number(request.headers['content-length'] ?? '0');
  if (Number.isFinite(declared) && declared > maxBytes) throw httpFailures.RequestEntityTooLarge(maxBytes);
}

/** Rejects with `tooLarge` as soon as there is more, and then reads no further: what still comes is for whoever answers. */
export async function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  refuseDeclared(request, maxBytes);
  if (request.readableEnded) return Buffer.alloc(0);
  // It broke before anybody listened, which is told once only.
  if (request.destroyed) throw httpFailures.IncompleteBody();
  // By events: an iterator over the stream costs as much as the rest of reading a small body.
  return await new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const leave = () =>
      void request.off('data', take).off('end', end).off('error', fail).off('close', fail).off('aborted', fail);
    const take = (bytes: Buffer) => {
      // No encoding is ever set on the request.
      size += bytes.length;
      chunks.push(bytes);
      if (size <= maxBytes) return;
      leave();
      // Not destroyed: the answer would go with the connection.
      request.pause();
      reject(httpFailures.RequestEntityTooLarge(maxBytes));
    };
    const end = () => {
      leave();
      const [first] = chunks;
      resolve(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, size));
    };
    const fail = (cause?: unknown) => {
      leave();
      // Whoever broke it may say so once more, and an error without a listener would end the process.
      request.on('error', () => {});
      reject(httpFailures.IncompleteBody({ cause }));
    };
    request.on('data', take).on('end', end).on('error', fail).on('close', fail).on('aborted', fail);
  });
}

/** The body as a stream that fails past `maxBytes`. */
export function readStream(request: IncomingMessage, maxBytes: number): Readable {
  refuseDeclared(request, maxBytes);
  let size = 0;
  const bounded = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size > maxBytes) done(httpFailures.RequestEntityTooLarge(maxBytes));
      else done(null, ownPiece(chunk));
    },
  });
  // Whoever reads it is told, also later. While nobody does (it was refused, or its record is being written) an error without
  // a listener would end the process.
  bounded.on('error', () => {});
  request.on('aborted', () => bounded.destroy(httpFailures.IncompleteBody()));
  request.pipe(bounded);
  const declared = Number(request.headers['content-length'] ?? Number.NaN);
  return Number.isSafeInteger(declared) ? declareLength(bounded, declared) : bounded;
}

export function parseForm(bytes: Uint8Array): Readonly<Record<string, string>> {
  const values: Record<string, string> = Object.create(null) as Record<string, string>;
  let count = 0;
  for (const [name, value] of new URLSearchParams(new TextDecoder().decode(bytes))) {
    if (++count > 200) throw httpFailures.tooManyFields();
    values[name] ??= value;
  }
  return values;
}
