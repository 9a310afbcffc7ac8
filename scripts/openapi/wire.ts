// Where a route is found from outside. Routes are written over the canonical path of their surface; where a surface reads it out of
// something else, its module says the way back. Also the names of path parameters, and the paths that an optional last segment makes.
// Pure; the route sweep sends its requests by it.

import type { Route } from '../../server/src/kernel/http/route.ts';
import { landingWireOf } from '../../server/src/modules/landing/index.ts';
import { ociWireOf } from '../../server/src/modules/registry/index.ts';
import { mlflowWireOf } from '../../server/src/modules/runs/index.ts';
import { blobWireOf } from '../../server/src/modules/storage/index.ts';

export type WirePath = {
  /** Template from the root of the server's origin: `{name}` one segment, `{name+}` one or more. */
  readonly path: string;
  /** Query that is part of what the operation is. */
  readonly query: Readonly<Record<string, string>>;
  /** Behind the operation's name where a route has two paths: operation ids are unique. */
  readonly suffix: string;
};

function wireOf({ surface, path }: Route): Omit<WirePath, 'suffix'> {
  if (surface === 'blob') return blobWireOf(path);
  if (surface === 'oci') return ociWireOf(path);
  if (surface === 'mlflow') return mlflowWireOf(path);
  if (surface === 'landing') return landingWireOf(path);
  return { path, query: {} };
}

/** One for each path that leads to the route: two where its last segment is optional. */
export function wirePathsOf(route: Route): readonly WirePath[] {
  const { path, query } = wireOf(route);
  const optional = /^(.*)\/\{(\w+)\?\}$/.exec(path);
  if (!optional) return [{ path, query, suffix: '' }];
  const [, before = '', name = ''] = optional;
  return [
    { path: before, query, suffix: '' },
    { path: `${before}/{${name}}`, query, suffix: `By${name.charAt(0).toUpperCase()}${name.slice(1)}` },
  ];
}

export type PathParameter = { readonly name: string; readonly isPath: boolean };

export const parametersOf = (path: string): readonly PathParameter[] =>
  [...path.matchAll(/\{([A-Za-z]\w*)([+?]?)\}/g)].map(([, name = '', mark]) => ({ name, isPath: mark === '+' }));
