// Whether a vault's name is free. It tells only that a name is taken, which names of hosts tell anybody.

import { CheckVaultName, VaultNameAvailability } from '@strongroom/contract/vault';
import { vaultActions } from '@strongroom/contract/vault.actions';
import { json, needs, type Route, route, unrecorded, whole } from '#kernel/http/route';
import type { Directory } from './directory.service.ts';
import { vaultName, vaultNameRule } from './vaults.kind.ts';

export function availabilityRoutes(directory: Directory): readonly Route[] {
  return [
    route({
      operation: 'Vaults_CheckNameAvailability',
      surface: 'arm',
      method: 'POST',
      path: '/subscriptions/{subscriptionId}/providers/Microsoft.KeyVault/checkNameAvailability',
      summary: 'Says whether a name is free for a new vault.',
      access: needs(vaultActions.checkNameAvailability, (p) => `/subscriptions/${p['subscriptionId']}`, whole),
      goesOnWhenLow: 'it stores nothing',
      audit: unrecorded('reads nothing but whether a name is in use'),
      body: { kind: 'json', schema: CheckVaultName, maxBytes: 4096 },
      responses: { 200: VaultNameAvailability },
      handle: async (_grant, { body: { name } }) => {
        if (!vaultName.test(name))
          return json(200, { nameAvailable: false, reason: 'AccountNameInvalid', message: vaultNameRule });
        const isBinned = directory.deleted(name) !== undefined;
        if (directory.byName(name) === undefined && !isBinned) return json(200, { nameAvailable: true });
        const message = isBinned
          ? `The vault name '${name}' is kept by a deleted vault. Recover it, purge it, or choose another name.`
          : `The vault name '${name}' is already in use.`;
        return json(200, { nameAvailable: false, reason: 'AlreadyExists', message });
      },
    }),
  ];
}
