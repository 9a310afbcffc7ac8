// Sealed stores that are in use: each an encrypted index database and a byte store of sealed files, under two data keys of one
// owner, opened at the first call and closed when idle and others need the place. Every call asks for the owner's key first,
// so that a customer's key that is refused refuses here within its 30 seconds; what was open is closed at once, running
// transfers included. What the index holds is its user's: storage keeps accounts in such stores, and registries keep images.

import type { ByteStores } from '#kernel/bytes/byte-store';
import type { Anchors, Database, Databases, MigrationSet } from '#kernel/database/database';
import { createKeyed, type Held } from '#kernel/database/keyed';
import { type Metered, meteredDatabase } from '#kernel/database/metered';
import type { Faults } from '#kernel/files/faults';
import { type Quotas, quotaOf, type StoreKind } from '#kernel/files/quota';
import type { DataKeys } from '#kernel/sealing/data-keys';
import { createSealedFiles, type SealedFiles } from './sealed-files.service.ts';

export type SealedStore = Held & {
  /** Held to the store's quota. */
  readonly index: Metered;
  readonly sealed: SealedFiles;
};

export type SealedStores = {
  /** Runs `act` on the opened store. Throws `forbidden` with the vault's code when the key is refused. */
  use<R>(owner: { readonly uniqueId: string }, act: (opened: SealedStore) => Promise<R>): Promise<R>;
  /** Bytes that it holds, files that no index knows yet included. */
  used(owner: { readonly uniqueId: string }): Promise<number>;
  /** Closes it, and waits until nothing of it is open. */
  close(uniqueId: string): Promise<void>;
  /** Closes it and removes its index and its files. The keys are destroyed by the caller, before. */
  remove(uniqueId: string): Promise<void>;
  closeAll(): Promise<void>;
};

/** The data keys of an owner are made by whoever makes the owner: `ensure` of both purposes. */
export function createSealedStores(options: {
  readonly databases: Databases;
  readonly byteStores: ByteStores;
  /** Purposes of an owner's two data keys; that of its files is also the kind of the owner of the index and of the files. */
  readonly purposes: { readonly files: string; readonly index: string };
  readonly migrations: readonly MigrationSet[];
  /** At the first opening since the start, while nothing else uses the store: ends what a crash left half done. */
  repair(index: Database, sealed: SealedFiles): Promise<void>;
  /** What it is for messages: `storage account`. */
  readonly title: string;
  /** What has the quota. The index has a table `usage`. */
  readonly kind: StoreKind;
  readonly quotas?: Quotas;
  readonly dataKeys: DataKeys;
  /** What notices an older copy of an index. */
  readonly anchors?: Anchors;
  /** An index found no room: see `Opening`. */
  readonly onFull?: () => void;
  readonly openMax?: number;
  readonly faults?: Faults;
}): SealedStores {
  const { databases, byteStores, purposes, migrations, repair, title, dataKeys } = options;
  const { anchors, onFull, faults } = options;
  const ownerOf = (uniqueId: string) => `${purposes.files}/${uniqueId}`;
  const swept = new Set<string>();

  async function open(uniqueId: string, key: Uint8Array) {
    const store = await byteStores.open(ownerOf(uniqueId));
    const database = await databases.open(ownerOf(uniqueId), migrations, { key, anchors, onFull, faults });
    try {
      const quota = quotaOf(options.quotas, options.kind, uniqueId);
      const index = await meteredDatabase(database, quota, { hasFiles: true });
      const sealed = createSealedFiles({
        admit(looseBytes) {
          if (index.used() + looseBytes > quota.limit()) throw quota.refuse();
        },
        store,
        uniqueId,
        key: () => dataKeys.open(uniqueId, purposes.files),
      });
      if (!swept.has(uniqueId)) await repair(index, sealed);
      swept.add(uniqueId);
      return { index, sealed };
    } catch (thrown) {
      await database.close();
      throw thrown;
    }
  }

  const keyed = createKeyed({
    title,
    openMax: options.openMax,
    key: async (uniqueId) => (await dataKeys.open(uniqueId, purposes.index)).bytes,
    open,
    async close({ index, sealed }) {
      await sealed.settled();
      await index.close();
    },
    // What nobody knew of is known when it is opened anew, and files that no row refers to go then.
    onLost: (uniqueId) => void swept.delete(uniqueId),
  });
  dataKeys.onClosed((uniqueId) => void keyed.close(uniqueId));

  return {
    use: ({ uniqueId }, act) => keyed.use(uniqueId, (opened, held) => act({ ...opened, ...held })),
    used: ({ uniqueId }) => keyed.use(uniqueId, async ({ index, sealed }) => index.used() + sealed.loose()),
    close: keyed.close,
    async remove(uniqueId) {
      await keyed.close(uniqueId);
      await databases.remove(ownerOf(uniqueId), anchors);
      await byteStores.remove(ownerOf(uniqueId));
    },
    closeAll: keyed.closeAll,
  };
}
