// Generation and witness in a schema, written in the transaction that commits (see anchor.ts).

import type { Anchors, Stamp } from '../anchor.ts';
import { type Asks, ask } from './connection.ts';

export type Stamper = {
  /** Within the transaction, right before its COMMIT. `raises`: something was written besides the stamp. */
  write(asks: Asks, raises: boolean): Promise<void>;
  /** After the COMMIT. */
  committed(): void;
};

export const stampTable = `create table if not exists store_stamp (
  id bigint primary key check (id = 1), generation bigint not null, witness bigint not null)`;

/** Of any schema, also of one without a stamp. */
export async function readStamp(asks: Asks): Promise<Stamp> {
  const exists = await ask(asks, `select to_regclass('store_stamp') is not null as found`, []);
  if (exists.rows[0]?.['found'] !== 1) return { generation: 0, witness: 0 };
  const [row] = (await ask(asks, 'select generation, witness from store_stamp', [])).rows;
  return { generation: Number(row?.['generation'] ?? 0), witness: Number(row?.['witness'] ?? 0) };
}

/** Of a store that was admitted at `generation`, and holds the stamp `found`. */
export async function createStamper(
  asks: Asks,
  { owner, anchors, generation, found }: { owner: string; anchors: Anchors; generation: number; found: Stamp },
): Promise<Stamper> {
  let current = generation;
  let pending: number | undefined;
  const put = (to: Asks, next: number) =>
    ask(
      to,
      `insert into store_stamp (id, generation, witness) values (1, $1, $2)
       on conflict (id) do update set generation = excluded.generation, witness = excluded.witness`,
      [next, anchors.witness(owner)],
    );
  if (generation !== found.generation) {
    await put(asks, generation);
    anchors.committed(owner, generation);
  }
  return {
    async write(to, raises) {
      pending = current + (raises ? 1 : 0);
      await put(to, pending);
    },
    committed() {
      if (pending === undefined || pending === current) return;
      current = pending;
      anchors.committed(owner, current);
    },
  };
}
