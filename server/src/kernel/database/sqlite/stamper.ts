// Generation and witness in an SQLite file, written in the transaction that commits (see anchor.ts).

import type { Anchors, Stamp } from '../anchor.ts';
import type { Engine } from './engine.ts';

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
export function createStamper(engine: Engine, store: string, anchors: Anchors): Stamper {
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
