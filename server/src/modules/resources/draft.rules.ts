// From the body of a PUT or PATCH to a draft: what is asked for, checked. What it is comes first (a job's type, a compute's),
// then what it holds: what nobody knows is refused with its path and what was probably meant; what Azure has and is not
// served here goes the one of three ways that the kind chose for it (unserved.ts); and an answer may be sent back as it was
// given, read-only members included. Pure.

import { IdentityInput, resourceLimits } from '@strongroom/contract/resources';
import { type TSchema, Type } from '@strongroom/contract/schema';
import type { FailureDetail } from '#kernel/errors/failure';
import { sameId } from '#kernel/ids/ids';
import { validate } from '#kernel/input/validate';
import type { Draft, Properties, Resource, ResourceIdentity, ResourceKind } from './kind.types.ts';
import { resourcesFailures } from './resources.errors.ts';
import {
  branchFor,
  canonical,
  type Fields,
  isObject,
  knownOnly,
  meantMax,
  nearest,
  unknownProperties,
} from './unknown.rules.ts';
import {
  checkKept,
  type EnvelopeMember,
  envelopeRefusals,
  isHarmless,
  keptSku,
  type Refusal,
  type Refused,
  refusalOf,
  ruleFor,
  saysNoMore,
  valueAt,
  withValueAt,
} from './unserved.ts';

/** Members of an answer that a caller may send back and that mean nothing in a request. */
const readOnly = new Set(['id', 'name', 'type', 'systemData', 'etag', 'eTag', 'strongroom']);
/** Of the envelope, what means nothing on a type that has none: it is where its parent is. */
const ignored = new Set(['location']);

type Refuse = (target: string, message: string) => void;

/** Made once of each schema of properties that a kind has; what is not in it is made again. */
const whole = new WeakMap<ResourceKind, Map<TSchema, TSchema>>();
function contentSchema(kind: ResourceKind, asked: unknown): TSchema {
  // What a job of another type needs is not what this one lacks.
  const properties = branchFor(kind.properties, asked);
  const ofKind = whole.get(kind) ?? new Map<TSchema, TSchema>();
  whole.set(kind, ofKind);
  const known = ofKind.get(properties);
  if (known) return known;
  const made = Type.Object({
    location: Type.Optional(Type.Union([Type.String(), Type.Undefined()])),
    kind: Type.Optional(Type.String({ maxLength: 64 })),
    identity: Type.Optional(IdentityInput),
    properties,
    sku: Type.Optional(kind.sku ?? keptSku),
  });
  ofKind.set(properties, made);
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
): Draft {
  if (!isObject(body))
    throw resourcesFailures.InvalidRequestContent([
      { code: 'ValidationError', target: 'body', message: 'the body must be a JSON object' },
    ]);
  checkWhatItIs(kind, body);
  const wrong: FailureDetail[] = [];
  const refused: Refused[] = [];
  const refuse: Refuse = (target, message) => void wrong.push({ code: 'ValidationError', target, message });

  const takes = new Set(['location', 'tags', 'properties', 'kind', 'sku']);
  if (kind.location === 'none') takes.delete('location');
  if (kind.identity) takes.add('identity');
  const taken: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(body)) {
    if (value === null || value === undefined) continue;
    const rule = takes.has(name) ? undefined : envelopeRule(kind, name);
    if (takes.has(name)) taken[name] = value;
    else if (rule !== undefined) {
      if (!isHarmless(value, rule)) refused.push({ path: name, rule });
    } else if (!readOnly.has(name) && !ignored.has(name))
      refuse(name, unknownMessage(name, wrong.length < meantMax ? nearest(name, [...takes, ...readOnly]) : undefined));
  }
  if (typeof body['id'] === 'string' && body['id'] !== '' && !sameId(body['id'], id.id))
    refuse('id', 'id is not the id in the path');
  if (typeof body['name'] === 'string' && body['name'].toLowerCase() !== id.name.toLowerCase())
    refuse('name', 'name is not the name in the path');

  const { properties, inert } = readProperties(kind, taken['properties'] ?? {}, shown, refused, refuse);
  const identity = isObject(taken['identity']) ? readIdentity(taken['identity'], refused, refuse) : taken['identity'];
  const tags = readTags(taken['tags'] ?? {}, refuse);
  const location = readLocation(taken['location'], refuse);
  if (kind.location === 'required' && location === undefined && existing === undefined)
    refuse('location', 'location is required');
  if (kind.sku && isObject(taken['sku']))
    for (const { path, value, meant } of unknownProperties(kind.sku, taken['sku']))
      if (value !== null) refuse(`sku.${path}`, unknownMessage(`sku.${path}`, meant));
  if (refused.length > 0) throw refusalOf(refused);
  if (wrong.length > 0) throw resourcesFailures.InvalidRequestContent(wrong);
  const schema = contentSchema(kind, properties);
  const content = canonical(schema, {
    ...taken,
    properties,
    ...(identity === undefined ? {} : { identity }),
  }) as Fields;
  validate(schema, content, 'body');
  if (existing?.location !== undefined && location !== undefined && location !== existing.location)
    throw resourcesFailures.InvalidResourceLocation(existing.id, existing.location);

  return {
    location: location ?? existing?.location,
    tags,
    kind: (content['kind'] as string | undefined) ?? existing?.kind, // checked by contentSchema above
    sku: (content['sku'] as Properties | undefined) ?? existing?.sku, // checked by contentSchema above
    // Checked by contentSchema above.
    identity:
      (content['identity'] as ResourceIdentity | undefined) ??
      existing?.identity ??
      (kind.identity === 'always' ? { type: 'SystemAssigned' } : undefined),
    // A kind keeps what it knows of a resource beside what was asked for, in one object: whatever was found above, no name but
    // the schema's gets there from a caller.
    properties: knownOnly(kind.properties, content['properties'] as Fields), // checked by contentSchema above
    inert,
  };
}

