// The package index as pip asks for it, and what else a build needs, below `/packages/v1.0` and the id of its workspace. pip itself
// asks a door inside its sandbox, which hands on what it asks with the token of the build or the job.

import type { Params } from '#kernel/http/route';
import type { Scheme, Surface } from '#kernel/http/surface';
import { refuseUnreadParameter } from '#kernel/http/unread';

export const packagesSurface = 'packages';
/** The canonical path of a workspace on this surface. */
export const packagesPath =
  '/packages/v1.0/subscriptions/{subscriptionId}/resourceGroups/{resourceGroup}/providers/Microsoft.MachineLearningServices/workspaces/{workspaceName}';

export const workspaceIn = ({ subscriptionId, resourceGroup, workspaceName }: Params): string =>
  `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}/providers/Microsoft.MachineLearningServices/workspaces/${workspaceName}`;
export const buildIn = ({ build = '' }: Params): string => build;

const words = 'subscriptions/resourcegroups/providers/microsoft.machinelearningservices/workspaces';

function recogniseSegments(segments: readonly string[]): readonly string[] | undefined {
  if (segments[0] !== 'packages') return undefined;
  // pip closes the address of a project with a slash.
  const named = segments.filter((segment) => segment !== '');
  const [, version, subscriptions, subscriptionId, groups, group, providers, namespace, type, name, ...rest] = named;
  const said = [subscriptions, groups, providers, namespace, type].map((word) => word?.toLowerCase()).join('/');
  if (version?.toLowerCase() !== 'v1.0' || said !== words || subscriptionId === undefined) return ['packages'];
  if (group === undefined || name === undefined) return ['packages'];
  return [
    ...['packages', 'v1.0', 'subscriptions', subscriptionId, 'resourceGroups', group],
    ...['providers', 'Microsoft.MachineLearningServices', 'workspaces', name, ...rest],
  ];
}

/**
 * @param runTokens of builds and of jobs
 * @param others how everybody else proves who he is: known, he is refused as himself
 */
export function createPackagesSurface(runTokens: Scheme, others: readonly Scheme[]): Surface {
  return {
    name: packagesSurface,
    ignoresCase: false,
    collapsesSlashes: false,
    recognise: ({ segments }) => recogniseSegments(segments),
    schemes: [runTokens, ...others],
    refuseUnread: refuseUnreadParameter,
    challenge: () => ({ 'www-authenticate': 'Bearer realm="packages"' }),
    render: ({ status, code, message }) => ({ status, body: { error: { code, message } } }),
    headers: (exchange) => ({ 'x-ms-request-id': exchange.requestId }),
  };
}
