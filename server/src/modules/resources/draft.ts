// From the body of a PUT or PATCH to a draft: what is asked for, checked. Refuses what nobody knows, with its path and what
// was probably meant; accepts what Azure has and is not served here, and reports it; lets an answer be sent back as it was
// given, read-only members included. Pure.

import { IdentityInput, resourceLimits } from '@strongroom/contract/resources';
import { type TSchema, Type } from '@strongroom/contract/schema';
import type { FailureDetail } from '#kernel/errors/failure';
import { validate } from '#kernel/http/validate';
import { sameId } from '#kernel/ids/ids';
import { errors, invalidContent } from './errors.ts';
import type { Draft, Properties, Resource, ResourceIdentity, ResourceKind } from './kind.ts';
import { knownOnly, nearest, unknownProperties, without } from './unknown.ts';

export type ReadDraft = {
  readonly draft: Draft /** Members accepted and not served, for the Warning header. */;
  readonly unserved: readonly string[];
};

type Fields = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Members of an answer that a caller may send back and that mean nothing in a request. */
const readOnly = new Set(['id', 'name', 'type', 'systemData', 'etag', 'eTag']);
/** Members that Azure's envelope has on some types. */
const azureHas = ['managedBy', 'zones', 'extendedLocation', 'plan', 'sku', 'identity', 'location', 'kind', 'tags'];

const whole = new WeakMap<ResourceKind, TSchema>();
function contentSchema(kind: ResourceKind): TSchema {
  const known = whole.get(kind);
  if (known) return known;
  const made = Type.Object({
    location: Type.Optional(Type.Union([Type.String(), Type.Undefined()])),
    kind: Type.Optional(Type.String({ maxLength: 64 })),
    identity: Type.Optional(IdentityInput),
    properties: kind.properties,
    ...(kind.sku ? { sku: Type.Optional(kind.sku) } : {}),
  });
  whole.set(kind, made);
  return made;
}

/**
 * @param existing the resource that a PUT replaces; what the body leaves out of its location, identity, sku and kind stays
 * @param shown `properties` of the existing resource's answer, which may be sent back
 */
export function readDraft(
  kind: ResourceKind,
  id: { readonly id: string; readonly name: string },
  body: unknown,
  existing: Resource | undefined,
  shown: Properties | undefined,
): ReadDraft {
  if (!isObject(body))
    throw invalidContent([{ code: 'ValidationError', target: 'body', message: 'the body must be a JSON object' }]);
  const wrong: FailureDetail[] = [];
  const unserved = new Set<string>();
  const refuse = (target: string, message: string) => void wrong.push({ code: 'ValidationError', target, message });

  const takes = new Set(['location', 'tags', 'properties', 'kind']);
  if (kind.location === 'none') takes.delete('location');
  if (kind.sku) takes.add('sku');
  if (kind.identity) takes.add('identity');
  const taken: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(body)) {
    if (takes.has(name)) {
      if (value !== null && value !== undefined) taken[name] = value;
    } else if (azureHas.includes(name)) {
      if (value !== null && value !== undefined) unserved.add(name);
    } else if (!readOnly.has(name)) refuse(name, unknownMessage(name, nearest(name, [...takes, ...readOnly])));
  }
  if (typeof body['id'] === 'string' && body['id'] !== '' && !sameId(body['id'], id.id))
    refuse('id', 'id is not the id in the path');
  if (typeof body['name'] === 'string' && body['name'].toLowerCase() !== id.name.toLowerCase())
    refuse('name', 'name is not the name in the path');

  const properties = readProperties(kind, taken['properties'] ?? {}, shown, unserved, refuse);
  const identity = isObject(taken['identity']) ? readIdentity(taken['identity'], unserved) : taken['identity'];
  const tags = readTags(taken['tags'] ?? {}, refuse);
  const location = readLocation(taken['location'], refuse);
  if (kind.location === 'required' && location === undefined && existing === undefined)
    refuse('location', 'location is required');
  if (kind.sku && isObject(taken['sku']))
    for (const { path, meant } of unknownProperties(kind.sku, taken['sku']))
      refuse(`sku.${path}`, unknownMessage(`sku.${path}`, meant));
  if (wrong.length > 0) throw invalidContent(wrong);
  validate(contentSchema(kind), { ...taken, properties, ...(identity === undefined ? {} : { identity }) }, 'body');
  if (existing?.location !== undefined && location !== undefined && location !== existing.location)
    throw errors.locationChanged(existing.id, existing.location);

  return {
    draft: {
      location: location ?? existing?.location,
      tags,
      kind: (taken['kind'] as string | undefined) ?? existing?.kind, // checked by contentSchema above
      sku: (taken['sku'] as Properties | undefined) ?? existing?.sku, // checked by contentSchema above
      // Checked by contentSchema above.
      identity:
        (identity as ResourceIdentity | undefined) ??
        existing?.identity ??
        (kind.identity === 'always' ? { type: 'SystemAssigned' } : undefined),
      properties: properties as Properties, // checked by contentSchema above
    },
    unserved: [...unserved].sort(),
  };
}

