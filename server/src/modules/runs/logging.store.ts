// Rows that a run appends: points, params, tags. This is the hot path, so the statements are few, written by hand and of
// few different texts: the database keeps prepared statements by their text. No decisions.

import { sql } from 'kysely';
import type { Tx } from '#kernel/database/database';
import { among, runStatement as run } from '#kernel/database/dialect/dialect';

export type Point = {
  readonly key: string;
  readonly timestamp_ms: number;
  readonly step: number;
  readonly value: number;
  readonly nan: 0 | 1;
};
export type Pair = { readonly key: string; readonly value: string };

const find = 'select run, run_id, deleted from runs where run_id = ?';
export type Target = { readonly run: number; readonly run_id: string; readonly deleted: number };
/** The number of a run and whether it is deleted, before something is written to it. */
export async function findTarget(tx: Tx, runId: string): Promise<Target | undefined> {
  return (await run<Target>(tx, find, [runId])).rows[0];
}

/** Statements for as many rows as these, so that a batch of any size needs only these texts. */
const chunks = [64, 8, 1] as const;
type Texts = Readonly<Record<(typeof chunks)[number], string>>;

function texts(head: string, row: string, tail: string): Texts {
  const of = (count: number) => `${head} values ${Array(count).fill(row).join(', ')} ${tail}`;
  return { 64: of(64), 8: of(8), 1: of(1) };
}

async function runChunks(tx: Tx, statements: Texts, list: readonly (readonly unknown[])[]): Promise<void> {
  for (let at = 0; at < list.length; ) {
    const size = chunks.find((count) => count <= list.length - at) ?? 1;
    await run(tx, statements[size], list.slice(at, at + size).flat());
    at += size;
  }
}

const pointTexts = texts(
  'insert into metrics (run, key, timestamp_ms, step, value, nan)',
  '(?, ?, ?, ?, ?, ?)',
  'on conflict do nothing',
);
/** A point that is there already is left alone. */
export const insertPoints = (tx: Tx, runNumber: number, points: readonly Point[]): Promise<void> =>
  runChunks(
    tx,
    pointTexts,
    points.map((point) => [runNumber, point.key, point.timestamp_ms, point.step, point.value, point.nan]),
  );

const latestTexts = texts(
  'insert into latest_metrics (run, key, step, timestamp_ms, value, nan)',
  '(?, ?, ?, ?, ?, ?)',
  `on conflict (run, key) do update
     set step = excluded.step, timestamp_ms = excluded.timestamp_ms, value = excluded.value, nan = excluded.nan
     where (excluded.step, excluded.timestamp_ms, excluded.value) > (latest_metrics.step, latest_metrics.timestamp_ms, latest_metrics.value)`,
);
/** The latest point of a key is the greatest (step, timestamp, value), whichever arrived last. One point a key. */
export const raiseLatest = (tx: Tx, runNumber: number, points: readonly Point[]): Promise<void> =>
  runChunks(
    tx,
    latestTexts,
    points.map((point) => [runNumber, point.key, point.step, point.timestamp_ms, point.value, point.nan]),
  );

const paramTexts = texts('insert into run_params (run, key, value)', '(?, ?, ?)', 'on conflict do nothing');
export const insertParams = (tx: Tx, runNumber: number, params: readonly Pair[]): Promise<void> =>
  runChunks(
    tx,
    paramTexts,
    params.map(({ key, value }) => [runNumber, key, value]),
  );

/** The stored values of these keys, in one statement. */
export async function readParams(tx: Tx, runNumber: number, keys: readonly string[]): Promise<readonly Pair[]> {
  const found = await sql<Pair>`select key, value from run_params
    where run = ${runNumber} and ${among(sql`key`, keys)}`.execute(tx);
  return found.rows;
}

const tagTexts = texts(
  'insert into run_tags (run, key, value)',
  '(?, ?, ?)',
  'on conflict (run, key) do update set value = excluded.value',
);
export const writeTags = (tx: Tx, runNumber: number, tags: readonly Pair[]): Promise<void> =>
  runChunks(
    tx,
    tagTexts,
    tags.map(({ key, value }) => [runNumber, key, value]),
  );

/** How many params or tags a run holds. */
export async function countOf(tx: Tx, table: 'run_params' | 'run_tags', runNumber: number): Promise<number> {
  const text = `select count(*) as held from ${table} where run = ?`;
  return (await run<{ held: number }>(tx, text, [runNumber])).rows[0]?.held ?? 0;
}
