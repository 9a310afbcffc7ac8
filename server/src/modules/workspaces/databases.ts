// One encrypted database for each workspace, open only while its key may be used. When the key is refused (a customer
// disabled it) or destroyed, the database is closed and the next call asks for the key again. Bounded: beyond `openMax` the
// least recently used are closed, never one that is at work; whoever holds a database notices nothing.

import { join } from 'node:path';
import type { DataKey } from '#kernel/crypto/value-envelope';
import { type Anchors, type Database, type MigrationSet, openDatabase } from '#kernel/database/database';
import { lentDatabase } from '#kernel/database/lent';
import { type Metered, meteredDatabase } from '#kernel/database/metered';
import { Failure } from '#kernel/errors/failure';
import type { Files } from '#kernel/files/files';
import { type Quotas, quotaOf } from '#kernel/files/quota';
import type { DataKeys } from '#kernel/sealing/data-keys';

export type WorkspaceDatabases = {
  /** @param uniqueId of the workspace. Throws the vault's Failure while a customer's key is refused, as each call does later. */
  open(uniqueId: string): Promise<Database>;
  registerTables(set: MigrationSet): void;
  /** Bytes of its pages in use. */
  used(uniqueId: string): Promise<number>;
  /** Closes and removes the files. The key is destroyed by the caller. */
  remove(uniqueId: string): Promise<void>;
  close(): Promise<void>;
};

type Opened = { readonly database: Promise<Metered>; calls: number };

export function createWorkspaceDatabases(deps: {
  readonly folder: string;
  readonly files: Files;
  readonly dataKeys: DataKeys;
  /** What notices an older copy of a file. */
  readonly anchors?: Anchors;
  /** A commit found no room: see `openDatabase`. */
  readonly onFull?: () => void;
  readonly quotas?: Quotas;
  readonly openMax?: number;
}): WorkspaceDatabases {
  const { folder, files, dataKeys, anchors, openMax = 64 } = deps;
  const storeOf = (uniqueId: string) => `workspace/${uniqueId}`;
  const tables: MigrationSet[] = [];
  /** In the order of use, the least recent first. */
  const opened = new Map<string, Opened>();
  const closing = new Map<string, Promise<void>>();
  /** What callers hold, one for each workspace, so that what they remember of a database is found again. */
  const lent = new Map<string, Database>();

  /** Waits for what is at work; the next call opens the file again. */
  function close(uniqueId: string): Promise<void> {
    const entry = opened.get(uniqueId);
    if (entry !== undefined) {
      opened.delete(uniqueId);
      const closed = Promise.all([entry.database.then((database) => database.close()), closing.get(uniqueId)])
        .then(
          () => {},
          () => {},
        )
        .finally(() => {
          if (closing.get(uniqueId) === closed) closing.delete(uniqueId);
        });
      closing.set(uniqueId, closed);
    }
    return closing.get(uniqueId) ?? Promise.resolve();
  }
  dataKeys.onClosed((owner) => {
    lent.delete(owner);
    void close(owner);
  });

  const pathOf = (uniqueId: string) => {
    // The id becomes a file name, so it must be what we made and nothing else.
    if (!/^[0-9a-f-]{36}$/.test(uniqueId))
      throw new Failure({
        kind: 'internal',
        code: 'InternalError',
        message: 'A workspace has an id that is not a GUID.',
      });
    return join(folder, `${uniqueId}.db`);
  };

  async function openFile(uniqueId: string, key: DataKey): Promise<Metered> {
    // order matters: the writer that was there before is gone before another one comes.
    await closing.get(uniqueId);
    await files.ensureFolder(folder);
    const database = await openDatabase({
      path: pathOf(uniqueId),
      key: key.bytes,
      migrations: tables,
      anchored: anchors && { store: storeOf(uniqueId), anchors },
      onFull: deps.onFull,
    });
    return await meteredDatabase(database, quotaOf(deps.quotas, 'workspace', uniqueId), { hasFiles: false });
  }

  function entryOf(uniqueId: string, key: DataKey): Opened {
    const present = opened.get(uniqueId);
    if (present !== undefined) {
      opened.delete(uniqueId);
      opened.set(uniqueId, present);
      return present;
    }
    const made: Opened = { database: openFile(uniqueId, key), calls: 0 };
    opened.set(uniqueId, made);
    made.database.catch(() => {
      if (opened.get(uniqueId) === made) opened.delete(uniqueId);
    });
    return made;
  }

  function closeIdle(): void {
    for (const [uniqueId, { calls }] of opened) {
      if (opened.size <= openMax) return;
      if (calls === 0) void close(uniqueId);
    }
  }

  async function lend<R>(uniqueId: string, act: (database: Metered) => Promise<R>): Promise<R> {
    // Asked on every call: cheap while the key is cached, and the moment that it is refused nothing is served.
    const key = await dataKeys.open(uniqueId, 'workspace');
    const entry = entryOf(uniqueId, key);
    entry.calls += 1;
    try {
      return await act(await entry.database);
    } finally {
      entry.calls -= 1;
      closeIdle();
    }
  }

  return {
    async open(uniqueId) {
      await lend(uniqueId, async () => {});
      const present = lent.get(uniqueId);
      if (present !== undefined) return present;
      const made = lentDatabase({
        path: pathOf(uniqueId),
        lend: (act) => lend(uniqueId, act),
        close: () => close(uniqueId),
      });
      lent.set(uniqueId, made);
      return made;
    },
    registerTables: (set) => void tables.push(set),
    used: (uniqueId) => lend(uniqueId, (database) => database.measure()),
    async remove(uniqueId) {
      lent.delete(uniqueId);
      await close(uniqueId);
      // order matters: what is missing and still anchored would look like a file that somebody took away.
      await anchors?.forget(storeOf(uniqueId));
      for (const suffix of ['', '-wal', '-shm']) await files.removeDurably(`${pathOf(uniqueId)}${suffix}`);
    },
    async close() {
      await Promise.all([...opened.keys(), ...closing.keys()].map(close));
    },
  };
}
