// Paths that follow from a resource type, and the id that a path's parameters mean. One rule names the parameters, because
// the router wants one name for one place: `workspaces` gives {workspaceName}, `registries` {registryName}. Routes
// that other modules write below a kind's path use the same names, by `itemPath`.

import type { Params } from '#kernel/http/route';

export type { Params } from '#kernel/http/route';

/** `workspaces` → `workspaceName`; `factories` → `factoryName`; `codes` → `codeName`; `data` → `dataName`. */
export function paramOf(typeSegment: string): string {
  const singular = typeSegment.endsWith('ies')
    ? `${typeSegment.slice(0, -3)}y`
    : typeSegment.endsWith('s')
      ? typeSegment.slice(0, -1)
      : typeSegment;
  return `${singular}Name`;
}

/** Parameter names of a type's path, outermost first. Throws when a type repeats a word: its path would be ambiguous. */
export function paramNames(type: string): readonly string[] {
  const names = type.split('/').slice(1).map(paramOf);
  if (new Set(names).size !== names.length) throw new Error(`the type ${type} repeats a word`);
  return names;
}

export const groupType = 'Microsoft.Resources/resourceGroups';
export const subscriptionPath = '/subscriptions/{subscriptionId}';
export const groupPath = `${subscriptionPath}/resourceGroups/{resourceGroupName}`;

/** Template of an item: `/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Ns/a/{aName}/…`. */
export function itemPath(type: string): string {
  return `${collectionPath(type)}/{${paramNames(type).at(-1)}}`;
}

/** Template of the list at the group, or of a child type at its parent. */
export function collectionPath(type: string): string {
  if (type === groupType) return `${subscriptionPath}/resourceGroups`;
  const [namespace, ...words] = type.split('/');
  const names = paramNames(type);
  const steps = words.map((word, index) => (index < words.length - 1 ? `${word}/{${names[index]}}` : word));
  return `${groupPath}/providers/${namespace}/${steps.join('/')}`;
}

/** The id that the parameters of `itemPath` mean, words of the type in their canonical casing, names as the caller wrote them. */
export const itemId = (type: string, params: Params): string => fill(itemPath(type), params);

/** The id that a list of the type lies below: the parent resource, or for a top-level type the group. */
export function containerId(type: string, params: Params): string {
  if (type === groupType) return subscriptionId(params);
  const path = collectionPath(type);
  const words = type.split('/').length - 1;
  return fill(words === 1 ? groupPath : path.slice(0, path.lastIndexOf('/')), params);
}

/** What a resource's id adds to its parent's: `/providers/Ns/a/name`, of a child `/b/name`. */
export function tailOf(type: string, name: string): string {
  const [namespace, ...words] = type.split('/');
  const word = words.at(-1);
  if (type === groupType) return `/resourceGroups/${name}`;
  return words.length === 1 ? `/providers/${namespace}/${word}/${name}` : `/${word}/${name}`;
}

export const subscriptionId = (params: Params): string => fill(subscriptionPath, params);
export const groupId = (params: Params): string => fill(groupPath, params);

const fill = (path: string, params: Params) => path.replace(/\{(\w+)\}/g, (_, name: string) => params[name] ?? '');
