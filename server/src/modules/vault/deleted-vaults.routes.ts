// The bin of vaults in the management API, by Azure's paths: under the subscription, because a deleted vault stands in no group.

import { DeletedVaultList, DeletedVaultListQuery, DeletedVaultWire } from '@strongroom/contract/vault';
import { vaultActions } from '@strongroom/contract/vault.actions';
import {
  accessed,
  activity,
  empty,
  json,
  namedIn,
  needs,
  type Params,
  type Route,
  route,
  whole,
} from '#kernel/http/route';
import type { DeletedVaults } from './deleted-vaults.service.ts';
import type { DeletedVault } from './directory.service.ts';

const provider = '/subscriptions/{subscriptionId}/providers/Microsoft.KeyVault';
const item = `${provider}/locations/{location}/deletedVaults/{vaultName}`;
const scopeOf = (params: Params) => `/subscriptions/${params['subscriptionId']}`;
const pageSize = 100;

export function deletedVaultRoutes(deleted: DeletedVaults): readonly Route[] {
  return [
    route({
      operation: 'Vaults_ListDeleted',
      surface: 'arm',
      method: 'GET',
      path: `${provider}/deletedVaults`,
      summary: 'Lists the deleted vaults of a subscription that can still be recovered.',
      access: needs(vaultActions.listDeletedVaults, scopeOf, whole),
      audit: accessed('subscriptionId'),
      query: DeletedVaultListQuery,
      reads: namedIn(DeletedVaultListQuery),
      responses: { 200: DeletedVaultList },
      handle: async (grant, { params, query, exchange }) => {
        const found = deleted.list(grant, query.$skiptoken ?? '', pageSize + 1);
        const page = found.slice(0, pageSize);
        const value = page.map((vault) => view(params, vault));
        const last = page.at(-1);
        if (found.length <= pageSize || last === undefined) return json(200, { value });
        const next = new URLSearchParams(exchange.target.query.raw);
        next.set('$skiptoken', last.name);
        return json(200, { value, nextLink: `${exchange.target.origin}${exchange.target.rawPath}?${next}` });
      },
    }),
    route({
      operation: 'Vaults_GetDeleted',
      surface: 'arm',
      method: 'GET',
      path: item,
      summary: 'Reads a deleted vault.',
      access: needs(vaultActions.readDeletedVault, scopeOf, whole),
      audit: accessed('vaultName'),
      responses: { 200: DeletedVaultWire },
      handle: async (grant, { params }) =>
        json(200, view(params, deleted.get(grant, params['location'] ?? '', params['vaultName'] ?? ''))),
    }),
    route({
      operation: 'Vaults_PurgeDeleted',
      surface: 'arm',
      method: 'POST',
      path: `${item}/purge`,
      summary: 'Destroys a deleted vault with all that it holds.',
      access: needs(vaultActions.purgeDeletedVault, scopeOf, whole),
      goesOnWhenLow: 'it takes away',
      audit: activity('vaultName', 'location'),
      handle: async (grant, { params }) => {
        await deleted.purge(grant, params['location'] ?? '', params['vaultName'] ?? '');
        return empty(200);
      },
    }),
  ];
}

function view(params: Params, vault: DeletedVault): DeletedVaultWire {
  return {
    id: `/subscriptions/${params['subscriptionId']}/providers/Microsoft.KeyVault/locations/${vault.location}/deletedVaults/${vault.name}`,
    name: vault.name,
    type: 'Microsoft.KeyVault/deletedVaults',
    properties: {
      vaultId: vault.id,
      location: vault.location,
      tags: { ...vault.tags },
      deletionDate: new Date(vault.deletedAtMs).toISOString(),
      scheduledPurgeDate: new Date(vault.purgeAtMs).toISOString(),
      ...(vault.purgeProtection ? { purgeProtectionEnabled: true } : {}),
    },
  };
}
