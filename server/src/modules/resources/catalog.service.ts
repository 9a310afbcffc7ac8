// The kinds that are served, by type, and the paths that follow from a type. Filled while the server is composed, read for
// every request. What an id's type is, and what its canonical casing is, is decided here and nowhere else.

import { parseResourceId, type ResourceId } from '#kernel/ids/ids';
import { kept } from '#kernel/ids/kept';
import type { ResourceKind } from './kind.types.ts';
import { groupType, paramNames } from './paths.rules.ts';
import { resourcesFailures } from './resources.errors.ts';
import { mistakesIn } from './unserved.ts';

export type Catalog = {
  add(kind: ResourceKind): void;
  find(type: string): ResourceKind | undefined;
  /** Throws `notFound` InvalidResourceType. */
  get(type: string): ResourceKind;
  all(): readonly ResourceKind[];
};

/** Words in a type: `Microsoft.X/a/b` has depth 2, a top-level type 1. */
export const depthOf = (type: string) => type.split('/').length - 1;

export function createCatalog(): Catalog {
  const kinds = new Map<string, ResourceKind>();
  const find = (type: string) => kinds.get(type.toLowerCase());
  return {
    add(kind) {
      if (!/^[A-Za-z]+(\.[A-Za-z]+)+(\/[A-Za-z]+)+$/.test(kind.type))
        throw new Error(`'${kind.type}' is not a resource type: Namespace.Name/type`);
      if (find(kind.type)) throw new Error(`two kinds have the type ${kind.type}`);
      paramNames(kind.type);
      const mistakes = mistakesIn(kind.type, kind.properties, kind.unserved);
      if (mistakes.length > 0) throw new Error(`a kind is not servable:\n${mistakes.join('\n')}`);
      kinds.set(kind.type.toLowerCase(), kind);
    },
    find,
    get(type) {
      const kind = find(type);
      if (!kind) throw resourcesFailures.InvalidResourceType(type);
      return kind;
    },
    all: () => [...kinds.values()].sort((a, b) => (a.type < b.type ? -1 : 1)),
  };
}

/** An id with the type that a kind is found by, a resource group's included. Throws for a subscription's id. */
export const readId = kept<ResourceId & { readonly type: string }>((id) => {
  const parsed = parseResourceId(id);
  const type = parsed.type ?? (parsed.resourceGroup === undefined ? undefined : groupType);
  if (type === undefined) throw resourcesFailures.InvalidResourceId();
  return { ...parsed, type };
});

/**
 * The resource that stands directly in its group, of which `id` is a child at any depth; undefined for that resource
 * itself and for groups. By position, so that a group or a resource that is named `providers` misleads nobody.
 */
export function topLevelOf(id: string): string | undefined {
  const segments = segmentsOf(id);
  const end = 9; // '', subscriptions, s, resourceGroups, g, providers, namespace, type, name
  if (segments[3]?.toLowerCase() !== 'resourcegroups' || segments.length <= end) return undefined;
  return segments.slice(0, end).join('/');
}

/** True for the root, a subscription and a resource group: what resources stand in. */
export const isGroupOrAbove = (id: string): boolean => segmentsOf(id).length <= 5;

const segmentsOf = kept<readonly string[]>((id) =>
  id
    .replace(/\/{2,}/g, '/')
    .replace(/\/+$/, '')
    .split('/'),
);
