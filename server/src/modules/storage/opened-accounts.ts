// Accounts that are in use: each with its index database and its sealed files, opened at the first call and closed when
// idle and others need the place. Every call asks for the account's key first, so that a customer's key that is refused
// refuses here within its 30 seconds; what was open is closed at once, running transfers included.

import { join } from 'node:path';
import type { Clock } from '#kernel/clock/clock';
import { type Database, openDatabase } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import type { Faults } from '#kernel/files/faults';
import type { Files } from '#kernel/files/files';
import type { DataKeys } from '#kernel/sealing/data-keys';
import type { Account } from './accounts.ts';
import { blobIndexMigrations } from './migrations/blob-index.ts';
import { createSealedFiles, type SealedFiles } from './sealed-files.ts';
import { repair } from './upkeep.ts';

/** Purposes of the two data keys of an account: its files, and its index. */
export const keyPurposes = { files: 'storage', index: 'storage-index' } as const;

export type OpenedAccount = {
  readonly account: Account;
  readonly index: Database;
  readonly sealed: SealedFiles;
  /** Aborted when the account's key may no longer be used. */
  readonly signal: AbortSignal;
  /** Keeps the account open beyond `use`, until the answer is called: for streams. */
  hold(): () => void;
};

export type OpenedAccounts = {
  /** Runs `act` on the opened account. Throws `forbidden` with the vault's code when the key is refused. */
  use<R>(account: Account, act: (opened: OpenedAccount) => Promise<R>): Promise<R>;
  /** Closes it, and waits until nothing of it is open. */
  close(uniqueId: string): Promise<void>;
  closeAll(): Promise<void>;
};

type Entry = {
  readonly opening: Promise<OpenedAccount>;
  readonly aborter: AbortController;
  users: number;
};

const openMax = 64;

export function createOpenedAccounts(options: {
  readonly dataDir: string;
  readonly files: Files;
  readonly dataKeys: DataKeys;
  readonly clock: Clock;
  readonly openMax?: number;
  readonly faults?: Faults;
}): OpenedAccounts {
  const { dataDir, files, dataKeys, clock } = options;
  const most = options.openMax ?? openMax;
  const entries = new Map<string, Entry>();
  const closings = new Map<string, Promise<void>>();
  const swept = new Set<string>();

  dataKeys.onClosed((owner) => void close(owner));

  async function open(account: Account, aborter: AbortController, hold: () => () => void): Promise<OpenedAccount> {
    const { uniqueId } = account;
    // One database at a time on one file: what is closing finishes first.
    await closings.get(uniqueId);
    if (!/^[A-Za-z0-9-]{1,64}$/.test(uniqueId)) throw new Error('a unique id is no folder name');
    const folder = join(dataDir, 'storage', uniqueId);
    await files.ensureFolder(join(folder, 'blobs'));
    const key = await dataKeys.open(uniqueId, keyPurposes.index);
    const index = await openDatabase({
      path: join(folder, 'index.db'),
      key: key.bytes,
      migrations: [blobIndexMigrations],
      ...(options.faults === undefined ? {} : { faults: options.faults }),
    });
    const sealed = createSealedFiles({
      files,
      folder: join(folder, 'blobs'),
      uniqueId,
      key: () => dataKeys.open(uniqueId, keyPurposes.files),
    });
    try {
      if (!swept.has(uniqueId)) await repair(index, sealed, clock.epochMs());
      swept.add(uniqueId);
      aborter.signal.throwIfAborted();
    } catch (thrown) {
      await index.close();
      throw thrown;
    }
    return { account, index, sealed, signal: aborter.signal, hold };
  }

  function entryOf(account: Account): Entry {
    const present = entries.get(account.uniqueId);
    if (present !== undefined) {
      // Least recently used goes first: a Map iterates in the order of insertion.
      entries.delete(account.uniqueId);
      entries.set(account.uniqueId, present);
      return present;
    }
    const aborter = new AbortController();
    const hold = () => {
      entry.users += 1;
      let isHeld = true;
      return () => {
        if (isHeld) entry.users -= 1;
        isHeld = false;
      };
    };
    const entry: Entry = { aborter, users: 0, opening: open(account, aborter, hold) };
    entry.opening.catch(() => {
      if (entries.get(account.uniqueId) === entry) entries.delete(account.uniqueId);
    });
    entries.set(account.uniqueId, entry);
    return entry;
  }

  function closeIdle(): void {
    for (const [uniqueId, entry] of entries) {
      if (entries.size <= most) return;
      if (entry.users === 0) void close(uniqueId);
    }
  }

  function close(uniqueId: string): Promise<void> {
    const entry = entries.get(uniqueId);
    if (entry === undefined) return closings.get(uniqueId) ?? Promise.resolve();
    entries.delete(uniqueId);
    entry.aborter.abort(closedNow());
    const closing = Promise.allSettled([closings.get(uniqueId), finish(entry)]).then(() => {
      if (closings.get(uniqueId) === closing) closings.delete(uniqueId);
    });
    closings.set(uniqueId, closing);
    return closing;
  }

  async function finish(entry: Entry): Promise<void> {
    const opened = await entry.opening.catch(() => undefined);
    await opened?.sealed.settled();
    await opened?.index.close();
  }

  return {
    async use(account, act) {
      await dataKeys.open(account.uniqueId, keyPurposes.index);
      const entry = entryOf(account);
      entry.users += 1;
      closeIdle();
      try {
        return await act(await entry.opening);
      } catch (thrown) {
        // Closed under our feet: if the key is refused the vault's own words say why, otherwise it was rewrapped.
        if (!entry.aborter.signal.aborted) throw thrown;
        await dataKeys.open(account.uniqueId, keyPurposes.index);
        throw closedNow(thrown);
      } finally {
        entry.users -= 1;
        closeIdle();
      }
    },
    close,
    async closeAll() {
      await Promise.all([...new Set([...entries.keys(), ...closings.keys()])].map(close));
    },
  };
}

function closedNow(cause?: unknown): Failure {
  return new Failure({
    kind: 'unavailable',
    code: 'ServerBusy',
    message: 'The storage account was closed while this request ran, because its key changed. Try again.',
    retryAfterSeconds: 1,
    cause,
  });
}
