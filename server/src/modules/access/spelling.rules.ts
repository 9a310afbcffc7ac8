// Whether an action of a custom role is one that anything has. A name with a typing error would grant nothing for ever, and
// among the notActions withhold nothing. So in the namespaces that are served here a pattern has to match something: what is
// served, or what Azure has beside it, because one file of roles is to serve both. Of Azure's other namespaces only the names
// are known, and what is named below them is taken as it is written: it grants nothing here, however it is spelled.

import { edits } from '@strongroom/contract/edits';
import type { Action, Plane } from '#kernel/authority/grant';
import { azureActions } from './azure-actions.data.ts';
import { builtInRoles } from './built-in-roles.data.ts';
import { azureNamespaces } from './namespaces.data.ts';
import { compileExclusion, compilePattern, type Matcher } from './pattern.rules.ts';

export type Misspelled = {
  /** The nearest of what there is, as the pattern would write it; the best first. */
  readonly meant: readonly string[];
  /** It is an action, of the other plane. */
  readonly otherPlane: boolean;
};

/** Patterns of roles that Azure ships are right by definition, whatever of them is served. */
const blocks = builtInRoles.flatMap(({ permissions }) => permissions);
const shipped: Readonly<Record<Plane, ReadonlySet<string>>> = {
  control: new Set(blocks.flatMap(({ actions, notActions }) => [...actions, ...notActions])),
  data: new Set(blocks.flatMap(({ dataActions, notDataActions }) => [...dataActions, ...notDataActions])),
};

const meantMax = 3;
/** Letters that a whole pattern may be apart from what it is taken for. */
const editsMax = 4;

const namespaceOf = (name: string): string => name.split('/', 1)[0] ?? '';

export function createSpelling(catalogue: readonly Action[]) {
  const namesOf = (plane: Plane) => {
    const served = catalogue.filter((action) => action.plane === plane).map(({ name }) => name);
    // The spelling that is served wins.
    return [...new Map([...azureActions[plane], ...served].map((name) => [name.toLowerCase(), name])).values()];
  };
  const names = { control: namesOf('control'), data: namesOf('data') };
  const keys = { control: names.control.map(lower), data: names.data.map(lower) };
  const known = new Set([...names.control, ...names.data].map((name) => lower(namespaceOf(name))));
  const namespaces = [...new Set([...catalogue.map(({ name }) => namespaceOf(name)), ...azureNamespaces])];
  const all = new Set(namespaces.map(lower));

  /** What is wrong with a pattern of that plane; undefined when nothing is. `withholds`: it stands among the notActions. */
  return function misspelled(pattern: string, plane: Plane, withholds: boolean): Misspelled | undefined {
    if (shipped[plane].has(pattern)) return undefined;
    const matches: Matcher = withholds ? compileExclusion(pattern) : compilePattern(pattern);
    if (keys[plane].some(matches)) return undefined;
    const namespace = namespaceOf(pattern);
    const isWild = namespace.includes('*');
    if (!isWild && !all.has(lower(namespace))) {
      const near = namespaces.find((name) => edits(lower(namespace), lower(name), 2) <= 2 && namespace.length > 4);
      return { meant: near === undefined ? [] : [near + pattern.slice(namespace.length)], otherPlane: false };
    }
    if (!isWild && !known.has(lower(namespace))) return undefined;
    const other = plane === 'control' ? 'data' : 'control';
    if (keys[other].some(matches)) return { meant: [], otherPlane: true };
    return { meant: nearest(pattern, names[plane]), otherPlane: false };
  };
}

const lower = (text: string): string => text.toLowerCase();

/** Segment by segment, since a name is a path: cheap enough to try them all. What follows a wildcard stays as it is. */
function nearest(pattern: string, names: readonly string[]): readonly string[] {
  const segments = pattern.split('/');
  const wild = segments.findIndex((segment) => segment.includes('*'));
  const head = wild < 0 ? segments : segments.slice(0, wild);
  const tail = segments.slice(head.length);
  const found = new Map<string, number>();
  for (const name of names) {
    const known = name.split('/');
    if (wild < 0 ? known.length !== segments.length : known.length <= head.length) continue;
    const apart = distance(head, known);
    if (apart <= editsMax) found.set([...known.slice(0, head.length), ...tail].join('/'), apart);
  }
  // A wildcard that is misspelled behind its star has a right head, and nothing nearer.
  found.delete(pattern);
  return [...found]
    .sort(([, a], [, b]) => a - b)
    .slice(0, meantMax)
    .map(([name]) => name);
}

function distance(head: readonly string[], known: readonly string[]): number {
  let sum = 0;
  for (const [at, segment] of head.entries()) {
    const other = known[at] ?? '';
    if (lower(segment) === lower(other)) continue;
    // Of a short word, half is another word.
    sum += Math.max(edits(lower(segment), lower(other), Math.min(editsMax, segment.length >> 1)), 1);
    if (sum > editsMax) return sum;
  }
  return sum;
}
