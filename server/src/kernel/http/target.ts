// A request's URL, read once. What is decided on and what is dispatched is the same list of decoded segments, so that
// no second decoding can make them differ. Refused here for every surface: dot segments, NUL and other control
// characters, invalid percent-encoding, more than 64 segments. Sources of the traps: ARM clients send `//subscriptions`,
// which `new URL(path, base)` reads as a host; Key Vault clients percent-encode query names.

import { hasControlCharacter } from '#kernel/ids/characters';
import { kept } from '#kernel/ids/kept';
import { httpFailures } from './http.errors.ts';

export type Target = {
  /** Host header as sent, lower case, with the port. */
  readonly host: string;
  /** `https://host[:port]`: what absolute links in the answer begin with. */
  readonly origin: string;
  /** Decoded segments; empty ones kept, except leading ones. */
  readonly segments: readonly string[];
  /** Those that are not empty. */
  readonly named: readonly string[];
  /** Path as sent, still encoded, for signatures and the log. Never used to decide. */
  readonly rawPath: string;
  readonly query: Query;
};

export type Query = {
  /** First value of the parameter, by its exact name. */
  get(name: string): string | undefined;
  all(name: string): readonly string[];
  /** Every parameter, for validation and signatures: a repeated name holds an array. */
  readonly values: Readonly<Record<string, string | readonly string[]>>;
  readonly raw: string;
};

const maxSegments = 64;
const maxQueryParameters = 1000;

function decodeSegment(segment: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(segment);
  } catch {
    throw httpFailures.badEscape();
  }
  if (decoded === '.' || decoded === '..') throw httpFailures.dotSegment();
  if (hasControlCharacter(decoded)) throw httpFailures.controlCharacter();
  return decoded;
}

const noQuery: Query = Object.freeze({
  get: () => undefined,
  all: () => [],
  values: Object.freeze(Object.create(null) as Record<string, string>),
  raw: '',
});

function parseQuery(raw: string): Query {
  if (raw === '') return noQuery;
  // A null prototype: `__proto__` is a name like any other.
  const values: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>;
  let count = 0;
  for (const [name, value] of new URLSearchParams(raw)) {
    if (++count > maxQueryParameters) throw httpFailures.tooManyParameters(maxQueryParameters);
    const present = values[name];
    if (present === undefined) values[name] = value;
    // Said twice and the same: a client that adds to a link what is in it already. Nobody can read it differently.
    else if (present === value) continue;
    else if (Array.isArray(present)) present.push(value);
    else values[name] = [present, value];
  }
  const all = (name: string) => {
    const value = values[name];
    return value === undefined ? [] : Array.isArray(value) ? value : [value];
  };
  return { get: (name) => all(name)[0], all, values, raw };
}

/**
 * @param url the request line's target: `/path?query`, or the absolute form, whose authority must be the Host header's: of two
 * names, whoever stands in between may have decided on the other (RFC 9112 §3.2.2)
 */
export function readTarget(url: string, host: string | undefined): Target {
  const authority = url.startsWith('/') ? undefined : /^https?:\/\/([^/?#]*)/i.exec(url);
  if (authority && authority[1]?.toLowerCase() !== (host ?? '').toLowerCase()) throw httpFailures.anotherHost();
  const relative = url.slice(authority?.[0].length ?? 0);
  const mark = relative.indexOf('?');
  const rawPath = (mark < 0 ? relative : relative.slice(0, mark)).split('#', 1)[0] ?? '/';
  const { segments, named } = readPath(rawPath);
  const { name, origin } = readHost(host ?? '');
  return { host: name, origin, segments, named, rawPath, query: parseQuery(mark < 0 ? '' : relative.slice(mark + 1)) };
}

/** Answers one list for one path, so that whoever reads it may keep what follows from it alone under the list. */
const readPath = kept<Pick<Target, 'segments' | 'named'>>((rawPath) => {
  const segments = rawPath.replace(/^\/+/, '').split('/').map(decodeSegment);
  if (segments.length > maxSegments) throw httpFailures.tooManySegments(maxSegments);
  return { segments: Object.freeze(segments), named: Object.freeze(segments.filter((segment) => segment !== '')) };
});

const readHost = kept((host) => {
  const name = host.toLowerCase();
  if (name !== '' && !/^[a-z0-9._-]+(:\d{1,5})?$|^\[[0-9a-f:.]+\](:\d{1,5})?$/.test(name)) {
    throw httpFailures.badHost();
  }
  return { name, origin: `https://${name}` };
});

const plainSegment = /^[\w.~:-]+$/;

/**
 * What can be read of a URL that `readTarget` refuses: its host and its plain segments. It tells whose protocol was spoken, for
 * the form of the refusal; nothing is decided by it and nothing is dispatched.
 */
export function readableOf(url: string, host: string | undefined): Target {
  const path = url.replace(/^https?:\/\/[^/?#]*/i, '').split(/[?#]/, 1)[0] ?? '';
  const segments = path.split('/').filter((segment) => plainSegment.test(segment) && !/^\.+$/.test(segment));
  const read = segments.slice(0, maxSegments);
  return { ...noTarget, host: (host ?? '').toLowerCase(), segments: read, named: read };
}

/** Before a URL was read, and of one that cannot be. */
export const noTarget: Target = {
  host: '',
  origin: '',
  segments: [],
  named: [],
  rawPath: '/',
  query: { get: () => undefined, all: () => [], values: {}, raw: '' },
};
