// Reads the JSON of strangers, whether it came in a request or stands in a file of theirs. Its depth and its values are bounded.
// Names that reach for a prototype are refused, not stripped: a document that holds one is an attack or a mistake.

import { inputFailures } from './input.errors.ts';

const maxDepth = 64;
/** Far beyond what clients send; each costs more in memory and time than its bytes do. */
const maxValues = 20_000;

function checkShape(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth > maxDepth) throw inputFailures.bodyTooDeep(maxDepth);
  if (Array.isArray(value)) {
    for (const item of value) checkShape(item, depth + 1);
    return;
  }
  // What JSON.parse made has names of its own alone: `in` finds no others, and makes no list of them.
  for (const name in value) {
    if (name === '__proto__' || name === 'constructor' || name === 'prototype') {
      throw inputFailures.propertyOfNone(name);
    }
    checkShape(value[name as keyof typeof value], depth + 1);
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
    if (left < 0) throw inputFailures.bodyTooMany(maxValues);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Throws `invalid`. Bounded in values and in depth, as the caller bounds it in bytes. */
export function parseJson(bytes: Uint8Array): unknown {
  refuseMany(bytes);
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch (thrown) {
    const at = thrown instanceof SyntaxError ? (/position \d+/.exec(thrown.message)?.[0] ?? '') : 'it is not UTF-8';
    throw inputFailures.bodyNotJson(at, thrown);
  }
  checkShape(value, 0);
  return value;
}
