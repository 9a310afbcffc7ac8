// Resource ids as Azure Resource Manager writes them. The one place where ids are parsed, compared and compared without
// regard to case: an id answers in the casing that it was made with, and `idKey` is what is compared and indexed.
// An id holds its own ancestry, so the scopes of a permission check are its prefixes and no table is asked.
// Source: Azure Resource Manager, "resource id" format; ../reference casing rule 1.9.

import { hasControlCharacter } from '#kernel/ids/characters';
import { kept } from '#kernel/ids/kept';
import { idsFailures } from './ids.errors.ts';

export type ResourceId = {
  /** As written by the caller, without a trailing slash. */
  readonly id: string;
  readonly subscriptionId: string | undefined;
  readonly resourceGroup: string | undefined;
  /** `Microsoft.KeyVault/vaults`, or with child types `Microsoft.X/a/b`; undefined for a group or a subscription. */
  readonly type: string | undefined;
  /** Last name of the id. */
  readonly name: string;
  /** Every name after the provider, outermost first. */
  readonly names: readonly string[];
};

const maxIdLength = 2048;
const maxSegments = 40;

/** What ids are compared by: lower case, one slash between segments, none at the end. `/` is the root scope. */
export const idKey: (id: string) => string = kept((id) => {
  const key = id
    .toLowerCase()
    .replace(/\/{2,}/g, '/')
    .replace(/\/+$/, '');
  return key === '' ? '/' : key;
});

export function sameId(a: string, b: string): boolean {
  return idKey(a) === idKey(b);
}

/** Longer than any id that the door lets through. */
const scopeLengthMax = 8_192;

/**
 * Fails closed: what some later reading could resolve to another id (`/a/../b`, a backslash, a control character) is no scope
 * that anything is decided at.
 */
export const isScope: (text: string) => boolean = kept((text) => {
  if (!text.startsWith('/') || text.length > scopeLengthMax) return false;
  return !hasControlCharacter(text) && !/\/\.{1,2}(?:\/|$)|\\/.test(text);
});

/** True when `id` is `scope` itself or lies below it. */
export function isWithin(id: string, scope: string): boolean {
  const inner = idKey(id);
  const outer = idKey(scope);
  return outer === '/' || inner === outer || inner.startsWith(`${outer}/`);
}

/**
 * The scopes at which a role assignment covers `id`, outermost first: `/`, the subscription, the resource group, then
 * every resource down to the id itself. `…/providers/Ns/type` without a name is no scope.
 */
export const scopesOf: (id: string) => readonly string[] = kept((id) => {
  const segments = idKey(id).split('/').slice(1);
  if (segments[0] === '') return ['/'];
  const scopes = ['/'];
  const whole = `/${segments.join('/')}`;
  let at = 0;
  let end = 0;
  // Each is a piece of the one text: of a deep id, which anybody may ask about, copies would hold its length as often as it is deep.
  const take = (count: number) => {
    for (const segment of segments.slice(at, at + count)) end += segment.length + 1;
    at += count;
    scopes.push(whole.slice(0, end));
  };
  if (segments[0] === 'subscriptions' && segments.length >= 2) {
    take(2);
    if (segments[2] === 'resourcegroups' && segments.length >= 4) take(2);
  }
  while (at < segments.length) {
    if (segments[at] === 'providers' && at + 3 < segments.length) take(4);
    else if (segments[at] !== 'providers' && at + 1 < segments.length) take(2);
    // A collection or an incomplete tail: the whole of it is the innermost scope, so that nothing is left unchecked.
    else take(segments.length - at);
  }
  return scopes;
});

/** Parses an id of a subscription, a resource group or a resource. Throws `invalid` with what is wrong. */
export function parseResourceId(id: string): ResourceId {
  const read = readResourceId(id);
  if (typeof read === 'string') throw idsFailures.InvalidResourceId(id, read);
  return read;
}

/** The same without a throw, where what is no id is nothing unusual: undefined. */
export function resourceTypeOf(id: string): string | undefined {
  const read = readResourceId(id);
  return typeof read === 'string' ? undefined : read.type;
}

/** The id, or what is wrong with it. */
const readResourceId = kept<ResourceId | string>((id) => {
  if (id.length > maxIdLength) return `it is longer than ${maxIdLength} characters`;
  if (!id.startsWith('/')) return 'it does not begin with a slash';
  const trimmed = id.replace(/\/{2,}/g, '/').replace(/\/+$/, '');
  const segments = trimmed.split('/').slice(1);
  if (segments.length > maxSegments) return `it has more than ${maxSegments} segments`;
  for (const segment of segments) {
    if (segment === '.' || segment === '..') return 'a segment is a dot segment';
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is being refused.
    if (/[\x00-\x1f\\?#%]/.test(segment)) return 'a segment holds a character that no id may hold';
  }
  let at = 0;
  let subscriptionId: string | undefined;
  let resourceGroup: string | undefined;
  if (segments[0]?.toLowerCase() === 'subscriptions') {
    subscriptionId = segments[1];
    if (!subscriptionId) return 'the subscription is missing';
    at = 2;
    if (segments[at]?.toLowerCase() === 'resourcegroups') {
      resourceGroup = segments[at + 1];
      if (!resourceGroup) return 'the resource group is missing';
      at += 2;
    }
  }
  if (at === segments.length) {
    const name = resourceGroup ?? subscriptionId;
    if (name === undefined) return 'it is empty';
    return { id: trimmed, subscriptionId, resourceGroup, type: undefined, name, names: [] };
  }
  if (segments[at]?.toLowerCase() !== 'providers') return "'providers' was expected";
  // An extension resource (a role assignment, say) repeats /providers/; the last one names the type.
  let provider = at;
  for (let i = at; i < segments.length; i++) if (segments[i]?.toLowerCase() === 'providers') provider = i;
  const namespace = segments[provider + 1];
  const rest = segments.slice(provider + 2);
  if (!namespace) return 'the provider namespace is missing';
  if (rest.length < 2 || rest.length % 2 !== 0) return 'types and names do not alternate';
  const types = rest.filter((_, i) => i % 2 === 0);
  const names = rest.filter((_, i) => i % 2 === 1);
  return {
    id: trimmed,
    subscriptionId,
    resourceGroup,
    type: [namespace, ...types].join('/'),
    name: names[names.length - 1] ?? '',
    names,
  };
});

/** The id one resource up: a child's parent resource, a resource's group, a group's subscription, then `/`. */
export function parentId(id: string): string {
  const scopes = scopesOf(id);
  const parentKey = scopes[scopes.length - 2] ?? '/';
  return parentKey === '/' ? '/' : id.slice(0, parentKey.length);
}
