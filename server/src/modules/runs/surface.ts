// MLflow as seen from outside. Clients append `/api/2.0/mlflow/…` to a tracking URI that ends in a workspace's id; both
// versions of Azure's prefix, the preview alias and the path of MLflow's own pages lead to one canonical path, so that each
// route, and each decision about it, is written once. Errors are `{error_code, message}`. A refusal is never 500 or 503:
// clients would repeat the call for minutes.

import type { FailureKind } from '#kernel/errors/failure';
import type { Scheme, Surface } from '#kernel/http/surface';
import { refuseUnreadParameter } from '#kernel/http/unread';
import { unservedTail } from './families.unserved.ts';
import { runsFailures } from './runs.errors.ts';

export const mlflowSurface = 'mlflow';
/** The canonical path of a workspace on this surface. */
export const workspacePath =
  '/mlflow/subscriptions/{subscriptionId}/resourceGroups/{resourceGroup}/providers/Microsoft.MachineLearningServices/workspaces/{workspaceName}';

export function workspaceIdOf(params: Readonly<Record<string, string>>): string {
  const { subscriptionId, resourceGroup, workspaceName } = params;
  return `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}/providers/Microsoft.MachineLearningServices/workspaces/${workspaceName}`;
}

/** A path of this surface that no route serves. */
const unserved = ['mlflow'];

/** `mlflow/v1.0/subscriptions/…/workspaces/W/…` in the one form that routes are written in. */
function recogniseSegments(segments: readonly string[]): readonly string[] {
  const version = segments[1]?.toLowerCase();
  if (version !== 'v1.0' && version !== 'v2.0') return unserved;
  // Clients join a base path and an id that begins with a slash.
  const at = segments.slice(segments[2] === '' ? 3 : 2);
  const [subscriptions, subscriptionId, groups, group, providers, namespace, type, name, ...rest] = at;
  const words = [subscriptions, groups, providers, namespace, type].map((word) => word?.toLowerCase()).join('/');
  if (words !== 'subscriptions/resourcegroups/providers/microsoft.machinelearningservices/workspaces') return unserved;
  if (subscriptionId === undefined || group === undefined || name === undefined) return unserved;
  const tail = canonicalTail(rest);
  if (tail === undefined) return unserved;
  return [
    ...['mlflow', 'subscriptions', subscriptionId, 'resourceGroups', group],
    ...['providers', 'Microsoft.MachineLearningServices', 'workspaces', name],
    ...tail,
  ];
}

/** One list for one path, because nothing but the path decides. */
const canonicalLists = new WeakMap<readonly string[], readonly string[]>();

function canonicalOf(segments: readonly string[]): readonly string[] {
  const present = canonicalLists.get(segments);
  if (present) return present;
  const canonical = recogniseSegments(segments);
  canonicalLists.set(segments, canonical);
  return canonical;
}

function canonicalTail(rest: readonly string[]): readonly string[] | undefined {
  const [root, version, family, ...tail] = rest;
  if (rest.length === 1 && (root === 'version' || root === 'health')) return rest;
  // Spans by OpenTelemetry's protocol, and what MLflow serves beside its own paths.
  if (root === 'v1' && version === 'traces') return unservedTail(['traces']);
  if (root === 'graphql' || root === 'gateway') return unservedTail([root]);
  if (root !== 'api' && root !== 'ajax-api') return undefined;
  if (version === '3.0') {
    if (family === 'jobs') return unservedTail([family]);
    if (family !== 'mlflow') return undefined;
    return tail.join('/') === 'server-info' ? tail : unservedTail(tail);
  }
  if (version !== '2.0') return undefined;
  if (family === 'preview') return tail[0] === 'mlflow' ? tail.slice(1) : undefined;
  if (family === 'mlflow') return unservedTail(tail) ?? tail;
  return family === 'mlflow-artifacts' ? [family, ...tail] : undefined;
}

const ofWorkspace = /^\/mlflow(\/subscriptions\/.+?\/workspaces\/\{workspaceName\})(\/.*)$/;

/** The way back: where MLflow's clients find the route of a canonical path. */
export function mlflowWireOf(template: string): {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
} {
  const [, workspace = '', tail = ''] = ofWorkspace.exec(template) ?? [];
  return { path: `/mlflow/v1.0${workspace}${before(tail)}${tail}`, query: {} };
}

function before(tail: string): string {
  if (tail === '/version' || tail === '/health') return '';
  if (tail === '/server-info') return '/api/3.0/mlflow';
  return tail.startsWith('/mlflow-artifacts/') ? '/api/2.0' : '/api/2.0/mlflow';
}

type Rendered = readonly [status: number, errorCode: string];
const rendered: Readonly<Record<FailureKind, Rendered>> = {
  invalid: [400, 'INVALID_PARAMETER_VALUE'],
  unauthenticated: [401, 'UNAUTHENTICATED'],
  forbidden: [403, 'PERMISSION_DENIED'],
  notFound: [404, 'RESOURCE_DOES_NOT_EXIST'],
  methodNotAllowed: [405, 'BAD_REQUEST'],
  timeout: [400, 'BAD_REQUEST'],
  conflict: [400, 'RESOURCE_ALREADY_EXISTS'],
  gone: [404, 'RESOURCE_DOES_NOT_EXIST'],
  precondition: [400, 'BAD_REQUEST'],
  tooLarge: [413, 'INVALID_PARAMETER_VALUE'],
  unsupportedMedia: [400, 'INVALID_PARAMETER_VALUE'],
  rangeNotSatisfiable: [416, 'INVALID_PARAMETER_VALUE'],
  misdirected: [421, 'BAD_REQUEST'],
  dependency: [424, 'BAD_REQUEST'],
  throttled: [429, 'REQUEST_LIMIT_EXCEEDED'],
  headerTooLarge: [431, 'BAD_REQUEST'],
  integrity: [500, 'DATA_LOSS'],
  internal: [500, 'INTERNAL_ERROR'],
  notImplemented: [501, 'NOT_IMPLEMENTED'],
  unavailable: [503, 'TEMPORARILY_UNAVAILABLE'],
  full: [507, 'RESOURCE_EXHAUSTED'],
};

export function createMlflowSurface(schemes: readonly Scheme[]): Surface {
  return {
    name: mlflowSurface,
    ignoresCase: false,
    // An artifact's path must not change under our hands; what has empty segments is refused where paths are read.
    collapsesSlashes: false,
    recognise: ({ segments }) => (segments[0] === 'mlflow' ? canonicalOf(segments) : undefined),
    schemes,
    check(exchange) {
      const json = exchange.header('content-type')?.toLowerCase().startsWith('application/json') === true;
      if (exchange.method === 'POST' && !json) {
        throw runsFailures.contentType();
      }
    },
    refuseUnread: refuseUnreadParameter,
    challenge: () => ({ 'www-authenticate': 'Bearer' }),
    render(failure) {
      const [status, errorCode] = rendered[failure.kind];
      // A search that took too long takes as long again: no client should repeat it by itself.
      if (failure.code === 'ScanTimeout')
        return { status: 400, body: { error_code: 'BAD_REQUEST', message: failure.message } };
      // The router's own word for a path that nobody serves.
      const code = failure.kind === 'notFound' && failure.code === 'NotFound' ? 'ENDPOINT_NOT_FOUND' : errorCode;
      return { status, body: { error_code: code, message: failure.message } };
    },
    headers: (exchange) => ({ 'x-ms-request-id': exchange.requestId }),
  };
}
