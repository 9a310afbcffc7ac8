// Reads a request body, only after the caller was allowed to send one, and never more bytes than were asked for.

import type { IncomingMessage } from 'node:http';
import { type Readable, Transform } from 'node:stream';
import { declareLength } from '#kernel/bytes/lengths';
import { ownPiece } from '#kernel/bytes/pieces';
import { Failure } from '#kernel/errors/failure';
import { httpFailures } from './http.errors.ts';

function refuseDeclared(request: IncomingMessage, maxBytes: number): void {
  const declared = Number(request.headers['content-length'] ?? '0');
  if (Number.isFinite(declared) && declared > maxBytes) throw httpFailures.RequestEntityTooLarge(maxBytes);
}

export async function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  refuseDeclared(request, maxBytes);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    // Not destroyed where it is too long: the answer would go with the connection.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      const bytes = chunk as Buffer; // no encoding is ever set on the request
      size += bytes.length;
      if (size > maxBytes) throw httpFailures.RequestEntityTooLarge(maxBytes);
      chunks.push(bytes);
    }
  } catch (thrown) {
    if (thrown instanceof Failure) throw thrown;
    throw httpFailures.IncompleteBody({ cause: thrown });
  }
  return Buffer.concat(chunks);
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
