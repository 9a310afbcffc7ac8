// For the sweep: a concrete request for every route, once for things that exist and once for things that do not; and the
// audit records of what was asked, by the correlation id that each request carries.

import { randomUUID } from 'node:crypto';
import type { AuditEntry } from '@strongroom/contract/audit';
import type { Route } from '#kernel/http/route';
import { parametersOf, wirePathsOf } from '../../scripts/openapi/wire.ts';
import { apiVersion, type Reply, type Sent } from './client.fixture.ts';
import { type Bench, idsIn } from './server.fixture.ts';

/** Values of path parameters by name. */
export type Values = Readonly<Record<string, string>>;
export type Addressed = { readonly path: string; readonly host: string };

const guid = '6f1c7a90-2f0e-4f0e-9a55-0d3c2b1a7e10';

/** Makes one of each thing that routes are about, and says what its names are. */
export async function furnish(bench: Bench): Promise<{ readonly present: Values; readonly absent: Values }> {
  const token = await bench.ownerToken();
  const group = await bench.group('Rooms');
  const ids = idsIn(group);
  const { location } = bench;
  const made = async (path: string, body: unknown) => {
    const reply = await bench.armDone(token, 'PUT', path, body);
    if (reply.status >= 300 || reply.body?.status === 'Failed') throw new Error(`${path}: ${reply.text}`);
  };
  await made(ids.vault('rooms-vault'), { location, properties: {} });
  await made(ids.account('roomsaccount'), { location, sku: { name: 'Standard_LRS' }, kind: 'StorageV2' });
  await made(`${ids.account('roomsaccount')}/blobServices/default/containers/rooms`, {});
  await made(`${group}/providers/Microsoft.ContainerRegistry/registries/roomsregistry`, {
    location,
    sku: { name: 'Premium' },
    properties: {},
  });
  await made(ids.workspace('Rooms'), { location, properties: {} });
  await made(`${ids.workspace('Rooms')}/computes/rooms`, {
    location,
    properties: {
      computeType: 'AmlCompute',
      properties: { vmSize: 'STANDARD_DS3_V2', scaleSettings: { minNodeCount: 0, maxNodeCount: 1 } },
    },
  });
  const shared = {
    subscriptionId: bench.subscriptionId,
    tenant: bench.tenantId,
    location,
    operationId: guid,
    id: guid,
  };
  const fixed = {
    uid: 'aaaaaaaaaaaaaaaaaaaaa',
    agent: 'nobody',
    version: guid.replaceAll('-', ''),
    digest: `sha256:${'0'.repeat(64)}`,
  };
  return {
    present: {
      ...shared,
      ...fixed,
      resourceGroupName: 'Rooms',
      resourceGroup: 'Rooms',
      workspaceName: 'Rooms',
      workspace: 'Rooms',
      vaultName: 'rooms-vault',
      vault: 'rooms-vault',
      storageAccountName: 'roomsaccount',
      account: 'roomsaccount',
      container: 'rooms',
      containerName: 'rooms',
      registryName: 'roomsregistry',
      registry: 'roomsregistry',
      computeName: 'rooms',
      datastoreName: 'workspaceblobstore',
      namespace: 'Microsoft.KeyVault',
      scope: group.slice(1),
    },
    absent: {
      ...shared,
      ...fixed,
      resourceGroupName: 'Nowhere',
      resourceGroup: 'Nowhere',
      namespace: 'Microsoft.Absent',
      scope: `subscriptions/${bench.subscriptionId}/resourceGroups/Nowhere`,
      account: 'absentaccount',
      storageAccountName: 'absentaccount',
      registry: 'absentregistry',
    },
  };
}

/** Of somebody who may do whatever a role lets anybody do. */
export const rolesOfTheMighty: readonly string[] = [
  'Owner',
  'Key Vault Administrator',
  'Storage Blob Data Owner',
  'AcrPush',
  'Strongroom Audit Archivist',
];

/** What is decided at the root is for nobody on a new server: its first Owner owns the subscription. */
export const isAtRoot = ({ access, path }: Route): boolean =>
  access.kind === 'needs' && path.startsWith('/providers/') && access.scopeOf({}) === '/';

/** Agents and endpoints know no principals: to them a token of a person or an application is no credential at all. */
export const refusesEveryToken: ReadonlySet<string> = new Set(['agent', 'scoring']);

/** A value for every parameter: what `values` says, else one that names nothing. */
function valueFor(route: Route, name: string, values: Values): string {
  // Names of role assignments and definitions are GUIDs.
  if (name === 'name' && route.path.includes('Microsoft.Authorization')) return guid;
  return values[name] ?? `absent-${name.toLowerCase()}`;
}

/** Every address of the route: two where its last segment is optional. */
export function addressesOf(route: Route, values: Values, host: string): readonly Addressed[] {
  return wirePathsOf(route).map((wire) => {
    let { path } = wire;
    for (const { name, isPath } of parametersOf(path)) {
      const value = valueFor(route, name, values);
      const encoded = isPath ? value.split('/').map(encodeURIComponent).join('/') : encodeURIComponent(value);
      path = path.replace(isPath ? `{${name}+}` : `{${name}}`, encoded);
    }
    const query = new URLSearchParams(wire.query);
    if (route.surface === 'arm') query.set('api-version', apiVersion);
    if (route.surface === 'keyvault') query.set('api-version', '7.4');
    const isBlob = route.surface === 'blob';
    if (isBlob) path = path.replace(/^\/[^/]+/, '') || '/';
    return {
      path: query.size === 0 ? path : `${path}?${query}`,
      host: isBlob ? `${valueFor(route, 'account', values)}.blob.storage.${host}` : host,
    };
  });
}

/** Headers that the protocol wants before it looks at anything else. */
export const headersOf = (route: Route): Readonly<Record<string, string>> =>
  route.body?.kind === 'form'
    ? { 'content-type': 'application/x-www-form-urlencoded' }
    : route.method === 'POST' || route.method === 'PATCH' || route.body?.kind === 'json'
      ? { 'content-type': 'application/json' }
      : {};

export type Asked = { readonly route: Route; readonly correlation: string; readonly reply: Reply };

export function createAsker(bench: Bench) {
  return async (route: Route, at: Addressed, sent: Omit<Sent, 'host' | 'method'> = {}): Promise<Asked> => {
    const correlation = randomUUID();
    const reply = await bench.send(at.path, {
      ...sent,
      host: at.host,
      method: route.method,
      headers: { ...headersOf(route), ...sent.headers, 'x-ms-correlation-request-id': correlation },
    });
    return { route, correlation, reply };
  };
}

/** All records of the log by correlation id. */
export async function recordsOf(bench: Bench): Promise<ReadonlyMap<string, readonly AuditEntry['record'][]>> {
  const found = new Map<string, AuditEntry['record'][]>();
  for (let skip: string | undefined, more = true; more; ) {
    const page = await bench.server.composed.audit.list('/', {
      $top: '1000',
      ...(skip === undefined ? {} : { $skipToken: skip }),
    });
    for (const { record } of page.value)
      found.set(record.correlationId, [...(found.get(record.correlationId) ?? []), record]);
    skip = page.skipToken;
    more = skip !== undefined;
  }
  return found;
}
