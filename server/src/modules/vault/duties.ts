// What the vault destroys without being asked: what was deleted softly, when the retention is over that its vault was made with.

import { vaultActions } from '@strongroom/contract/vault.actions';
import type { RecordedDuty } from '#kernel/authority/duty';

export const vaultDuties = {
  destroyExpired: {
    name: 'vault.destroy-expired',
    why: 'A deleted secret or key can be recovered for as long as its vault keeps it, and is destroyed behind that.',
    actions: [vaultActions.purgeSecret, vaultActions.purgeKey],
    under: 'Microsoft.KeyVault/vaults',
    record: { level: 'activity' },
  },
  destroyDeletedVaults: {
    name: 'vault.destroy-deleted-vaults',
    why: 'A deleted vault stays in the bin for the retention that it was made with, and is destroyed behind that.',
    actions: [vaultActions.purgeDeletedVault],
    under: 'Microsoft.KeyVault/vaults',
    record: { level: 'activity' },
  },
} as const satisfies Record<string, RecordedDuty>;
