// Data keys, made and kept. Each owner has one key that is wrapped under the root key or, by wrapKey, under a customer's key;
// the owner's data keys are wrapped under that one. So the customer's vault is asked once for an owner and not once for every
// key, and a rotation rewraps one row. Promises: a key under a customer's key is in use at most 30 seconds after the vault
// last said yes; after a no every DataKey that was handed out refuses to show its bytes. Fails closed: when the vault cannot
// be asked, the answer is no as well.

import type { Clock } from '#kernel/clock/clock';
import { unwrapKey, wrapKey } from '#kernel/crypto/key-wrap';
import { randomBytes, randomUuid } from '#kernel/crypto/random';
import type { DataKey } from '#kernel/crypto/value-envelope';
import type { Database } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { retold } from '#kernel/errors/failures';
import { createTurns } from '#kernel/turns/turns';
import * as store from './data-keys.store.ts';
import type { DataKeys, KeyWrapper, WrapperRef } from './data-keys.ts';
import type { RootKey } from './root-key.ts';
import { sealingFailures } from './sealing.errors.ts';

export { dataKeyMigrations } from './migrations.ts';

export type VaultWrapped = { readonly owner: string; readonly keyIdentifier: string };

export type DataKeyService = DataKeys & {
  /** Owners whose keys are wrapped by a key of some vault: what would be lost with that key. */
  vaultWrapped(): Promise<readonly VaultWrapped[]>;
  /** Asks the vaults again for every key in memory whose time is up, so that a no is noticed although nobody opens. Never throws. */
  revalidate(): Promise<void>;
  /** Wipes every key in memory; opening is refused afterwards. */
  close(): void;
};

/** A customer's key is asked again after this. */
export const revalidateAfterMs = 30_000;
const nameLengthMax = 256;
/** Owners under the root key that are kept in memory; beyond it the oldest is unwrapped again when it is needed. */
const residentsMax = 10_000;
const pageSize = 500;

/** An owner whose key is in memory. */
type Resident = {
  readonly wrapper: WrapperRef;
  readonly revision: number;
  readonly ownerKey: DataKey;
  readonly dataKeys: Map<string, Held>;
  /** When the wrapper was last asked. */
  askedAtMs: number;
};
type Held = { readonly key: DataKey; close(): void };

