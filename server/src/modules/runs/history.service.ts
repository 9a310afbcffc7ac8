// The points of metrics over time: whole and page by page for one run, cut for many runs, sampled for charts.

import type { Metric } from '@strongroom/contract/runs';
import type { Grant } from '#kernel/authority/grant';
import { pageTokenKey, type WorkspaceDatabases } from './databases.service.ts';
import * as store from './history.store.ts';
import { requireRunId } from './names.rules.ts';
import { invalid, noRun } from './runs.errors.ts';
import { findRun } from './runs.store.ts';
import { shownMetric } from './runs.view.ts';
import { readPlace, signPlace } from './search/pages.rules.ts';

export type HistoryPage = { readonly metrics: readonly Metric[]; readonly nextPageToken?: string };

export type MetricRange = {
  readonly count: number;
  /** Undefined: none of the points is a number. */
  readonly ends: { readonly least: number; readonly greatest: number } | undefined;
};

/** What the first `points` points of a metric come to. */
export type MetricPart = {
  readonly points: number;
  /** Undefined: none of them is a number. */
  readonly numbers: { readonly least: number; readonly greatest: number; readonly average: number } | undefined;
};

export type History = {
  get(
    grant: Grant,
    workspaceId: string,
    query: { runId: string; key: string; maxResults?: number; pageToken?: string },
  ): Promise<HistoryPage>;
  /** Of all points of a metric, however many there are. */
  range(grant: Grant, workspaceId: string, query: { runId: string; key: string }): Promise<MetricRange>;
  /** In the order in which points were logged: after each of these counts of them that it has, and last after all, if there are any. */
  parts(
    grant: Grant,
    workspaceId: string,
    query: { runId: string; key: string; at: readonly number[] },
  ): Promise<readonly MetricPart[]>;
  /** At most 25,000 points of at most 100 runs. */
  bulk(
    grant: Grant,
    workspaceId: string,
    query: { runIds: readonly string[]; key: string; maxResults?: number },
  ): Promise<readonly Metric[]>;
  /** At most 2,500 points a run, at evenly spread steps, and evenly spread where many share a step. */
  interval(
    grant: Grant,
    workspaceId: string,
    query: { runIds: readonly string[]; key: string; startStep?: number; endStep?: number; maxResults?: number },
  ): Promise<readonly Metric[]>;
};

const pageMax = 25_000;
const runsMax = 100;
const sampledMax = 2500;

export function createHistory(deps: { readonly workspaces: WorkspaceDatabases }): History {
  const { workspaces } = deps;
  return {
    async get(grant, workspaceId, { runId, key, maxResults = pageMax, pageToken }) {
      requireRunId(runId);
      if (maxResults < 1) throw invalid("Invalid value 0 for parameter 'max_results' supplied: it must be at least 1.");
      const limit = Math.min(maxResults, pageMax);
      const database = await workspaces.database(grant, workspaceId);
      const row = await findRun(database.read, runId);
      if (row === undefined) throw noRun(runId);
      const tokenKey = await pageTokenKey(database);
      const question = ['history', runId, key];
      const after = readPlace(tokenKey, question, pageToken);
      const found = await store.scanHistory(database, { run: row.run, key, after, limit: limit + 1 });
      const points = found.slice(0, limit);
      const last = points.at(-1);
      const next = found.length > limit && last ? [last.timestamp_ms, last.step, last.value, last.nan] : undefined;
      return {
        metrics: points.map(shownMetric),
        ...(next === undefined ? {} : { nextPageToken: signPlace(tokenKey, question, next) }),
      };
    },

    async range(grant, workspaceId, { runId, key }) {
      requireRunId(runId);
      const database = await workspaces.database(grant, workspaceId);
      const row = await findRun(database.read, runId);
      if (row === undefined) throw noRun(runId);
      const { count, least, greatest } = await store.scanRange(database, { run: row.run, key });
      return { count: Number(count), ends: least === null || greatest === null ? undefined : { least, greatest } };
    },

    async parts(grant, workspaceId, { runId, key, at }) {
      requireRunId(runId);
      const database = await workspaces.database(grant, workspaceId);
      const row = await findRun(database.read, runId);
      if (row === undefined) throw noRun(runId);
      return (await store.scanParts(database, { run: row.run, key, at })).map(
        ({ points, least, greatest, average }) => ({
          points: Number(points),
          numbers: least === null || greatest === null || average === null ? undefined : { least, greatest, average },
        }),
      );
    },

    async bulk(grant, workspaceId, { runIds, key, maxResults = pageMax }) {
      requireBulk(runIds);
      const limit = Math.min(Math.max(maxResults, 1), pageMax);
      const database = await workspaces.database(grant, workspaceId);
      return (await store.scanHistories(database, { runIds, key, limit })).map(shownOfRun);
    },

    async interval(grant, workspaceId, { runIds, key, startStep, endStep, maxResults = sampledMax }) {
      requireInterval(runIds);
      if ((startStep === undefined) !== (endStep === undefined))
        throw invalid('If either start step or end step are specified, both must be specified.', 'start_step');
      if (startStep !== undefined && endStep !== undefined && startStep > endStep)
        throw invalid(
          `end_step must be greater than start_step. Found start_step=${startStep} and end_step=${endStep}.`,
          'end_step',
        );
      if (maxResults < 1 || maxResults > sampledMax)
        throw invalid(
          `Invalid value ${maxResults} for parameter 'max_results' supplied: it must be between 1 and ${sampledMax}.`,
        );
      const range = { from: startStep ?? Number.MIN_SAFE_INTEGER, to: endStep ?? Number.MAX_SAFE_INTEGER };
      const database = await workspaces.database(grant, workspaceId);
      const steps = await store.scanSampledSteps(database, { runIds, key, ...range }, maxResults);
      // The steps are few enough already, but for the ends of each run; points that share a step are not.
      const limit = Math.max(maxResults, steps.length);
      const perRun = await Promise.all(
        // In the order that they were asked for in, as MLflow's charts expect them.
        [...new Set(runIds)].map((runId) => store.scanAtSteps(database, { runId, key, steps, limit })),
      );
      return perRun.flat().map(shownOfRun);
    },
  };
}

const shownOfRun = (row: store.RunMetricRow): Metric => ({ ...shownMetric(row), run_id: row.run_id });

export const requireBulk = (runIds: readonly string[]): void =>
  requireRuns(runIds, {
    parameter: 'run_id',
    few: 'GetMetricHistoryBulk request must specify at least one run_id.',
    many: `GetMetricHistoryBulk request cannot specify more than ${runsMax} run_ids.`,
  });
export const requireInterval = (runIds: readonly string[]): void =>
  requireRuns(runIds, {
    parameter: 'run_ids',
    few: 'GetMetricHistoryBulkInterval request must specify at least one run_id.',
    many: `GetMetricHistoryBulkInterval request must specify at most ${runsMax} run_ids.`,
  });

function requireRuns(
  runIds: readonly string[],
  { parameter, few, many }: { readonly parameter: string; readonly few: string; readonly many: string },
): void {
  if (runIds.length === 0) throw invalid(few, parameter);
  if (runIds.length > runsMax) throw invalid(`${many} Received ${runIds.length} run_ids.`, parameter);
  for (const runId of runIds) {
    requireRunId(runId, parameter);
  }
}
