// Whether an action of a custom role is one that anything has. A name with a typing error would grant nothing for ever, and
// among the notActions withhold nothing. Azure's actions that are not served here are accepted, because one file of roles
// is to serve both; so only what is surely a mistake is refused: a namespace that nobody has, or one letter beside a name
// that is served.

import type { Action, Plane } from '#kernel/authority/grant';
import { builtInRoles } from './built-in-roles.ts';
import { azureNamespaces } from './namespaces.ts';
import { compilePattern } from './pattern.ts';

export type Misspelled = { readonly meant: string | undefined };

/** Patterns of roles that Azure ships are right by definition, whatever of them is served. */
const shipped = new Set(
  builtInRoles.flatMap(({ permissions }) =>
    permissions.flatMap((block) => [block.actions, block.notActions, block.dataActions, block.notDataActions].flat()),
  ),
);

export function createSpelling(catalogue: readonly Action[]) {
  const names = (plane: Plane) => [
    ...new Set(catalogue.filter((action) => action.plane === plane).map(({ name }) => name)),
  ];
  const served = { control: names('control'), data: names('data') };
  const namespaces = [...new Set([...catalogue.map(({ name }) => name.split('/')[0] ?? ''), ...azureNamespaces])];

  /** What is wrong with a pattern of that plane; undefined when nothing is. */
  return function misspelled(pattern: string, plane: Plane): Misspelled | undefined {
    const matches = compilePattern(pattern);
    if (shipped.has(pattern) || served[plane].some((name) => matches(name.toLowerCase()))) return undefined;
    const [namespace = '', ...rest] = pattern.split('/');
    if (!namespace.includes('*') && !namespaces.some((known) => known.toLowerCase() === namespace.toLowerCase())) {
      const known = namespaces.find((name) => isNear(namespace, name));
      return { meant: known && [known, ...rest].join('/') };
    }
    const meant = served[plane].map((name) => respelled(pattern, name)).find((name) => name !== undefined);
    return meant === undefined ? undefined : { meant };
  };
}

/** The pattern as `name` writes it, if one segment before any wildcard differs from it by a letter and the others do not. */
function respelled(pattern: string, name: string): string | undefined {
  const segments = pattern.split('/');
  const wild = segments.findIndex((segment) => segment.includes('*'));
  const known = name.split('/');
  if (wild < 0 && known.length !== segments.length) return undefined;
  const head = wild < 0 ? segments : segments.slice(0, wild);
  const differing = head.flatMap((segment, at) => (segment.toLowerCase() === known[at]?.toLowerCase() ? [] : [at]));
  const [at] = differing;
  if (at === undefined || differing.length > 1 || !isNear(segments[at] ?? '', known[at] ?? '')) return undefined;
  return [...known.slice(0, head.length), ...segments.slice(head.length)].join('/');
}

/** One letter more, less or other, or two neighbours swapped: 'models' and 'modules' are two names, and not near. */
function isNear(one: string, other: string): boolean {
  const a = one.toLowerCase();
  const b = other.toLowerCase();
  if (a === b || Math.abs(a.length - b.length) > 1 || Math.min(a.length, b.length) < 4) return false;
  let from = 0;
  while (from < a.length && a[from] === b[from]) from++;
  const rest = (text: string, skip: number) => text.slice(from + skip);
  if (a.length > b.length) return rest(a, 1) === rest(b, 0);
  if (a.length < b.length) return rest(a, 0) === rest(b, 1);
  const isSwapped = a[from] === b[from + 1] && a[from + 1] === b[from] && rest(a, 2) === rest(b, 2);
  return isSwapped || rest(a, 1) === rest(b, 1);
}
