// One encrypted database for each workspace, open only while its key may be used. When the key is refused (a customer
// disabled it) or destroyed, the database is closed and the next call asks for the key again. Whoever holds a database notices
// nothing of that: it is opened by the call.

import type { Anchors, Database, Databases, MigrationSet } from '#kernel/database/database';
import { createKeyed } from '#kernel/database/keyed';
import { lentDatabase } from '#kernel/database/lent';
import { type Metered, meteredDatabase } from '#kernel/database/metered';
import { type Quotas, quotaOf } from '#kernel/files/quota';
import type { DataKeys } from '#kernel/sealing/data-keys';
import { workspacesFailures } from './workspaces.errors.ts';

export type WorkspaceDatabases = {
  /** @param uniqueId of the workspace. Throws the vault's Failure while a customer's key is refused, as each call does later. */
  open(uniqueId: string): Promise<Database>;
  /** What every workspace database holds, of all modules. Once, before one is opened. */
  setTables(sets: readonly MigrationSet[]): void;
  /** Bytes that it takes. */
  used(uniqueId: string): Promise<number>;
  /** Closes it and removes what it holds. The key is destroyed by the caller. */
  remove(uniqueId: string): Promise<void>;
  close(): Promise<void>;
};

export function createWorkspaceDatabases(deps: {
  readonly databases: Databases;
  readonly dataKeys: DataKeys;
  /** What notices an older copy of a database. */
  readonly anchors?: Anchors;
  /** A commit found no room: see `Opening`. */
  readonly onFull?: () => void;
  readonly quotas?: Quotas;
  readonly openMax?: number;
}): WorkspaceDatabases {
  const { databases, dataKeys, anchors, onFull } = deps;
  let tables: readonly MigrationSet[] | undefined;
  /** What callers hold, one for each workspace, so that what they remember of a database is found again. */
  const lent = new Map<string, Database>();
  const keyed = createKeyed<Metered>({
    title: 'workspace',
    openMax: deps.openMax,
    key: async (uniqueId) => (await dataKeys.open(uniqueId, 'workspace')).bytes,
    async open(uniqueId, key) {
      // One without its tables would be written to by a module that believes in them.
      if (tables === undefined) throw new Error('a workspace was opened before anybody said what is kept in it');
      const database = await databases.open(ownerOf(uniqueId), tables, { key, anchors, onFull });
      return await meteredDatabase(database, quotaOf(deps.quotas, 'workspace', uniqueId), { hasFiles: false });
    },
    close: (database) => database.close(),
    // What callers remember of it was read before a write of which nobody knows whether it is kept.
    onLost: (uniqueId) => void lent.delete(uniqueId),
  });
  dataKeys.onClosed((uniqueId) => {
    lent.delete(uniqueId);
    void keyed.close(uniqueId);
  });

  return {
    async open(uniqueId) {
      const owner = ownerOf(uniqueId);
      await keyed.use(uniqueId, async () => {});
      const present = lent.get(uniqueId);
      if (present !== undefined) return present;
      const made = lentDatabase({
        dialect: databases.dialect,
        owner,
        lend: (act) => keyed.use(uniqueId, act),
        close: () => keyed.close(uniqueId),
      });
      lent.set(uniqueId, made);
      return made;
    },
    setTables(sets) {
      if (tables !== undefined) throw new Error('the tables of workspaces were set already');
      tables = sets;
    },
    used: (uniqueId) => keyed.use(uniqueId, (database) => database.measure()),
    async remove(uniqueId) {
      lent.delete(uniqueId);
      await keyed.close(uniqueId);
      await databases.remove(ownerOf(uniqueId), anchors);
    },
    close: () => keyed.closeAll(),
  };
}

function ownerOf(uniqueId: string): string {
  if (!/^[0-9a-f-]{36}$/.test(uniqueId)) throw workspacesFailures.badUniqueId();
  return `workspace/${uniqueId}`;
}
