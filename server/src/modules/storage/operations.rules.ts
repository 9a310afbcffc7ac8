// What an operation of the blob protocol is: how deep its path goes, and which words of the query make it. The surface reads
// requests by this table and the OpenAPI document is written by it, so that neither can say what the other does not.

import type { Target } from '#kernel/http/target';

type Row = {
  /** First segment of the canonical path; the routes say which methods it has. */
  readonly name: string;
  /** What the path ends at: `/{account}`, `/{account}/{container}`, or a blob below that. */
  readonly at: 'account' | 'container' | 'blob';
  /** Of `restype` and `comp` these, with these values, and no other. */
  readonly when: { readonly restype?: string; readonly comp?: string };
};

export const blobOperations = [
  { name: 'containers', at: 'account', when: { comp: 'list' } },
  { name: 'container', at: 'container', when: { restype: 'container' } },
  { name: 'container-metadata', at: 'container', when: { restype: 'container', comp: 'metadata' } },
  { name: 'list', at: 'container', when: { restype: 'container', comp: 'list' } },
  { name: 'blob', at: 'blob', when: {} },
  { name: 'metadata', at: 'blob', when: { comp: 'metadata' } },
  { name: 'properties', at: 'blob', when: { comp: 'properties' } },
  { name: 'tier', at: 'blob', when: { comp: 'tier' } },
  { name: 'block', at: 'blob', when: { comp: 'block' } },
  { name: 'blocklist', at: 'blob', when: { comp: 'blocklist' } },
] as const satisfies readonly Row[];

type Operation = (typeof blobOperations)[number];
type NameAt<At extends Row['at']> = Extract<Operation, { readonly at: At }>['name'];

/** Templates of canonical paths, for routes. */
export const containersPath = (name: NameAt<'account'>) => `/${name}/{account}` as const;
export const containerPath = (name: NameAt<'container'>) => `/${name}/{account}/{container}` as const;
export const blobPath = (name: NameAt<'blob'>) => `/${name}/{account}/{container}/{blob+}` as const;

/** Snapshots and versions change what a request means: never served as if they were not there. */
const neverServed = ['snapshot', 'versionid'];

/**
 * First segment of the canonical path.
 * @param length how many segments the path has, of which the first is the account
 */
export function operationOf(length: number, { query }: Pick<Target, 'query'>): Operation['name'] | 'unserved' {
  if (neverServed.some((name) => query.get(name) !== undefined)) return 'unserved';
  const depth = length === 1 ? 'account' : length === 2 ? 'container' : 'blob';
  const found = blobOperations.find((one) => {
    const { at, when }: Row = one;
    return at === depth && when.restype === query.get('restype') && when.comp === query.get('comp');
  });
  return found?.name ?? 'unserved';
}

/** How clients write the template of a canonical path: from the root of the origin, with the query that makes it the operation. */
export function blobWireOf(template: string): {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
} {
  const [, name = '', ...rest] = template.split('/');
  const operation = blobOperations.find((one) => one.name === name);
  // What no operation serves is recognised by what it lacks: an account's name with nothing that says what is wanted.
  if (operation === undefined) return { path: '/{account}', query: { comp: name } };
  return { path: `/${rest.join('/')}`, query: { ...operation.when } };
}
