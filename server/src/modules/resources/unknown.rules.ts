// Which properties of a body a schema does not know. ARM refuses what nobody knows (a misspelt `publicNetworkAcess` must not
// pass in silence) and JSON Schema alone cannot say what was meant. Walks objects, arrays, records, unions and
// intersections; a branch of a union counts when its constant properties do not contradict the value. Bounded by the
// depth of the body, which the door limits.

import { edits } from '@strongroom/contract/edits';
import type { TSchema } from '@strongroom/contract/schema';

/** The keywords that are read here, of a schema as the schema library writes it. */
type Node = {
  readonly type?: string;
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly patternProperties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: boolean | Node;
  readonly items?: Node | readonly Node[];
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
  readonly allOf?: readonly Node[];
};

export type UnknownProperty = {
  /** Dotted from the root that was walked: `encryption.keyVaultPropertis`. A name that has such signs in it stands as `['a.b']`. */
  readonly path: string;
  readonly value: unknown;
  readonly meant: string | undefined;
};

export type Fields = Readonly<Record<string, unknown>>;
export const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Beyond so many nobody reads what was meant, and looking for it costs more than the body. */
export const meantMax = 50;

/**
 * Every unknown property of `value`: whoever decides on them decides on all, since one that is not told of is stored as if it were
 * known.
 */
export function unknownProperties(schema: TSchema, value: unknown): readonly UnknownProperty[] {
  const found: UnknownProperty[] = [];
  walk([schema as Node], value, '', ({ path, value, near }) => {
    found.push({ path, value, meant: found.length < meantMax ? near() : undefined });
  });
  return found;
}

/** Whether the schema has a property at a dotted path, in any of its branches. */
export function knows(schema: TSchema, path: string): boolean {
  let found: readonly Node[] = [schema as Node];
  for (const step of path.split('.')) {
    found = found.flatMap((each) => leavesOf(each, undefined)).flatMap((leaf) => childrenOf(leaf, step));
    if (found.length === 0) return false;
  }
  return true;
}

/**
 * A copy as the schema spells it: of its literals those that are the same but for case, as Azure compares them, and without
 * a null where the schema has an optional property that takes none: to clients, null is another word for absent.
 */
export function canonical(schema: TSchema, value: unknown): unknown {
  return spelled([schema as Node], value);
}

function spelled(schemas: readonly Node[], value: unknown): unknown {
  const leaves = schemas.flatMap((schema) => leavesOf(schema, value));
  if (leaves.some(isAnything)) return value;
  if (typeof value === 'string') {
    if (leaves.some((leaf) => leaf.const === value || (leaf.type === 'string' && leaf.const === undefined)))
      return value;
    return leaves.find((leaf) => isSameWord(leaf.const, value))?.const ?? value;
  }
  if (Array.isArray(value)) {
    const items = itemsOf(leaves);
    return items.length === 0 ? value : value.map((item) => spelled(items, item));
  }
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, item]) => {
      const next = leaves.flatMap((leaf) => childrenOf(leaf, name));
      if (next.length === 0) return [[name, item]];
      const isDeclared = leaves.some((leaf) => leaf.properties !== undefined && Object.hasOwn(leaf.properties, name));
      if (item === null && isDeclared && !takesNull(next)) return [];
      return [[name, spelled(next, item)]];
    }),
  );
}

const takesNull = (schemas: readonly Node[]) =>
  schemas.flatMap((schema) => leavesOf(schema, null)).some((leaf) => leaf.type === 'null' || isAnything(leaf));

const isSameWord = (a: unknown, b: unknown) =>
  a === b || (typeof a === 'string' && typeof b === 'string' && a.toLowerCase() === b.toLowerCase());

/**
 * A copy with only what the schema knows. Built from the schema, and not by taking away what a search found: what it does not
 * name cannot be in it.
 */
export function knownOnly(schema: TSchema, value: Fields): Fields {
  return known([schema as Node], value) as Fields; // an object goes in, so an object comes out
}

