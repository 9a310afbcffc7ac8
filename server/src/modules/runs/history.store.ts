// The histories of metrics, read away from the main thread. No decisions.

import { type RawBuilder, sql } from 'kysely';
import { type Database, tables } from '#kernel/database/database';
import { always, among, greater } from '#kernel/database/dialect/dialect';
import type { MetricRow } from './runs.view.ts';
import type { Place } from './search/pages.rules.ts';

const scan = <R>(database: Database, query: RawBuilder<R>) =>
  database.scan<R>({ compile: () => query.compile(tables<unknown>(database.read)) });

/** Points of one run and key in order of time, step and value, behind a place of that order. */
export function scanHistory(
  database: Database,
  query: { readonly run: number; readonly key: string; readonly after: Place | undefined; readonly limit: number },
): Promise<readonly MetricRow[]> {
  const { run, key, after, limit } = query;
  const behind =
    after === undefined
      ? always
      : sql`(timestamp_ms, step, value, nan) > (${after[0]}, ${after[1]}, ${after[2]}, ${after[3]})`;
  return scan(
    database,
    sql<MetricRow>`select key, value, nan, timestamp_ms, step from metrics
      where run = ${run} and key = ${key} and ${behind}
      order by timestamp_ms, step, value, nan limit ${limit}`,
  );
}

export type Range = { readonly count: number; readonly least: number | null; readonly greatest: number | null };

/** Over every point of one run and key; the ends are of those that are numbers. */
export async function scanRange(
  database: Database,
  query: { readonly run: number; readonly key: string },
): Promise<Range> {
  const [range] = await scan(
    database,
    sql<Range>`select count(*) as count, min(case when nan = 0 then value end) as least, max(case when nan = 0 then value end) as greatest
      from metrics where run = ${query.run} and key = ${query.key}`,
  );
  return range ?? { count: 0, least: null, greatest: null };
}

export type PartRow = {
  readonly points: number;
  readonly least: number | null;
  readonly greatest: number | null;
  readonly average: number | null;
};

/** What the first so many points of one run and key come to, for each of these counts and for all of them. */
export function scanParts(
  database: Database,
  query: { readonly run: number; readonly key: string; readonly at: readonly number[] },
): Promise<readonly PartRow[]> {
  const { run, key, at } = query;
  return scan(
    database,
    // For the average no number is larger than what as many as there could be add up without overflow, which is an error in PostgreSQL.
    sql<PartRow>`
      with points as (
          select case when nan = 0 then value end as number,
            case when nan <> 0 then null when value > 1e290 then 1e290 when value < -1e290 then -1e290 else value end as addend,
            row_number() over (order by timestamp_ms, step, value, nan) as place, count(*) over () as total
          from metrics where run = ${run} and key = ${key}),
        parts as (
          select place, total, min(number) over upto as least,
            max(number) over upto as greatest, avg(addend) over upto as average
          from points window upto as (order by place rows between unbounded preceding and current row))
      select place as points, least, greatest, average from parts
      where place = total or ${among(sql`place`, at)} order by place`,
  );
}

export type RunMetricRow = MetricRow & { readonly run_id: string };

export const scanHistories = (
  database: Database,
  query: { readonly runIds: readonly string[]; readonly key: string; readonly limit: number },
): Promise<readonly RunMetricRow[]> =>
  scan(
    database,
    sql<RunMetricRow>`select r.run_id, m.key, m.value, m.nan, m.timestamp_ms, m.step
      from runs r join metrics m on m.run = r.run and m.key = ${query.key}
      where ${among(sql`r.run_id`, query.runIds)}
      order by r.run_id, m.timestamp_ms, m.step, m.value limit ${query.limit}`,
  );

type Steps = { readonly runIds: readonly string[]; readonly key: string; readonly from: number; readonly to: number };

/** About `samples` of the distinct steps of all the runs, evenly spread, with each run's own first and last. */
export async function scanSampledSteps(
  database: Database,
  { runIds, key, from, to }: Steps,
  samples: number,
): Promise<readonly number[]> {
  const points = sql`runs r join metrics m on m.run = r.run and m.key = ${key} and m.step between ${from} and ${to}
    where ${among(sql`r.run_id`, runIds)}`;
  const rows = await scan(
    database,
    sql<{ step: number }>`
      with steps as (select distinct m.step as step from ${points}),
        numbered as (select step, row_number() over (order by step) - 1 as position, count(*) over () as total from steps)
      select step from numbered
        where total <= ${samples} or position % ${greater(sql.lit(1), sql`(total + ${samples} - 1) / ${samples}`)} = 0
      union select min(m.step) from ${points} group by r.run
      union select max(m.step) from ${points} group by r.run
      order by step`,
  );
  return rows.map(({ step }) => step);
}

/**
 * A run's points at these steps; where many share a step, `limit` of them, evenly spread over all, the first and the last
 * among them. A point stands where the number of its share of the row changes, so that each share gives one.
 */
export const scanAtSteps = (
  database: Database,
  query: { readonly runId: string; readonly key: string; readonly steps: readonly number[]; readonly limit: number },
): Promise<readonly RunMetricRow[]> => {
  // Whole numbers, not reals as the driver binds them: the shares are cut by integer division.
  const limit = sql`cast(${query.limit} as integer)`;
  return scan(
    database,
    sql<RunMetricRow>`
      with points as (
          select r.run_id, m.key, m.value, m.nan, m.timestamp_ms, m.step,
            row_number() over (order by m.step, m.timestamp_ms, m.value, m.nan) - 1 as place, count(*) over () as total
          from runs r join metrics m on m.run = r.run and m.key = ${query.key}
          where r.run_id = ${query.runId} and ${among(sql`m.step`, query.steps)})
      select run_id, key, value, nan, timestamp_ms, step from points
      where total <= ${limit} or place = 0
        or place * (${limit} - 1) / (total - 1) > (place - 1) * (${limit} - 1) / (total - 1)
      order by step, timestamp_ms, value, nan`,
  );
};
