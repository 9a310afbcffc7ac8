// Searching runs and experiments. A page may hold fewer rows than asked for and still name a next one: pages are bounded by
// what one answer should weigh, and clients go on until no token comes.

import type { DatasetSummary, Experiment, Run, ViewType } from '@strongroom/contract/runs';
import type { Grant } from '#kernel/authority/grant';
import type { Database } from '#kernel/database/database';
import { onlyExperiment, onlyRun } from '../bounds.rules.ts';
import { pageTokenKey, type WorkspaceDatabases } from '../databases.service.ts';
import { experimentNumber } from '../names.rules.ts';
import { isTooLarge, scanRunData } from '../run-data.store.ts';
import { invalid } from '../runs.errors.ts';
import type { RunRow } from '../runs.store.ts';
import { noRunData, shownExperiment, shownRun } from '../runs.view.ts';
import { parseFilter, parseOrderings } from './filter.rules.ts';
import { experimentGrammar, runGrammar } from './grammars.rules.ts';
import { readPlace, signPlace } from './pages.rules.ts';
import { type FoundPage, findExperiments, findRuns, scanDatasets, scanExperimentTags } from './search.store.ts';

export type SearchInput = {
  readonly filter?: string;
  readonly view?: ViewType;
  readonly maxResults?: number;
  readonly orderBy?: readonly string[];
  readonly pageToken?: string;
};
export type Searched<R> = { readonly items: readonly R[]; readonly nextPageToken?: string };

export type Search = {
  runs(
    grant: Grant,
    workspaceId: string,
    input: SearchInput & { readonly experimentIds: readonly string[] },
  ): Promise<Searched<Run>>;
  experiments(grant: Grant, workspaceId: string, input: SearchInput): Promise<Searched<Experiment>>;
  /** Datasets that active runs of these experiments used: at most 20 experiments, the first 1000 in order of name. */
  datasets(grant: Grant, workspaceId: string, experimentIds: readonly string[]): Promise<readonly DatasetSummary[]>;
};

const resultsMax = 50_000;
const resultsDefault = 1000;
const pageMax = 1000;
const experimentsMax = 1000;
const datasetExperimentsMax = 20;
const datasetsMax = 1000;

/** What is asked for, within its bounds. */
export function pageLimit(asked: number | undefined, max = resultsMax): number {
  const wanted = asked ?? resultsDefault;
  if (wanted < 1 || wanted > max)
    throw invalid(`Invalid value ${wanted} for parameter 'max_results' supplied: it must be between 1 and ${max}.`);
  return Math.min(wanted, pageMax);
}

/** As many of the runs, from the first, as weigh no more than an answer may; half as many until they do. */
async function withRunData(database: Database, page: FoundPage<RunRow>) {
  const { rows, next } = page;
  if (rows.length === 0) return { rows, next, dataOf: () => noRunData };
  try {
    const dataOf = await scanRunData(
      database,
      rows.map(({ run }) => run),
    );
    return { rows, next, dataOf };
  } catch (thrown) {
    if (!isTooLarge(thrown) || rows.length === 1) throw thrown;
    return withRunData(database, page.cut(Math.ceil(rows.length / 2)));
  }
}

export function createSearch(deps: { readonly workspaces: WorkspaceDatabases }): Search {
  return {
    async runs(grant, workspaceId, input) {
      const { experimentIds, filter = '', view = 'ACTIVE_ONLY', orderBy = [] } = input;
      if (experimentIds.length > experimentsMax)
        throw invalid(`A search covers at most ${experimentsMax} experiments.`);
      const experiments = [...new Set(experimentIds.map((id) => experimentNumber(id, 'experiment_ids')))].sort(
        (a, b) => a - b,
      );
      const comparisons = parseFilter(filter, runGrammar);
      const order = parseOrderings(orderBy, runGrammar);
      if (order.some(({ entity }) => entity === 'dataset'))
        throw invalid('Runs cannot be ordered by dataset.', 'order_by');
      const limit = pageLimit(input.maxResults);
      const only = onlyRun(grant, workspaceId);
      if (experiments.length === 0) return { items: [] };
      const database = await deps.workspaces.database(grant, workspaceId);
      const key = await pageTokenKey(database);
      const question = ['runs', experiments, comparisons, order, view, only ?? null];
      const after = readPlace(key, question, input.pageToken);
      const query = { view, filter: comparisons, order, after, limit, experiments, only };
      const { rows, next, dataOf } = await withRunData(database, await findRuns(database, query));
      return {
        items: rows.map((row) => shownRun(row, dataOf(row.run))),
        ...(next === undefined ? {} : { nextPageToken: signPlace(key, question, next) }),
      };
    },

    async datasets(grant, workspaceId, experimentIds) {
      if (experimentIds.length === 0)
        throw invalid('SearchDatasets request must specify at least one experiment_id.', 'experiment_ids');
      if (experimentIds.length > datasetExperimentsMax)
        throw invalid(
          `SearchDatasets request cannot specify more than ${datasetExperimentsMax} experiment_ids. Received ${experimentIds.length} experiment_ids.`,
          'experiment_ids',
        );
      const experiments = experimentIds.map((id) => experimentNumber(id, 'experiment_ids'));
      const only = onlyRun(grant, workspaceId);
      const database = await deps.workspaces.database(grant, workspaceId);
      const rows = await scanDatasets(database, { experiments, only, limit: datasetsMax });
      return rows.map(({ experiment, name, digest, context }) => ({
        experiment_id: String(experiment),
        name,
        digest,
        ...(context === null ? {} : { context }),
      }));
    },

    async experiments(grant, workspaceId, input) {
      const { filter = '', view = 'ACTIVE_ONLY', orderBy = [] } = input;
      const comparisons = parseFilter(filter, experimentGrammar);
      const order = parseOrderings(orderBy, experimentGrammar);
      if (order.some(({ entity }) => entity === 'tag'))
        throw invalid('Experiments cannot be ordered by tag.', 'order_by');
      const limit = pageLimit(input.maxResults);
      const database = await deps.workspaces.database(grant, workspaceId);
      const own = onlyExperiment(grant, workspaceId);
      const only = own === undefined ? undefined : experimentNumber(own);
      const key = await pageTokenKey(database);
      const question = ['experiments', comparisons, order, view, only ?? null];
      const after = readPlace(key, question, input.pageToken);
      const { rows, next } = await findExperiments(database, { view, filter: comparisons, order, after, limit, only });
      const tags =
        rows.length === 0
          ? undefined
          : await scanExperimentTags(
              database,
              rows.map((row) => row.experiment),
            );
      return {
        items: rows.map((row) => shownExperiment(row, tags?.(row.experiment) ?? [])),
        ...(next === undefined ? {} : { nextPageToken: signPlace(key, question, next) }),
      };
    },
  };
}
