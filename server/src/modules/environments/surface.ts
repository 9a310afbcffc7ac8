// The package index as pip asks for it, and what else a build needs, below `/packages/v1.0` and the id of its workspace. pip proves
// who it is by a name and a password: the password is the token of the build.

import type { Params } from '#kernel/http/route';
import type { Scheme, Surface } from '#kernel/http/surface';

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
 * @param runTokens how the token of a run is read as a bearer
 * @param others how everybody else proves who he is: known, he is refused as himself
 */
export function createPackagesSurface(runTokens: Scheme, others: readonly Scheme[]): Surface {
  const byPassword: Scheme = {
    name: 'token of a build as a password',
    async authenticate(exchange) {
      const encoded = /^basic +([A-Za-z0-9+/=_-]{1,32768}) *$/i.exec(exchange.header('authorization') ?? '')?.[1];
      if (encoded === undefined) return undefined;
      const token = /^build:([\w.-]+)$/.exec(Buffer.from(encoded, 'base64').toString('utf8'))?.[1];
      if (token === undefined) return undefined;
      const header = (name: string) => (name === 'authorization' ? `Bearer ${token}` : exchange.header(name));
      return runTokens.authenticate({ ...exchange, header });
    },
  };
  return {
    name: packagesSurface,
    ignoresCase: false,
    collapsesSlashes: false,
    recognise: ({ segments }) => recogniseSegments(segments),
    schemes: [runTokens, byPassword, ...others],
    challenge: () => ({ 'www-authenticate': 'Basic realm="builds"' }),
    render: ({ status, code, message }) => ({ status, body: { error: { code, message } } }),
    headers: (exchange) => ({ 'x-ms-request-id': exchange.requestId }),
  };
}
