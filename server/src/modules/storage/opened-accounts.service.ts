// The sealed stores of storage accounts: one an account, with the index of its containers and blobs.

import type { ByteStores } from '#kernel/bytes/byte-store';
import type { Clock } from '#kernel/clock/clock';
import type { Anchors, Databases } from '#kernel/database/database';
import type { Faults } from '#kernel/files/faults';
import type { Quotas } from '#kernel/files/quota';
import type { DataKeys } from '#kernel/sealing/data-keys';
import { blobIndexMigrations } from './migrations/blob-index.ts';
import { createSealedStores, type SealedStore, type SealedStores } from './sealed-stores.service.ts';
import { repair } from './upkeep.service.ts';

/** Purposes of the two data keys of an account: its files, and its index. */
export const keyPurposes = { files: 'storage', index: 'storage-index' } as const;

export type OpenedAccount = SealedStore;
export type OpenedAccounts = SealedStores;

export function createOpenedAccounts(options: {
  readonly databases: Databases;
  readonly byteStores: ByteStores;
  readonly dataKeys: DataKeys;
  readonly clock: Clock;
  readonly anchors?: Anchors;
  readonly onFull?: () => void;
  readonly quotas?: Quotas;
  readonly openMax?: number;
  readonly faults?: Faults;
}): OpenedAccounts {
  const { clock, ...rest } = options;
  return createSealedStores({
    ...rest,
    purposes: keyPurposes,
    migrations: [blobIndexMigrations],
    repair: (index, sealed) => repair(index, sealed, clock.epochMs()),
    title: 'storage account',
    kind: 'account',
  });
}
