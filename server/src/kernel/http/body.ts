// Reads a request body, only after the caller was allowed to send one. Everything is bounded: bytes, and the depth and the
// values of JSON. Names that reach for a prototype are refused, not stripped: a body that holds one is an attack or a mistake.

import type { IncomingMessage } from 'node:http';
import { type Readable, Transform } from 'node:stream';
import { Failure } from '#kernel/errors/failure';
import { httpFailures } from './http.errors.ts';

const maxDepth = 64;
/** Far beyond what clients send; each costs more in memory and time than its bytes do. */
const maxValues = 20_000;

function refuseDeclared(request: IncomingMessage, maxBytes: number): void {
  const declared = Number(request.headers['content-length'] ?? '0');
  if (Number.isFinite(declared) && declared > maxBytes) throw httpFailures.RequestEntityTooLarge(maxBytes);
}

export async function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  refuseDeclared(request, maxBytes);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request) {
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
      else done(null, chunk);
    },
  });
  // Whoever reads it is told, also later. While nobody does (it was refused, or its record is being written) an error without
  // a listener would end the process.
  bounded.on('error', () => {});
  request.on('aborted', () => bounded.destroy(httpFailures.IncompleteBody()));
  request.pipe(bounded);
  return bounded;
}

function checkShape(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth > maxDepth) throw httpFailures.bodyTooDeep(maxDepth);
  if (Array.isArray(value)) {
    for (const item of value) checkShape(item, depth + 1);
    return;
  }
  for (const [name, item] of Object.entries(value)) {
    if (name === '__proto__' || name === 'constructor' || name === 'prototype') {
      throw httpFailures.propertyOfNone(name);
    }
    checkShape(item, depth + 1);
  }
}

const [quote, backslash, comma, brace, bracket] = Buffer.from('"\\,{[');

/** Before it is parsed: a value begins behind a comma or a bracket, so that there are no more than these. */
function refuseMany(bytes: Uint8Array): void {
  let left = maxValues;
  if (bytes.length <= left) return;
  let isText = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === quote) isText = !isText;
    else if (isText) at += byte === backslash ? 1 : 0;
    else if (byte === comma || byte === brace || byte === bracket) left -= 1;
    if (left < 0) throw httpFailures.bodyTooMany(maxValues);
  }
}

/** Throws `invalid`. Bounded in values and in depth, as the caller bounds it in bytes. */
export function parseJson(bytes: Uint8Array): unknown {
  refuseMany(bytes);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (thrown) {
    const at = thrown instanceof SyntaxError ? (/position \d+/.exec(thrown.message)?.[0] ?? '') : 'it is not UTF-8';
    throw httpFailures.bodyNotJson(at, thrown);
  }
  checkShape(value, 0);
  return value;
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
