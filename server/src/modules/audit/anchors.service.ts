// What remembers how far each store of the data folder has come: control, keyring, every workspace, the indexes of storage and
// registries. With each checkpoint the generations that grew since the last one become an entry of the log, so that they are
// signed with it; a table beside the log holds the last of each, to be asked at once when a store is opened. Each store in turn
// holds how much of the log was signed when it was last written. So one older file, whichever, contradicts the others.
//
// order matters, everywhere: a store commits, then its generation is anchored, then the log is signed, then that size is handed
// out as witness. What is named is durable already, and a crash between any two of these leaves nothing that looks older.

import type { EntryRecord } from '@strongroom/contract/audit';
import { systemActor } from '#kernel/authority/actor';
import type { AuditIntent } from '#kernel/authority/audit';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import type { Anchors, Database } from '#kernel/database/database';
import type { Log } from '#kernel/log/log';
import type { Appender } from './appender.service.ts';
import { auditFailures } from './audit.errors.ts';
import { deleteAnchor, putAnchor, readAnchors, readLastCheckpoint, readTree } from './audit.store.ts';
import { begunRecord, encodeRecord } from './record.rules.ts';

export const anchorOperation = 'Stores_Anchor';
const acceptOperation = 'Stores_AcceptRollback';
/** A generation that no store has: the store is gone for good. */
const removed = -1;
/** The name of the log itself among the stores. */
export const logStore = 'audit';
/** As many as a record's parameters hold. */
const atOnce = 60;

export type StoreAnchors = Anchors & {
  /** Stores and their anchored generations, and those that were opened since the start. */
  known(): ReadonlyMap<string, number>;
  admitted(): ReadonlySet<string>;
};

/** What the audit module itself does with them. */
export type LogAnchors = StoreAnchors & {
  /** Entries go through the appender, once it is loaded. */
  bind(appender: Appender): void;
  /** Records what was accepted, and what grew since the last time. Before a checkpoint. */
  settle(): Promise<void>;
  /** Records every anchor anew: before entries that hold them are dropped. */
  restate(): Promise<void>;
  /** A checkpoint of so many records is durable: it becomes the witness, and whoever holds one explicitly is told. */
  signed(size: number): Promise<void>;
  /** A store that writes the witness even when nothing else is written to it. */
  keepWitness(store: string, database: Pick<Database, 'restamp'>): void;
};