export function createDataKeys(options: {
  readonly database: Database;
  readonly rootKey: RootKey;
  /** Late, because the vault that wraps is itself made with data keys. */
  readonly wrapper: () => KeyWrapper;
  readonly clock: Clock;
}): DataKeyService {
  const { database, rootKey, wrapper, clock } = options;
  const residents = new Map<string, Resident>();
  const refreshes = new Map<string, Promise<Resident>>();
  const turns = createTurns();
  const listeners: ((owner: string) => void)[] = [];
  let closed = false;

  function isFresh(resident: Resident): boolean {
    if (resident.wrapper.kind === 'root') return true;
    const age = clock.epochMs() - resident.askedAtMs;
    // A time of day that jumped backwards does not make a key live longer.
    return age >= 0 && age < revalidateAfterMs;
  }

  function refuseIfClosed(): void {
    if (closed) {
      throw sealingFailures.DataKeysClosed();
    }
  }

  function wipe(owner: string): void {
    const resident = residents.get(owner);
    residents.delete(owner);
    if (resident === undefined) return;
    resident.ownerKey.bytes.fill(0);
    for (const held of resident.dataKeys.values()) held.close();
  }

  /** Forgets the owner's keys and tells everyone to close what they opened. One listener's failure is not another's. */
  function drop(owner: string): void {
    wipe(owner);
    const failures: unknown[] = [];
    for (const listener of listeners) {
      try {
        listener(owner);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'closing what a data key had opened failed');
  }

  async function wrapOwnerKey(ref: WrapperRef, owner: string, bytes: Uint8Array): Promise<Uint8Array> {
    return ref.kind === 'root' ? await rootKey.wrap(['owner', owner], bytes) : await wrapper().wrap(ref, bytes);
  }

  async function unwrapOwnerKey(stored: store.StoredOwner): Promise<Uint8Array> {
    const { owner, wrapped } = stored;
    const bytes =
      stored.wrapper.kind === 'root'
        ? await rootKey.unwrap(['owner', owner], wrapped)
        : await wrapper().unwrap(stored.wrapper, wrapped);
    if (bytes.length !== 32) {
      throw sealingFailures.IntegrityCheckFailed();
    }
    return bytes;
  }

  /** Reads the owner's key anew, whoever wraps it. In the owner's turn. */
  async function admit(owner: string): Promise<Resident> {
    const stored = await store.findOwner(database.read, owner);
    if (stored === undefined) {
      drop(owner);
      throw sealingFailures.DataKeyGone();
    }
    const askedAtMs = clock.epochMs();
    let bytes: Uint8Array;
    try {
      bytes = await unwrapOwnerKey(stored);
      refuseIfClosed();
    } catch (thrown) {
      drop(owner);
      throw refusal(thrown);
    }
    const present = residents.get(owner);
    if (present?.revision === stored.revision && equal(present.ownerKey.bytes, bytes)) {
      bytes.fill(0);
      present.askedAtMs = askedAtMs;
      return present;
    }
    wipe(owner);
    const resident: Resident = {
      wrapper: stored.wrapper,
      revision: stored.revision,
      ownerKey: { id: stored.keyId, bytes },
      dataKeys: new Map(),
      askedAtMs,
    };
    residents.set(owner, resident);
    if (residents.size > residentsMax) forgetOldest();
    return resident;
  }

  /** Keys already handed out stay good: their owner was not refused, only forgotten. */
  function forgetOldest(): void {
    for (const [owner, resident] of residents) {
      if (resident.wrapper.kind !== 'root') continue;
      residents.delete(owner);
      return;
    }
  }

  async function residentOf(owner: string): Promise<Resident> {
    const present = residents.get(owner);
    return present !== undefined && isFresh(present) ? present : await admit(owner);
  }

  /** One question to the vault for all who wait. */
  function refreshed(owner: string): Promise<Resident> {
    const present = residents.get(owner);
    if (present !== undefined && isFresh(present)) return Promise.resolve(present);
    let refresh = refreshes.get(owner);
    if (refresh === undefined) {
      refresh = turns(owner, () => residentOf(owner)).finally(() => refreshes.delete(owner));
      refreshes.set(owner, refresh);
    }
    return refresh;
  }

  async function dataKeyOf(resident: Resident, owner: string, purpose: string): Promise<DataKey | undefined> {
    const present = resident.dataKeys.get(purpose);
    if (present !== undefined) return present.key;
    const stored = await store.findKey(database.read, owner, purpose);
    if (stored === undefined) return undefined;
    // While the row was read the owner may have been refused: its key would be zeros by now.
    if (residents.get(owner) !== resident) throw sealingFailures.DataKeyClosed();
    const again = resident.dataKeys.get(purpose);
    if (again !== undefined) return again.key;
    const { ownerKey } = resident;
    const bytes = unwrapKey(
      (id) => (id === ownerKey.id ? ownerKey : undefined),
      purposeOf(owner, purpose),
      stored.wrapped,
    );
    const held = hold(stored.keyId, bytes);
    resident.dataKeys.set(purpose, held);
    return held.key;
  }

  async function makeDataKey(resident: Resident, owner: string, purpose: string): Promise<void> {
    // fails closed: an owner key that was wiped meanwhile would wrap under zeros.
    if (residents.get(owner) !== resident) throw sealingFailures.DataKeyClosed();
    const bytes = randomBytes(32);
    const stored = {
      purpose,
      keyId: randomUuid(),
      wrapped: wrapKey(resident.ownerKey, purposeOf(owner, purpose), bytes),
    };
    bytes.fill(0);
    await database.write((tx) => store.insertKey(tx, owner, stored));
  }

  async function makeOwner(owner: string, ref: WrapperRef): Promise<void> {
    const bytes = randomBytes(32);
    const stored = {
      owner,
      keyId: randomUuid(),
      wrapper: ref,
      wrapped: await wrapOwnerKey(ref, owner, bytes).finally(() => bytes.fill(0)),
      revision: 1,
    };
    await database.write((tx) => store.insertOwner(tx, stored));
  }

  return {
    async ensure(owner, purpose, ref) {
      refuseIfClosed();
      requireName(owner);
      requireName(purpose);
      return await turns(owner, async () => {
        const stored = await store.findOwner(database.read, owner);
        if (stored === undefined) await makeOwner(owner, ref);
        const resident = await residentOf(owner);
        const present = await dataKeyOf(resident, owner, purpose);
        if (present !== undefined) return present;
        // A new key of an owner is under what the owner's keys are under; another wrapper is a rewrap, asked for by name.
        if (!sameWrapper(resident.wrapper, ref)) throw sealingFailures.DataKeyWrapperDiffers();
        await makeDataKey(resident, owner, purpose);
        return (await dataKeyOf(resident, owner, purpose)) ?? raise(sealingFailures.DataKeyGone());
      });
    },

    async open(owner, purpose) {
      refuseIfClosed();
      const present = residents.get(owner);
      const held = present !== undefined && isFresh(present) ? present.dataKeys.get(purpose) : undefined;
      if (held !== undefined) return held.key;
      const resident = await refreshed(owner);
      return (await dataKeyOf(resident, owner, purpose)) ?? raise(sealingFailures.DataKeyGone());
    },

    async rewrap(owner, ref) {
      refuseIfClosed();
      await turns(owner, async () => {
        const stored = (await store.findOwner(database.read, owner)) ?? raise(sealingFailures.DataKeyGone());
        const bytes = await unwrapOwnerKey(stored).catch((thrown: unknown) => raise(refusal(thrown)));
        const wrapped = await wrapOwnerKey(ref, owner, bytes).finally(() => bytes.fill(0));
        const done = await database.write((tx) =>
          store.rewrapOwner(tx, owner, stored.revision, { wrapper: ref, wrapped }),
        );
        if (!done) throw sealingFailures.DataKeyGone();
        drop(owner);
      });
    },

    async destroy(owner) {
      await turns(owner, async () => {
        await database.write((tx) => store.deleteOwner(tx, owner));
        drop(owner);
      });
    },

    onClosed(listener) {
      listeners.push(listener);
    },

    async vaultWrapped() {
      const found: VaultWrapped[] = [];
      for (let after = ''; ; ) {
        const page = await store.listVaultOwners(database.read, after, pageSize);
        for (const { owner, wrapper: ref } of page)
          if (ref.kind === 'vault') found.push({ owner, keyIdentifier: ref.keyIdentifier });
        const last = page[page.length - 1];
        if (last === undefined || page.length < pageSize) return found;
        after = last.owner;
      }
    },

    async revalidate() {
      const due = [...residents].filter(([, resident]) => !isFresh(resident));
      // A refusal has already closed what it had to close; there is nobody here to tell.
      for (const [owner] of due) await refreshed(owner).catch(() => {});
    },

    close() {
      closed = true;
      for (const owner of [...residents.keys()]) wipe(owner);
    },
  };
}

/**
 * A DataKey whose bytes cannot be had once it is closed. Each look gives a copy: wiping bytes that somebody is just about to
 * seal with would seal under zeros. The bytes are not enumerable, so that printing the key shows its id only.
 */
function hold(id: string, bytes: Uint8Array): Held {
  let isClosed = false;
  const key = Object.defineProperty({ id } as { readonly id: string; readonly bytes: Uint8Array }, 'bytes', {
    enumerable: false,
    get() {
      if (isClosed) throw sealingFailures.DataKeyClosed();
      return bytes.slice();
    },
  });
  return {
    key: Object.freeze(key),
    close() {
      isClosed = true;
      bytes.fill(0);
    },
  };
}

const purposeOf = (owner: string, purpose: string) => ['data', owner, purpose] as const;

function sameWrapper(one: WrapperRef, other: WrapperRef): boolean {
  if (one.kind === 'root' || other.kind === 'root') return one.kind === other.kind;
  return (
    one.keyIdentifier.toLowerCase() === other.keyIdentifier.toLowerCase() &&
    one.principal.objectId.toLowerCase() === other.principal.objectId.toLowerCase()
  );
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

/** A vault that says no, in whatever way, is a 403 of the data that its key protects; other failures stay what they are. */
function refusal(thrown: unknown): unknown {
  if (!(thrown instanceof Failure)) return thrown;
  switch (thrown.kind) {
    case 'forbidden':
    case 'notFound':
    case 'gone':
    case 'conflict':
    case 'invalid':
      return retold(thrown, `The key that protects this data cannot be used: ${thrown.message}`, 'forbidden');
    default:
      return thrown;
  }
}

function raise(failure: unknown): never {
  throw failure;
}

function requireName(name: string): void {
  if (name.length === 0 || name.length > nameLengthMax) {
    throw sealingFailures.InvalidDataKeyName(nameLengthMax);
  }
}
