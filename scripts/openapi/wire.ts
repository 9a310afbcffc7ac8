// Where a route is found from outside. Routes are written over the canonical path of their surface; three surfaces read
// it out of something else (a version in the path, a word in the query or at the end of the path), and this is the way back. Also the names of path
// parameters, and the paths that an optional last segment makes. Pure; the route sweep sends its requests by it.

import type { Route } from '../../server/src/kernel/http/route.ts';
import { blobWireOf } from '../../server/src/modules/storage/index.ts';

export type WirePath = {
  /** Template from the root of the server's origin: `{name}` one segment, `{name+}` one or more. */
  readonly path: string;
  /** Query that is part of what the operation is. */
  readonly query: Readonly<Record<string, string>>;
  /** Behind the operation's name where a route has two paths: operation ids are unique. */
  readonly suffix: string;
};

/** Words before a path of the registry protocol → what stands behind the repository's name. */
const ociTails: Readonly<Record<string, string>> = {
  blobs: '/blobs',
  uploads: '/blobs/uploads',
  manifests: '/manifests',
  tags: '/tags/list',
  referrers: '/referrers',
};

/** Paths of the registry surface that name no repository. */
const ociPlaces: Readonly<Record<string, string>> = {
  base: '/v2/',
  'acr-catalog': '/acr/v1/_catalog',
  'oauth2-exchange': '/oauth2/exchange',
  'oauth2-token': '/oauth2/token',
};
const acrTails: Readonly<Record<string, string>> = {
  acr: '',
  'acr-tags': '/_tags',
  'acr-manifests': '/_manifests',
};

const mlflowWorkspace = /^\/mlflow(\/subscriptions\/.+?\/workspaces\/\{workspaceName\})(\/.*)$/;

const trackedWorkspace =
  '/subscriptions/{subscriptionId}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices/workspaces/{workspace}';

function wireOf({ surface, path }: Route): Omit<WirePath, 'suffix'> {
  if (surface === 'blob') return blobWireOf(path);
  if (surface === 'oci') {
    const [, word = '', registry, repository, ...rest] = path.split('/');
    const described = acrTails[word];
    if (described !== undefined)
      return { path: ['/acr/v1', registry, `{repository+}${described}`, ...rest].join('/'), query: {} };
    const tail = ociTails[word];
    if (tail === undefined || registry === undefined || repository === undefined)
      return { path: ociPlaces[word] ?? `/v2/${word}`, query: {} };
    // A repository's name has as many segments as its owner likes. An upload begins at a path that ends in a slash.
    const last = rest.length > 0 ? `/${rest.join('/')}` : word === 'uploads' ? '/' : '';
    return { path: `/v2/${registry}/{repository+}${tail}${last}`, query: {} };
  }
  if (surface === 'mlflow') {
    const [, workspace = '', tail = ''] = mlflowWorkspace.exec(path) ?? [];
    const before =
      tail === '/version' || tail === '/health'
        ? ''
        : tail === '/server-info'
          ? '/api/3.0/mlflow'
          : tail.startsWith('/mlflow-artifacts/')
            ? '/api/2.0'
            : '/api/2.0/mlflow';
    return { path: `/mlflow/v1.0${workspace}${before}${tail}`, query: {} };
  }
  // The very root of a workspace's tracking address.
  if (surface === 'landing' && path.startsWith('/tracking/'))
    return { path: `/mlflow/v2.0${trackedWorkspace}`, query: {} };
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
