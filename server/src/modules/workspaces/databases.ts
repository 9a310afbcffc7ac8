// One encrypted database for each workspace, open only while its key may be used. When the key is refused (a customer
// disabled it) or destroyed, the database is closed and the next call asks for the key again. Bounded: the least
// recently used are closed.

import { join } from 'node:path';
import { type Database, type MigrationSet, openDatabase } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import type { Files } from '#kernel/files/files';
import type { DataKeys } from '#kernel/sealing/data-keys';

const maxOpen = 64;

export type WorkspaceDatabases = {
  /** @param uniqueId of the workspace. Throws the vault's Failure while a customer's key is refused. */
  open(uniqueId: string): Promise<Database>;
  registerTables(set: MigrationSet): void;
  /** Closes and removes the files. The key is destroyed by the caller. */
  remove(uniqueId: string): Promise<void>;
  close(): Promise<void>;
};

export function createWorkspaceDatabases(deps: {
  readonly folder: string;
  readonly files: Files;
  readonly dataKeys: DataKeys;
}): WorkspaceDatabases {
  const tables: MigrationSet[] = [];
  const opened = new Map<string, Promise<Database>>();

  async function close(uniqueId: string): Promise<void> {
    const database = opened.get(uniqueId);
    opened.delete(uniqueId);
    await (await database?.catch(() => undefined))?.close();
  }
  deps.dataKeys.onClosed((owner) => void close(owner).catch(() => undefined));

  const pathOf = (uniqueId: string) => {
    // The id becomes a file name, so it must be what we made and nothing else.
    if (!/^[0-9a-f-]{36}$/.test(uniqueId))
      throw new Failure({
        kind: 'internal',
        code: 'InternalError',
        message: 'A workspace has an id that is not a GUID.',
      });
    return join(deps.folder, `${uniqueId}.db`);
  };

  return {
    async open(uniqueId) {
      // Asked on every call: cheap while the key is cached, and the moment that it is refused nothing is served.
      const key = await deps.dataKeys.open(uniqueId, 'workspace');
      const present = opened.get(uniqueId);
      if (present) {
        opened.delete(uniqueId);
        opened.set(uniqueId, present);
        return present;
      }
      const opening = (async () => {
        await deps.files.ensureFolder(deps.folder);
        return openDatabase({ path: pathOf(uniqueId), key: key.bytes, migrations: tables });
      })();
      opened.set(uniqueId, opening);
      opening.catch(() => opened.delete(uniqueId));
      const [oldest] = opened.keys();
      if (opened.size > maxOpen && oldest !== undefined && oldest !== uniqueId)
        void close(oldest).catch(() => undefined);
      return opening;
    },
    registerTables: (set) => void tables.push(set),
    async remove(uniqueId) {
      await close(uniqueId);
      for (const suffix of ['', '-wal', '-shm']) await deps.files.removeDurably(`${pathOf(uniqueId)}${suffix}`);
    },
    async close() {
      await Promise.all([...opened.keys()].map(close));
    },
  };
}
