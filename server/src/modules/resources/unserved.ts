// What Azure's resources have and ours do not serve. For every such property an author chooses one of three, and says why:
//
//   refused   leaving it out would weaken something or change a result: 400 by its name, unless it says what is so anyway
//   kept      stored and shown as it was sent, without effect; the answer says so
//   ignored   comfort: taken and forgotten, and nobody is the worse for it
//
// There is no fourth way: nothing is accepted in silence that its sender will rely on. The lists are printed for users
// (openapi/properties.md) and swept by a test over every kind. Pure.

import { type TSchema, Type } from '@strongroom/contract/schema';
import type { Failure } from '#kernel/errors/failure';
import { validate } from '#kernel/input/validate';
import { resourcesFailures } from './resources.errors.ts';
import { type Fields, isObject, knows, unknownProperties } from './unknown.rules.ts';

export type Refusal = {
  /** What is so here whatever is asked. Sent, it passes; an answer shows it. */
  readonly always?: unknown;
  /** Other values that ask for nothing more: what clients send by themselves. Null, '', [] and {} ask for nothing anyway. */
  readonly harmless?: readonly unknown[];
  /** A sentence: why it cannot be had. */
  readonly because: string;
  /** A sentence: what to do instead. */
  readonly instead: string;
};

export type Kept = {
  /** Shape of what is kept. Absent: the property is part of the kind's own schema, and the kind stores and shows it. */
  readonly schema?: TSchema;
  /** A sentence: why it has no effect, and what has. */
  readonly because: string;
};

/** By dotted path below `properties`. */
export type Unserved = {
  readonly refused: Readonly<Record<string, Refusal>>;
  readonly kept: Readonly<Record<string, Kept>>;
  /** With the reason why nobody misses it. */
  readonly ignored: Readonly<Record<string, string>>;
};

/** For a kind that serves everything that Azure's has. */
export const everythingServed: Unserved = { refused: {}, kept: {}, ignored: {} };

/** Members that Azure's envelope has on some types. A kind that takes `sku` or `identity` has rules of its own for them. */
export type EnvelopeMember = 'managedBy' | 'zones' | 'extendedLocation' | 'plan' | 'identity';

export const envelopeRefusals: Readonly<Record<EnvelopeMember, Refusal>> = {
  managedBy: {
    because: 'A resource is managed here by whoever has a role at it, and by no other resource.',
    instead: 'Leave managedBy out and assign a role.',
  },
  zones: {
    because: 'An installation is one place without availability zones.',
    instead: 'Leave zones out.',
  },
  extendedLocation: {
    because: 'An installation is one place without extended locations.',
    instead: 'Leave extendedLocation out.',
  },
  plan: {
    because: 'Nothing is bought from a marketplace here.',
    instead: 'Leave plan out.',
  },
  identity: {
    harmless: [{ type: 'None' }],
    because: 'A resource of this type has no managed identity here, neither of its own nor an assigned one.',
    instead: 'Leave identity out.',
  },
};

/** Of a kind that has no price list of its own: kept, because clients show it. */
export const keptSku = Type.Object(
  {
    name: Type.String({ maxLength: 64 }),
    tier: Type.Optional(Type.String({ maxLength: 64 })),
    size: Type.Optional(Type.String({ maxLength: 64 })),
    family: Type.Optional(Type.String({ maxLength: 64 })),
    capacity: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
  },
  { additionalProperties: false },
);
export const keptSkuBecause = 'A sku names a price, and nothing is charged here.';

export type Refused = { readonly path: string; readonly rule: Refusal };

/** @throws Failure `invalid` with every refused place in it, those with the same reason in one sentence */
export function refusalOf(refused: readonly Refused[]): Failure {
  const shown = refused.slice(0, 20);
  const reasons = Map.groupBy(shown, ({ rule }) => `${rule.because} ${rule.instead}`);
  const sentences = [...reasons].map(([reason, places]) => {
    const names = [...new Set(places.map(({ path }) => path))];
    return `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} not served as asked. ${reason}`;
  });
  return resourcesFailures.PropertyNotServed(
    sentences.join(' '),
    shown.map(({ path, rule }) => ({
      code: 'PropertyNotServed',
      target: path,
      message: `${rule.because} ${rule.instead}`,
    })),
  );
}

/** Whether a value asks for no more than what is so anyway. */
export const isHarmless = (value: unknown, rule: Refusal): boolean =>
  asksNothing(value) ||
  [...('always' in rule ? [rule.always] : []), ...(rule.harmless ?? [])].some((usual) => saysNoMore(value, usual));

const isNothing = (value: unknown): boolean =>
  value === null || value === undefined || value === '' || (Array.isArray(value) && value.length === 0);

/** Nothing, or an object of nothings. An empty object below a name is something: `{"/some/identity": {}}`. */
function asksNothing(value: unknown): boolean {
  return isNothing(value) || (isObject(value) && Object.values(value).every((item) => isNothing(item)));
}

/**
 * Whether every part of `value` is there in `usual`, and the same. Members in any order, what is null may be missing: what
 * a client makes of an answer when it sends it back.
 */