/** @param accept stores whose older copy an operator put there on purpose; `all` for every one */
export async function openAnchors(options: {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly accept?: readonly string[];
}): Promise<LogAnchors> {
  const { database, clock, log, accept = [] } = options;
  const anchored = new Map((await readAnchors(database.read)).map(({ store, generation }) => [store, generation]));
  // How much of the log stores may have seen beyond what there is: a shorter copy of it was accepted.
  let tolerated = anchored.get(logStore) ?? 0;
  anchored.delete(logStore);
  const grown = new Map<string, number>();
  const admitted = new Set<string>();
  const accepted: { readonly store: string; readonly anchored: number; readonly found: number }[] = [];
  const keepers = new Map<string, Pick<Database, 'restamp'>>();
  const size = (await readTree(database.read)).tree.size;
  /** What keepers write, and what everybody else does once they have: no store knows of more than they do. */
  let newest = (await readLastCheckpoint(database.read))?.size ?? 0;
  let witness = newest;
  let isOpenTold = accept.length === 0;
  let appender: Appender | undefined;
  let settling: Promise<void> = Promise.resolve();

  const isAccepted = (store: string) => accept.includes(store) || accept.includes('all');

  function acceptOrThrow(store: string, expected: number, found: number): void {
    if (!isAccepted(store)) throw auditFailures.StoreRolledBack(rolledBackText(store, expected, found), store);
    log.warn(
      { module: 'audit', subject: store, reason: rolledBackText(store, expected, found) },
      'an older copy of a store was accepted',
    );
    accepted.push({ store, anchored: expected, found });
  }

  async function append(operation: string, reason: string, parameters: AuditIntent['parameters']): Promise<void> {
    if (appender === undefined) throw new Error('anchors are used before the log is open');
    const requestId = randomUuid();
    const intent: AuditIntent = {
      operation,
      action: '',
      scope: '/',
      actor: systemActor,
      requestId,
      correlationId: requestId,
      clientRequestId: undefined,
      method: '',
      path: '',
      address: undefined,
      userAgent: undefined,
      decision: 'allowed',
      reason,
      parameters,
      bodyDigest: undefined,
    };
    await appender.append(encodeRecord(begunRecord('access', intent, clock.now())));
  }

  async function settle(): Promise<void> {
    if (!isOpenTold) {
      await append(acceptOperation, 'an operator started the server with --accept-rollback', {
        accepted: accept.join(', ').slice(0, 512),
      });
      isOpenTold = true;
    }
    if (accepted.some(({ store }) => store === logStore))
      await database.write((tx) => putAnchor(tx, logStore, tolerated));
    for (let one = accepted[0]; one !== undefined; one = accepted[0]) {
      await append(acceptOperation, 'an older copy was put in the place of this store, and accepted', { ...one });
      accepted.shift();
    }
    const due = [...grown].filter(([store, generation]) => generation > (anchored.get(store) ?? 0));
    for (let at = 0; at < due.length; at += atOnce) {
      const some = due.slice(at, at + atOnce);
      await append(anchorOperation, 'so many commits each of these stores holds', Object.fromEntries(some));
      await database.write(async (tx) => {
        for (const [store, generation] of some) await putAnchor(tx, store, generation);
      });
      for (const [store, generation] of some) {
        anchored.set(store, generation);
        if (grown.get(store) === generation) grown.delete(store);
      }
    }
  }

  async function restate(): Promise<void> {
    const all = [...anchored];
    for (let at = 0; at < all.length; at += atOnce)
      await append(
        anchorOperation,
        'so many commits each of these stores holds; said again before records are dropped',
        Object.fromEntries(all.slice(at, at + atOnce)),
      );
  }

  return {
    admit(store, stamp) {
      const seen = Math.max(size, newest);
      if (stamp.witness > Math.max(seen, tolerated)) {
        acceptOrThrow(logStore, stamp.witness, seen);
        // From here on nobody is asked again about what was lost.
        tolerated = stamp.witness;
      }
      admitted.add(store);
      const least = anchored.get(store) ?? 0;
      if (stamp.generation >= least) return stamp.generation;
      acceptOrThrow(store, least, stamp.generation);
      return least + 1;
    },
    committed: (store, generation) => void grown.set(store, generation),
    witness: (store) => (keepers.has(store) ? newest : witness),
    async forget(store) {
      if (!anchored.has(store) && !grown.has(store)) return;
      await append(anchorOperation, 'this store is removed for good', { [store]: removed });
      await database.write((tx) => deleteAnchor(tx, store));
      anchored.delete(store);
      grown.delete(store);
    },
    known: () => anchored,
    admitted: () => admitted,
    bind(to) {
      appender = to;
    },
    settle() {
      // One after the other, also after one that failed.
      settling = settling.then(settle, settle);
      return settling;
    },
    restate() {
      settling = settling.then(restate, restate);
      return settling;
    },
    async signed(signedSize) {
      if (signedSize === witness) return;
      newest = signedSize;
      for (const keeper of keepers.values()) await keeper.restamp();
      witness = signedSize;
    },
    keepWitness: (store, keeper) => void keepers.set(store, keeper),
  };
}

/** The generations that an entry of the log anchors; undefined for any other record. */
export function anchorsIn(record: EntryRecord): readonly (readonly [string, number])[] | undefined {
  if (record.operation !== anchorOperation || record.caller.type !== systemActor.kind) return undefined;
  return Object.entries(record.parameters).flatMap(([store, generation]) =>
    typeof generation === 'number' ? [[store, generation] as const] : [],
  );
}

export const isRemoved = (generation: number): boolean => generation === removed;

/** What to say of a store that is older than its anchor, at a start and in a verification. */
export const rolledBackText = (store: string, expected: number, found: number): string =>
  store === logStore
    ? `The audit log is an older copy: other stores have seen ${expected} signed records of it, and it holds ${found}.`
    : `The store '${store}' is an older copy: the audit log knows it with ${expected} commits, and it holds ${found}.`;