function known(schemas: readonly Node[], value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const leaves = schemas.flatMap((schema) => leavesOf(schema, value));
  if (leaves.some(isAnything)) return value;
  if (Array.isArray(value)) {
    const items = itemsOf(leaves);
    return items.length === 0 ? value : value.map((item) => known(items, item));
  }
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, item]) => {
      const next = leaves.flatMap((leaf) => childrenOf(leaf, name));
      return next.length === 0 ? [] : [[name, known(next, item)] as const];
    }),
  );
}

const itemsOf = (leaves: readonly Node[]): readonly Node[] =>
  leaves.flatMap((leaf) => (leaf.items === undefined ? [] : [leaf.items].flat()));

/** Two places have two paths: `a.b` of an object, and a property that is called so, are not taken for each other. */
function pathOf(at: string, name: string): string {
  const step = /[.[\]]/.test(name) ? `['${name}']` : name;
  return at === '' ? step : `${at}.${step}`;
}

type Reported = Pick<UnknownProperty, 'path' | 'value'> & { readonly near: () => string | undefined };

function walk(schemas: readonly Node[], value: unknown, at: string, report: (unknown: Reported) => void): void {
  const leaves = schemas.flatMap((schema) => leavesOf(schema, value));
  if (leaves.some(isAnything)) return;
  if (Array.isArray(value)) {
    const items = itemsOf(leaves);
    if (items.length > 0) value.forEach((item, index) => void walk(items, item, `${at}[${index}]`, report));
    return;
  }
  if (!isObject(value)) return;
  for (const [name, item] of Object.entries(value)) {
    const path = pathOf(at, name);
    const next = leaves.flatMap((leaf) => childrenOf(leaf, name));
    if (next.length > 0) walk(next, item, path, report);
    else {
      const near = () =>
        nearest(
          name,
          leaves.flatMap((leaf) => Object.keys(leaf.properties ?? {})),
        );
      report({ path, value: item, near });
    }
  }
}

const isAnything = (leaf: Node) =>
  leaf.type === undefined && leaf.properties === undefined && leaf.const === undefined && leaf.items === undefined;

/** The alternatives that a schema stands for, without unions and intersections. */
/** Of a union the branch that the value says it is, where it says so; otherwise the schema itself. */
export function branchFor(schema: TSchema, value: unknown): TSchema {
  const fitting = ((schema as Node).anyOf ?? []).filter((branch) => fits(branch, value));
  const [only] = fitting;
  return fitting.length === 1 && only !== undefined ? (only as TSchema) : schema;
}

function leavesOf(schema: Node, value: unknown): readonly Node[] {
  const branches = schema.anyOf ?? schema.oneOf;
  if (branches !== undefined) {
    const fitting = branches.filter((branch) => fits(branch, value));
    return (fitting.length > 0 ? fitting : branches).flatMap((branch) => leavesOf(branch, value));
  }
  if (schema.allOf !== undefined) return schema.allOf.flatMap((part) => leavesOf(part, value));
  return [schema];
}

function fits(branch: Node, value: unknown): boolean {
  if (!isObject(value)) return true;
  return Object.entries(branch.properties ?? {}).every(
    ([name, property]) =>
      property.const === undefined || !Object.hasOwn(value, name) || isSameWord(property.const, value[name]),
  );
}

function childrenOf(leaf: Node, name: string): readonly Node[] {
  const own = leaf.properties !== undefined && Object.hasOwn(leaf.properties, name) ? leaf.properties[name] : undefined;
  if (own !== undefined) return [own];
  for (const [pattern, schema] of Object.entries(leaf.patternProperties ?? {})) {
    // Patterns are ours, from the schema; the name that they run over is bounded by the body.
    if (new RegExp(pattern).test(name)) return [schema];
  }
  if (typeof leaf.additionalProperties === 'object') return [leaf.additionalProperties];
  return leaf.additionalProperties === true ? [{}] : [];
}

/** The known name that was most likely meant: the same in another case, or at most two edits away. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase().slice(0, 64);
  let best: { readonly name: string; readonly distance: number } | undefined;
  for (const candidate of known) {
    const distance = edits(lower, candidate.toLowerCase(), 2);
    if (distance <= 2 && distance <= candidate.length / 2 && (best === undefined || distance < best.distance))
      best = { name: candidate, distance };
  }
  return best?.name;
}