export function saysNoMore(value: unknown, usual: unknown, ignoresCase = true): boolean {
  if (isNothing(value)) return true;
  if (typeof value === 'string' && typeof usual === 'string')
    return ignoresCase ? value.toLowerCase() === usual.toLowerCase() : value === usual;
  if (Array.isArray(value))
    return (
      Array.isArray(usual) &&
      value.length === usual.length &&
      value.every((item, index) => saysNoMore(item, usual[index], ignoresCase))
    );
  if (!isObject(value)) return value === usual;
  return (
    isObject(usual) &&
    Object.entries(value).every(
      ([name, item]) => isNothing(item) || (Object.hasOwn(usual, name) && saysNoMore(item, usual[name], ignoresCase)),
    )
  );
}

/** The rule that a path falls under: its own, or that of what it lies in. */
export function ruleFor<R>(rules: Readonly<Record<string, R>>, path: string): { path: string; rule: R } | undefined {
  for (const [name, rule] of Object.entries(rules))
    if (path === name || path.startsWith(`${name}.`)) return { path: name, rule };
  return undefined;
}

/** @throws Failure `invalid` */
export function checkKept(path: string, { schema }: Kept, value: unknown): void {
  if (schema === undefined) return;
  const [name = '', ...outer] = path.split('.').reverse();
  const within = (inner: TSchema, step: string) => Type.Object({ [step]: inner });
  const whole = outer.reduce(within, within(schema, name));
  const held = outer.reduce<unknown>((inner, step) => ({ [step]: inner }), { [name]: value });
  const [unknown] = unknownProperties(whole, held);
  if (unknown !== undefined) throw resourcesFailures.insideUnknown(unknown.path);
  validate(Type.Object({ properties: whole }), { properties: held }, 'body');
}

export function valueAt(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((from, step) => {
    return isObject(from) && Object.hasOwn(from, step) ? from[step] : undefined;
  }, value);
}

/** A copy with a value at a dotted path; what is on the way and no object is replaced. */
export function withValueAt(target: Fields, path: string, value: unknown): Fields {
  const [step = '', ...rest] = path.split('.');
  const inner = Object.hasOwn(target, step) ? target[step] : undefined;
  return {
    ...target,
    [step]: rest.length === 0 ? value : withValueAt(isObject(inner) ? inner : {}, rest.join('.'), value),
  };
}

/** What an answer shows beside the kind's own view: what is always so, and what is kept. */
export function withUnserved(shown: Fields, unserved: Unserved, inert: Fields): Fields {
  let all: Fields = shown;
  for (const [path, rule] of Object.entries(unserved.refused))
    if ('always' in rule && valueAt(all, path) === undefined) all = withValueAt(all, path, rule.always);
  for (const [path, value] of Object.entries(inert)) all = withValueAt(all, path, value);
  return all;
}

/** Of what an answer shows, what has no effect, with the reason. */
export function withoutEffect(
  shown: Fields,
  unserved: Unserved,
  hasKeptSku: boolean,
): Readonly<Record<string, string>> {
  const found = Object.entries(unserved.kept).flatMap(([path, { because }]) => {
    const value = valueAt(shown, path);
    return value === undefined || value === null ? [] : [[`properties.${path}`, because] as const];
  });
  return Object.fromEntries(hasKeptSku ? [...found, ['sku', keptSkuBecause]] : found);
}

/** Mistakes of an author, in words: a path that is chosen twice, that the schema serves, or that lies in nothing it knows. */
export function mistakesIn(type: string, properties: TSchema, unserved: Unserved): readonly string[] {
  const own = Object.entries(unserved.kept).filter(([, { schema }]) => schema === undefined);
  const foreign = [
    ...Object.keys(unserved.refused),
    ...Object.keys(unserved.ignored),
    ...Object.entries(unserved.kept).flatMap(([path, { schema }]) => (schema === undefined ? [] : [path])),
  ];
  const all = [...foreign, ...own.map(([path]) => path)];
  const sentences = [
    ...Object.values(unserved.refused).flatMap(({ because, instead }) => [because, instead]),
    ...Object.values(unserved.kept).map(({ because }) => because),
    ...Object.values(unserved.ignored),
  ];
  const outerOf = (path: string) => path.split('.').slice(0, -1).join('.');
  return [
    ...all.filter((path, at) => all.indexOf(path) !== at).map((path) => `${type}: ${path} is chosen twice`),
    ...all
      .filter((path) => all.some((other) => path.startsWith(`${other}.`)))
      .map((path) => `${type}: ${path} lies in a path that is chosen already`),
    ...foreign
      .filter((path) => knows(properties, path))
      .map((path) => `${type}: ${path} is in the schema, so it would never be looked at as unserved`),
    ...[...foreign.map(outerOf), ...own.map(([path]) => path)]
      .filter((path) => path !== '' && !knows(properties, path))
      .map((path) => `${type}: the schema does not know ${path}`),
    ...sentences.filter((text) => !/^[A-Z/'].{8,}\.$/s.test(text)).map((text) => `${type}: '${text}' is no sentence`),
  ];
}
