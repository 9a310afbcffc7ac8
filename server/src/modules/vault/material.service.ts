// Material of a vault, sealed under its master key in exactly its row: moved to another name, version, vault or collection it
// does not open.

import { openValue, sealValue } from '#kernel/crypto/value-envelope';
import type { Database } from '#kernel/database/database';
import type { DataKeys } from '#kernel/sealing/data-keys';
import type { VersionAt } from './objects.store.ts';
import * as store from './objects.store.ts';
import { collectionFailures } from './vault.errors.ts';

/** Purpose of a vault's master key among the data keys of its uniqueId. */
export const masterKeyPurpose = 'vault-master';

export type Material = {
  /** Asks for the master key of a vault. What it answers waits for nothing, so that it can seal within a transaction. */
  sealer(vault: string): Promise<(at: VersionAt, material: Uint8Array) => Uint8Array>;
  /** Throws not found when the row is gone. */
  open(at: VersionAt): Promise<Uint8Array>;
};

const placeOf = (at: VersionAt) => ({
  table: 'vault_versions',
  row: `${at.vault}/${at.collection}/${at.name.toLowerCase()}/${at.version}`,
  column: 'sealed',
  version: at.number,
});

export function createMaterial(deps: {
  readonly database: Database;
  readonly dataKeys: Pick<DataKeys, 'open'>;
}): Material {
  const { database, dataKeys } = deps;
  return {
    async sealer(vault) {
      const key = await dataKeys.open(vault, masterKeyPurpose);
      return (at, material) => sealValue(key, placeOf(at), material);
    },
    async open(at) {
      const sealed = await store.findSealed(database.read, at);
      if (sealed === undefined) throw collectionFailures[at.collection].notFound(at.name);
      const key = await dataKeys.open(at.vault, masterKeyPurpose);
      return openValue((id) => (id === key.id ? key : undefined), placeOf(at), sealed);
    },
  };
}
