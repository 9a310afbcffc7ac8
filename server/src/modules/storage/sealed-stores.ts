// Sealed stores that are in use: each a folder with an encrypted index database and sealed files under two data keys of one
// owner, opened at the first call and closed when idle and others need the place. Every call asks for the owner's key first,
// so that a customer's key that is refused refuses here within its 30 seconds; what was open is closed at once, running
// transfers included. What the index holds is its user's: storage keeps accounts in such stores, and registries keep images.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Anchors, type Database, type MigrationSet, openDatabase } from '#kernel/database/database';
import { type Metered, meteredDatabase } from '#kernel/database/metered';
import { Failure } from '#kernel/errors/failure';
import type { Faults } from '#kernel/files/faults';
import type { Files } from '#kernel/files/files';
import { type Quotas, quotaOf, type StoreKind } from '#kernel/files/quota';
import type { DataKeys } from '#kernel/sealing/data-keys';
import { createSealedFiles, type SealedFiles } from './sealed-files.ts';

export type SealedStore = {
  /** Held to the store's quota. */
  readonly index: Metered;
  readonly sealed: SealedFiles;
  /** Aborted when the owner's key may no longer be used. */
  readonly signal: AbortSignal;
  /** Keeps the store open beyond `use`, until the answer is called: for streams. */
  hold(): () => void;
};

export type SealedStores = {
  /** Runs `act` on the opened store. Throws `forbidden` with the vault's code when the key is refused. */
  use<R>(owner: { readonly uniqueId: string }, act: (opened: SealedStore) => Promise<R>): Promise<R>;
  /** Bytes that it holds, files that no index knows yet included. */
  used(owner: { readonly uniqueId: string }): Promise<number>;
  /** Closes it, and waits until nothing of it is open. */
  close(uniqueId: string): Promise<void>;
  /** Closes it and removes its folder. The keys are destroyed by the caller, before. */
  remove(uniqueId: string): Promise<void>;
  closeAll(): Promise<void>;
};

type Entry = {
  readonly opening: Promise<SealedStore>;
  readonly aborter: AbortController;
  users: number;
};

const openMax = 64;

/** The data keys of an owner are made by whoever makes the owner: `ensure` of both purposes. */
export function createSealedStores(options: {
  /** Below it each owner has a folder, named by its unique id. */
  readonly folder: string;
  /** Purposes of an owner's two data keys. */
  readonly purposes: { readonly files: string; readonly index: string };
  readonly migrations: readonly MigrationSet[];
  /** At the first opening since the start, while nothing else uses the store: ends what a crash left half done. */
  repair(index: Database, sealed: SealedFiles): Promise<void>;
  /** What it is for messages: `storage account`. */
  readonly title: string;
  /** What has the quota. The index has a table `usage`. */
  readonly kind: StoreKind;
  readonly quotas?: Quotas;
  readonly files: Files;
  readonly dataKeys: DataKeys;
  /** What notices an older copy of an index. */
  readonly anchors?: Anchors;
  /** An index found no room: see `openDatabase`. */
  readonly onFull?: () => void;
  readonly openMax?: number;
  readonly faults?: Faults;
}): SealedStores {
  const { folder: parent, purposes, migrations, repair, title, files, dataKeys, anchors } = options;
  const storeOf = (uniqueId: string) => `${purposes.files}/${uniqueId}`;
  const most = options.openMax ?? openMax;
  const entries = new Map<string, Entry>();
  const closings = new Map<string, Promise<void>>();
  const swept = new Set<string>();

  dataKeys.onClosed((owner) => void close(owner));

  async function open(uniqueId: string, aborter: AbortController, hold: () => () => void): Promise<SealedStore> {
    // One database at a time on one file: what is closing finishes first.
    await closings.get(uniqueId);
    if (!/^[A-Za-z0-9-]{1,64}$/.test(uniqueId)) throw new Error('a unique id is no folder name');
    const folder = join(parent, uniqueId);
    await files.ensureFolder(join(folder, 'blobs'));
    const key = await dataKeys.open(uniqueId, purposes.index);
    const quota = quotaOf(options.quotas, options.kind, uniqueId);
    const file = await openDatabase({
      path: join(folder, 'index.db'),
      key: key.bytes,
      migrations,
      anchored: anchors && { store: storeOf(uniqueId), anchors },
      onFull: options.onFull,
      ...(options.faults === undefined ? {} : { faults: options.faults }),
    });
    const index = await meteredDatabase(file, quota, { hasFiles: true });
    const sealed = createSealedFiles({
      admit(looseBytes) {
        if (index.used() + looseBytes > quota.limit()) throw quota.refuse();
      },
      files,
      folder: join(folder, 'blobs'),
      uniqueId,
      key: () => dataKeys.open(uniqueId, purposes.files),
    });
    try {
      if (!swept.has(uniqueId)) await repair(index, sealed);
      swept.add(uniqueId);
      aborter.signal.throwIfAborted();
    } catch (thrown) {
      await index.close();
      throw thrown;
    }
    return { index, sealed, signal: aborter.signal, hold };
  }

  function entryOf(uniqueId: string): Entry {
    const present = entries.get(uniqueId);
    if (present !== undefined) {
      // Least recently used goes first: a Map iterates in the order of insertion.
      entries.delete(uniqueId);
      entries.set(uniqueId, present);
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
    const entry: Entry = { aborter, users: 0, opening: open(uniqueId, aborter, hold) };
    entry.opening.catch(() => {
      if (entries.get(uniqueId) === entry) entries.delete(uniqueId);
    });
    entries.set(uniqueId, entry);
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
    entry.aborter.abort(closedNow(title));
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

  const use: SealedStores['use'] = async ({ uniqueId }, act) => {
    await dataKeys.open(uniqueId, purposes.index);
    const entry = entryOf(uniqueId);
    entry.users += 1;
    closeIdle();
    try {
      return await act(await entry.opening);
    } catch (thrown) {
      // Closed under our feet: if the key is refused the vault's own words say why, otherwise it was rewrapped.
      if (!entry.aborter.signal.aborted) throw thrown;
      await dataKeys.open(uniqueId, purposes.index);
      throw closedNow(title, thrown);
    } finally {
      entry.users -= 1;
      closeIdle();
    }
  };

  return {
    use,
    used: (owner) => use(owner, async ({ index, sealed }) => index.used() + sealed.loose()),
    close,
    async remove(uniqueId) {
      await close(uniqueId);
      // order matters: what is missing and still anchored would look like a file that somebody took away.
      await anchors?.forget(storeOf(uniqueId));
      await rm(join(parent, uniqueId), { recursive: true, force: true });
    },
    async closeAll() {
      await Promise.all([...new Set([...entries.keys(), ...closings.keys()])].map(close));
    },
  };
}

function closedNow(title: string, cause?: unknown): Failure {
  return new Failure({
    kind: 'unavailable',
    code: 'ServerBusy',
    message: `The ${title} was closed while this request ran, because its key changed. Try again.`,
    retryAfterSeconds: 1,
    cause,
  });
}