/** The body of a PUT that means what a PATCH asks for: a JSON merge patch (RFC 7396) over what the caller may set. */
export function patchedBody(kind: ResourceKind, existing: Resource, patch: unknown): Fields {
  if (!isObject(patch))
    throw invalidContent([{ code: 'ValidationError', target: 'body', message: 'the body must be a JSON object' }]);
  const { location: _given, ...rest } = patch;
  const base: Fields = {
    tags: existing.tags,
    properties: knownOnly(kind.properties, existing.properties),
    ...(existing.sku && kind.sku ? { sku: existing.sku } : {}),
    ...(existing.kind === undefined ? {} : { kind: existing.kind }),
  };
  const merged = mergePatch(base, rest);
  return 'location' in patch ? { ...merged, location: patch['location'] } : merged;
}

function mergePatch(target: Fields, patch: Fields): Fields {
  const merged = new Map(Object.entries(target));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else if (isObject(value)) {
      const present = merged.get(name);
      merged.set(name, mergePatch(isObject(present) ? present : {}, value));
    } else merged.set(name, value);
  }
  return Object.fromEntries(merged);
}

const unknownMessage = (path: string, meant: string | undefined) =>
  `${path.slice(0, 200)} is not a property of this resource${meant === undefined ? '' : `; did you mean ${meant}?`}`;

function readProperties(
  kind: ResourceKind,
  value: unknown,
  shown: Properties | undefined,
  unserved: Set<string>,
  refuse: (target: string, message: string) => void,
): unknown {
  if (!isObject(value)) return value;
  const drop = new Set<string>();
  for (const unknown of unknownProperties(kind.properties, value)) {
    const plain = unknown.path.replace(/\[\d+\]/g, '');
    const listed = kind.unserved?.find((name) => plain === name || plain.startsWith(`${name}.`));
    const echoed = shown !== undefined && same(at(shown, unknown.path), unknown.value);
    if (listed !== undefined) unserved.add(`properties.${listed}`);
    else if (plain !== 'provisioningState' && !echoed) {
      refuse(`properties.${unknown.path}`, unknownMessage(`properties.${unknown.path}`, unknown.meant));
      continue;
    }
    drop.add(unknown.path);
  }
  return without(value, drop);
}

function at(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((from, step) => {
    return isObject(from) && Object.hasOwn(from, step) ? from[step] : undefined;
  }, value);
}

/** Equal as JSON; answers and requests of ours keep the order of members. */
const same = (a: unknown, b: unknown) => a !== undefined && JSON.stringify(a) === JSON.stringify(b);

function readIdentity(value: Fields, unserved: Set<string>): Fields {
  if (isObject(value['userAssignedIdentities']) && Object.keys(value['userAssignedIdentities']).length > 0)
    unserved.add('identity.userAssignedIdentities');
  // principalId and tenantId are answers; a caller cannot choose them. Clients also write the types with a space.
  const type = value['type'];
  return { type: typeof type === 'string' ? type.replace(', ', ',') : type };
}

function readTags(value: unknown, refuse: (target: string, message: string) => void): Readonly<Record<string, string>> {
  if (!isObject(value)) {
    refuse('tags', 'tags must be an object of strings');
    return {};
  }
  const entries = Object.entries(value);
  if (entries.length > resourceLimits.tags) refuse('tags', `tags holds more than ${resourceLimits.tags} tags`);
  const seen = new Set<string>();
  const kept: [string, string][] = [];
  for (const [name, item] of entries.slice(0, resourceLimits.tags)) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is being refused.
    if (name === '' || name.length > resourceLimits.tagNameLength || /[<>%&\\?/\x00-\x1f]/.test(name))
      refuse('tags', `a tag name has 1 to ${resourceLimits.tagNameLength} characters, without < > % & \\ ? /`);
    else if (typeof item !== 'string' || item.length > resourceLimits.tagValueLength)
      refuse('tags', `a tag value is a string of at most ${resourceLimits.tagValueLength} characters`);
    else if (seen.has(name.toLowerCase())) refuse('tags', 'two tags have the same name but for case');
    else kept.push([name, item]);
    seen.add(name.toLowerCase());
  }
  return Object.fromEntries(kept);
}

/** `West Europe` and `westeurope` are one place. */
function readLocation(value: unknown, refuse: (target: string, message: string) => void): string | undefined {
  if (value === undefined) return undefined;
  const location = typeof value === 'string' ? value.replaceAll(' ', '').toLowerCase() : '';
  if (/^[a-z0-9-]{1,64}$/.test(location)) return location;
  refuse('location', 'location is a name of letters, digits and hyphens');
  return undefined;
}
