// The endpoint as a resource kind: a name, two keys, and how the requests are shared among its deployments.

import {
  type EndpointKeys,
  listKeysAnswer,
  type OnlineEndpoint,
  onlineEndpoint,
  type RegenerateKeysRequest,
  regenerateKeysRequest,
} from '@strongroom/contract/endpoints';
import type { Grants } from '#kernel/authority/grant';
import { activity, json } from '#kernel/http/route';
import type { Properties, Resource, ResourceKind, Resources } from '#resources';
import { type Workspaces, workspaceOf } from '#workspaces';
import type { Admission } from './admission.service.ts';
import { type Directory, trafficOf } from './directory.service.ts';
import { endpointsDuties } from './duties.ts';
import { endpointsFailures } from './endpoints.errors.ts';
import { checkEndpoint } from './endpoints.rules.ts';
import type { EndpointKeyStore, KeyOwner } from './keys.service.ts';
import { labelsOf, madeBy } from './labels.rules.ts';
import { endpointType } from './names.rules.ts';
import { stateOf } from './plan.rules.ts';
import { unservedOfEndpoints } from './unserved.ts';

export const ownerOf = (endpoint: Pick<Resource, 'id' | 'uniqueId'>): KeyOwner => ({
  workspaceId: workspaceOf(endpoint.id) ?? '',
  uniqueId: endpoint.uniqueId,
});

export function createEndpointKind(deps: {
  readonly resources: Resources;
  readonly workspaces: Workspaces;
  readonly grants: Grants;
  readonly keys: EndpointKeyStore;
  readonly admission: Admission;
  readonly directory: Directory;
  readonly origin: string;
}): ResourceKind {
  const { resources, workspaces, grants, keys, admission, directory, origin } = deps;

  /** Traffic goes only where somebody is: to deployments of this endpoint that were ready once. */
  async function checkTargets(id: string, traffic: OnlineEndpoint['traffic']): Promise<void> {
    for (const [name, share] of Object.entries(traffic ?? {})) {
      if (share === 0) continue;
      const deployment = await resources.find(grants.duty(endpointsDuties.direct, id), `${id}/deployments/${name}`);
      const isThere = deployment !== undefined && deployment.provisioningState !== 'Deleting';
      if (!isThere || stateOf(deployment.properties).image === undefined)
        throw endpointsFailures.DeploymentNotFound(name);
    }
  }

  return {
    type: endpointType,
    title: 'online endpoint',
    namePattern: /^[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]$/,
    nameRule: 'it has 3 to 32 letters, digits and hyphens, begins with a letter and does not end with a hyphen',
    properties: onlineEndpoint,
    // Whoever brings keys of his own sends them along.
    holdsSecrets: true,
    secretProperties: ['keys'],
    unserved: unservedOfEndpoints,
    discriminators: [{ path: 'authMode', serves: ['Key'], refuse: endpointsFailures.authModeNotServed }],
    location: 'optional',
    // The manager makes it and takes it away. Nothing here acts as it: images are pulled as the workspace, and what scores holds no credential.
    identity: true,
    longRunning: true,

    normalise({ properties }, existing): Properties {
      return {
        ...properties,
        properties: labelsOf(properties),
        authMode: 'Key',
        ...(typeof properties['authMode'] === 'string' && properties['authMode'].toLowerCase() !== 'key'
          ? { authMode: properties['authMode'] }
          : {}),
        traffic: properties['traffic'] ?? existing?.properties['traffic'] ?? {},
      };
    },

    async validate(_grant, draft, existing, id) {
      const endpoint = draft.properties as unknown as OnlineEndpoint; // checked by the kind's schema
      checkEndpoint(endpoint);
      if (endpoint.keys) {
        if (existing)
          throw endpointsFailures.PropertyChangeNotAllowed(
            'keys',
            'Keys are given only when the endpoint is created. Use regenerateKeys.',
          );
        keys.check(endpoint.keys);
      }
      await checkTargets(id, endpoint.traffic);
    },

    async create(grant, resource) {
      const workspace = await workspaces.get(grant, workspaceOf(resource.id) ?? '');
      const given = (resource.properties['keys'] ?? {}) as EndpointKeys; // checked by the kind's schema
      await keys.ensure(grant, ownerOf(resource), given);
      directory.put({
        id: resource.id,
        name: resource.name,
        uniqueId: resource.uniqueId,
        workspaceId: workspace.id,
        workspaceUniqueId: workspace.uniqueId,
        hbi: workspace.hbi,
        traffic: trafficOf(resource.properties),
        // Read when somebody first asks: by now the workspace's key may have been closed, and that is told to whom the directory knows.
        keys: undefined,
      });
      // From here on they are only where they are sealed.
      return { ...resource.properties, keys: undefined };
    },

    async update(_grant, resource) {
      const served = directory.byId(resource.id);
      const traffic = trafficOf(resource.properties);
      // In one turn with the change: a deployment whose removal began meanwhile has seen that it has no traffic.
      for (const [name, share] of traffic)
        if (share > 0 && served?.leaving.has(name)) throw endpointsFailures.DeploymentNotFound(name);
      if (served !== undefined) served.traffic = traffic;
      return undefined;
    },

    async remove(grant, resource) {
      directory.remove(resource.id);
      await keys.remove(grant, ownerOf(resource));
    },

    view(resource, addressed) {
      const { keys: _never, ...shown } = resource.properties;
      const workspaceUniqueId = directory.byId(resource.id)?.workspaceUniqueId;
      const base = `${origin}/endpoints/${workspaceUniqueId}/${resource.name}`;
      return {
        description: null,
        ...shown,
        properties: { ...labelsOf(shown), ...madeBy(resource, addressed) },
        keys: null,
        ...(workspaceUniqueId === undefined ? {} : { scoringUri: `${base}/score`, swaggerUri: `${base}/swagger.json` }),
      };
    },

    actions: [
      {
        name: 'listKeys',
        summary: 'Shows both keys of the endpoint.',
        goesOnWhenLow: 'it stores nothing',
        audit: activity(),
        responses: { 200: listKeysAnswer },
        handle: async (grant, endpoint) => json(200, await keys.read(grant, ownerOf(endpoint))),
      },
      {
        name: 'regenerateKeys',
        summary: 'Replaces one key, by a new one or by the one sent. The old one is refused from then on.',
        goesOnWhenLow: 'it replaces what is there',
        audit: activity('keyType'),
        body: { kind: 'json', schema: regenerateKeysRequest, maxBytes: 4096, holdsSecrets: true },
        async handle(grant, endpoint, { body }) {
          const { keyType, keyValue } = body as RegenerateKeysRequest; // checked by the schema
          const name = keyType === 'Primary' ? 'primary' : 'secondary';
          await admission.replace(grant, { id: endpoint.id, ...ownerOf(endpoint) }, name, keyValue ?? undefined);
          return json(200, {});
        },
      },
      {
        name: 'token',
        summary: 'Refused: endpoints authenticate with keys here.',
        goesOnWhenLow: 'it stores nothing',
        audit: activity(),
        async handle(): Promise<never> {
          throw endpointsFailures.noToken();
        },
      },
    ],
    audit: { write: activity('properties.authMode', 'identity.type', 'location') },
  };
}