/** Before anything else is looked at: what a body of another type lacks or has too much says nothing to who sent it. */
function checkWhatItIs({ discriminators = [] }: ResourceKind, body: Fields): void {
  for (const { path, serves, refuse } of discriminators) {
    const value = valueAt(body['properties'], path);
    if (typeof value !== 'string' || value === '') continue;
    if (!serves.some((served) => served.toLowerCase() === value.toLowerCase())) throw refuse(value.slice(0, 64));
  }
}

function envelopeRule(kind: ResourceKind, name: string): Refusal | undefined {
  const own = kind.envelope?.[name as EnvelopeMember];
  return own ?? (Object.hasOwn(envelopeRefusals, name) ? envelopeRefusals[name as EnvelopeMember] : undefined);
}

/** The body of a PUT that means what a PATCH asks for: a JSON merge patch (RFC 7396) over what the caller may set. */
export function patchedBody(kind: ResourceKind, existing: Resource, patch: unknown): Fields {
  if (!isObject(patch))
    throw resourcesFailures.InvalidRequestContent([
      { code: 'ValidationError', target: 'body', message: 'the body must be a JSON object' },
    ]);
  const { location: _given, ...rest } = patch;
  const base: Fields = {
    tags: existing.tags,
    properties: Object.entries(existing.inert ?? {}).reduce(
      (all, [path, value]) => withValueAt(all, path, value),
      knownOnly(kind.properties, existing.properties),
    ),
    ...(existing.sku ? { sku: existing.sku } : {}),
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
  refused: Refused[],
  refuse: Refuse,
): { readonly properties: unknown; readonly inert: Properties } {
  if (!isObject(value)) return { properties: value, inert: {} };
  const inert: Record<string, unknown> = {};
  for (const unknown of unknownProperties(kind.properties, value)) {
    const plain = unknown.path.replace(/\[\d+\]/g, '');
    const kept = ruleFor(kind.unserved.kept, plain);
    if (kept !== undefined) {
      if (unknown.value === null) continue;
      checkKept(kept.path, kept.rule, unknown.value);
      inert[kept.path] = unknown.value;
      continue;
    }
    const refusal = ruleFor(kind.unserved.refused, plain);
    const isEchoed = shown !== undefined && isEcho(unknown.value, valueAt(shown, unknown.path));
    if (isEchoed || unknown.value === null) continue;
    if (refusal !== undefined) {
      if (!isHarmless(unknown.value, refusal.rule))
        refused.push({ path: `properties.${refusal.path}`, rule: refusal.rule });
    } else if (plain !== 'provisioningState' && ruleFor(kind.unserved.ignored, plain) === undefined)
      refuse(`properties.${unknown.path}`, unknownMessage(`properties.${unknown.path}`, unknown.meant));
  }
  refused.sort((a, b) => orderOf(kind, a) - orderOf(kind, b));
  return { properties: knownOnly(kind.properties, value), inert };
}

/** What was asked for is said before what a client added by itself: the kind's own order. */
const orderOf = ({ unserved }: ResourceKind, { path }: Refused): number =>
  Object.keys(unserved.refused).indexOf(path.replace('properties.', ''));

const isEcho = (value: unknown, shown: unknown) => shown !== undefined && saysNoMore(value, shown, false);

const userAssigned: Refusal = {
  because: 'A resource acts here as itself: user-assigned identities are not served.',
  instead: "Leave userAssignedIdentities out and send the type 'SystemAssigned'.",
};

function readIdentity(value: Fields, refused: Refused[], refuse: Refuse): Fields {
  const assigned = value['userAssignedIdentities'];
  if (isObject(assigned) ? Object.keys(assigned).length > 0 : assigned !== null && assigned !== undefined)
    refused.push({ path: 'identity.userAssignedIdentities', rule: userAssigned });
  // principalId and tenantId are answers; a caller cannot choose them.
  const known = ['type', 'userAssignedIdentities', 'principalId', 'tenantId'];
  for (const name of Object.keys(value))
    if (!known.includes(name)) refuse(`identity.${name}`, unknownMessage(`identity.${name}`, nearest(name, known)));
  // Clients also write the types with a space.
  const type = value['type'];
  const plain = typeof type === 'string' ? type.replace(', ', ',') : type;
  if (typeof plain === 'string' && plain.toLowerCase().includes('userassigned'))
    refused.push({ path: 'identity.type', rule: userAssigned });
  return { type: plain };
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
