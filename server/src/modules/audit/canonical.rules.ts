// Canonical JSON (RFC 8785, JCS): one spelling for one value, so that a record has one hash. JavaScript's own writing of
// strings and numbers is the one that the RFC prescribes; what is left is the order of names. Refuses what JSON cannot
// hold rather than dropping it, because a dropped value would change what is proven.

import { kept } from '#kernel/ids/kept';

const depthMax = 16;

/** The names of records are few, and the same in each. */
const nameOf = kept(textOf);

function textOf(text: string): string {
  if (!text.isWellFormed()) throw new TypeError('canonical JSON: a lone surrogate has no UTF-8');
  return JSON.stringify(text);
}

/** Writes `value` canonically. Throws a TypeError for undefined, NaN, lone surrogates and nesting beyond 16. */
export function canonicalJson(value: unknown, depth = 0): string {
  if (depth > depthMax) throw new TypeError('canonical JSON: nested too deeply');
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return textOf(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError('canonical JSON: not a finite number');
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item, depth + 1)).join(',')}]`;
  if (typeof value !== 'object') throw new TypeError(`canonical JSON: a ${typeof value} has no spelling`);
  let members = '';
  // The default order of sort is by UTF-16 code units, which is the one of the RFC.
  for (const name of Object.keys(value).sort()) {
    const member: unknown = Reflect.get(value, name);
    members += `${members === '' ? '' : ','}${nameOf(name)}:${canonicalJson(member, depth + 1)}`;
  }
  return `{${members}}`;
}