/**
 * A deployment is to be removed: refused while it has traffic, and from here on it gets none. The endpoint's traffic does not
 * name it any more. Answers what to call when the removal is over, however it ended.
 */
export async function takeFromTraffic(
  deps: { readonly resources: Resources; readonly grants: Grants; readonly directory: Directory },
  endpointId: string,
  name: string,
): Promise<() => void> {
  const { resources, grants, directory } = deps;
  const key = name.toLowerCase();
  const endpoint = await resources.get(grants.duty(endpointsDuties.direct, endpointId), endpointId);
  // Read in one turn with the mark: what is served is what was changed last.
  const served = directory.byId(endpointId);
  const share = (served?.traffic ?? trafficOf(endpoint.properties)).get(key) ?? 0;
  if (share > 0) throw endpointsFailures.DeploymentHasTraffic(name, share);
  served?.leaving.add(key);
  const done = () => void served?.leaving.delete(key);
  try {
    const changed = await resources.change(
      grants.duty(endpointsDuties.direct, endpointId),
      endpointId,
      (properties) => ({
        ...properties,
        traffic: Object.fromEntries(
          Object.entries((properties['traffic'] ?? {}) as Readonly<Record<string, number>>).filter(
            ([each]) => each.toLowerCase() !== key,
          ),
        ),
      }),
    );
    if (served !== undefined) served.traffic = trafficOf(changed.properties);
    return done;
  } catch (thrown) {
    done();
    throw thrown;
  }
}
