// What makes an older copy of a file show. Each store counts its commits (its generation) and writes beside it how much of the
// audit log was signed at that time (its witness), in the very transaction that commits. Somebody else, the anchors, remembers
// the generations: a store that comes back with a smaller one is an older copy, and so is a log that is shorter than a store has
// seen. order matters: an anchor names only what is durable already, so a crash between the two can never look like an older copy.

import type { Engine } from './engine.ts';

export type Stamp = {
  /** Commits so far; 0 for a file that was never stamped. */
  readonly generation: number;
  /** Records of the audit log that were signed when it was last written. */
  readonly witness: number;
};

export type Anchors = {
  /**
   * A store was opened. Throws Failure `integrity` StoreRolledBack when it is older than its anchor, or has seen more of the log
   * than there is. Answers the generation to go on from: larger than its own where an operator accepted the older copy.
   */
  admit(store: string, stamp: Stamp): number;
  /** After a commit that is durable. */
  committed(store: string, generation: number): void;
  /** Records of the log that are signed, durably: what this store is to write beside its commits. */
  witness(store: string): number;
  /** Before a store is removed for good. Resolves when that is recorded. */
  forget(store: string): Promise<void>;
};

/** A store by the name under which anchors know it: `control`, `workspace/{id}`. */
export type Anchored = { readonly store: string; readonly anchors: Anchors };

export type Stamper = {
  /** Within the transaction, right before its COMMIT. `raises`: something was written besides the stamp. */
  write(raises: boolean): void;
  /** After the COMMIT. */
  committed(): void;
};

const table = `create table if not exists store_stamp (
  id integer primary key check (id = 1), generation integer not null, witness integer not null) strict`;

/** Of any file, also one of a time before stamps. */
export function readStamp(engine: Engine): Stamp {
  const [exists] = engine.run("select 1 from sqlite_schema where type = 'table' and name = 'store_stamp'", []).rows;
  const [row] = exists === undefined ? [] : engine.run('select generation, witness from store_stamp', []).rows;
  return { generation: Number(row?.generation ?? 0), witness: Number(row?.witness ?? 0) };
}

/** Admits the store, or throws, before anything is served from it. */
export function createStamper(engine: Engine, { store, anchors }: Anchored): Stamper {
  const found = readStamp(engine);
  let generation = anchors.admit(store, found);
  let pending: number | undefined;
  const put = (next: number, witness: number) =>
    engine.run(
      `insert into store_stamp (id, generation, witness) values (1, ?, ?)
       on conflict (id) do update set generation = excluded.generation, witness = excluded.witness`,
      [next, witness],
    );
  engine.exec(table);
  if (generation !== found.generation) {
    put(generation, anchors.witness(store));
    anchors.committed(store, generation);
  }
  return {
    write(raises) {
      pending = generation + (raises ? 1 : 0);
      put(pending, anchors.witness(store));
    },
    committed() {
      if (pending === undefined || pending === generation) return;
      generation = pending;
      anchors.committed(store, generation);
    },
  };
}
