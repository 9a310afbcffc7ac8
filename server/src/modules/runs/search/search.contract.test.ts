// Both executions of the search language, over each kind of row that is searched.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { systemClock } from '#kernel/clock/clock';
import { closeScanPool } from '#kernel/database/database';
import { testDatabases } from '#kernel/testing/databases';
import { insertExperiment, markExperiment, writeExperimentTag } from '../experiments.store.ts';
import { writeTags } from '../logging.store.ts';
import { trackingTables } from '../migrations/0001-tracking.ts';
import { createModels } from '../models/models.service.ts';
import { insertModel, writeModelTags } from '../models/models.store.ts';
import { searchModels, searchVersions } from '../registry/registry-search.service.ts';
import { insertRun } from '../runs.store.ts';
import { grant, workspaceId } from '../testing.ts';
import { type Searching, type SearchRow, searchContract } from './search.contract.ts';
import { createSearch } from './search.service.ts';

after(() => closeScanPool());

async function open(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-search-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const database = await testDatabases(folder).open('w', [trackingTables], { key: new Uint8Array(32) });
  t.after(() => database.close());
  return { database, workspaces: { database: async () => database } };
}
function suite(execution: string, of: (t: TestContext, rows: readonly SearchRow[]) => Promise<Searching>): void {
  for (const { title, check } of searchContract) test(`${execution}: ${title}`, (t) => check((rows) => of(t, rows)));
}
const pairsOf = (tags: SearchRow['tags']) => Object.entries(tags).map(([key, value]) => ({ key, value }));

suite('experiments, in SQL', async (t, rows) => {
  const { database, workspaces } = await open(t);
  await database.write(async (tx) => {
    // Default is there before any row of ours.
    await markExperiment(tx, 0, 1, 0);
    for (const { name, createdMs, tags } of rows) {
      const experiment = await insertExperiment(tx, name, createdMs);
      for (const tag of pairsOf(tags)) await writeExperimentTag(tx, experiment, tag, createdMs);
    }
  });
  const { experiments } = createSearch({ workspaces });
  return {
    fields: { name: 'name', created: 'creation_time' },
    async search(input) {
      const { items, nextPageToken } = await experiments(grant, workspaceId, input);
      return { names: items.map(({ name }) => name), nextPageToken };
    },
  };
});

suite('runs, in SQL', async (t, rows) => {
  const { database, workspaces } = await open(t);
  await database.write(async (tx) => {
    for (const [index, { name, createdMs, tags }] of rows.entries()) {
      const run = await insertRun(tx, {
        ...{ run_id: `run${index}`, experiment: 0, name, user_id: 'alice', owner_id: 'alice', status: 'RUNNING' },
        ...{ start_ms: createdMs, end_ms: null, deleted: 0 },
      });
      await writeTags(tx, run ?? 0, pairsOf(tags));
    }
  });
  const { runs } = createSearch({ workspaces });
  return {
    fields: { name: 'attributes.run_name', created: 'attributes.start_time' },
    async search(input) {
      const { items, nextPageToken } = await runs(grant, workspaceId, { ...input, experimentIds: ['0'] });
      return { names: items.map(({ info }) => info.run_name ?? ''), nextPageToken };
    },
  };
});

suite('logged models, in SQL', async (t, rows) => {
  const { database, workspaces } = await open(t);
  await database.write(async (tx) => {
    for (const [index, { name, createdMs, tags, runId = null }] of rows.entries()) {
      const model = await insertModel(tx, {
        ...{ model_id: `m-${index}`, experiment: 0, name, model_type: null, source_run_id: runId, creator_id: 'alice' },
        ...{ status: 'LOGGED_MODEL_READY', created_ms: createdMs, updated_ms: createdMs, deleted: 0 },
      });
      await writeModelTags(tx, model, pairsOf(tags));
    }
  });
  const models = createModels({ workspaces, clock: systemClock });
  return {
    fields: { name: 'name', created: 'creation_timestamp', run: 'source_run_id' },
    async search({ orderBy = [], ...input }) {
      const order = orderBy.map((item) => {
        const [field = '', direction] = item.split(' ');
        return { field, ascending: direction !== 'DESC' };
      });
      const asked = { ...input, experimentIds: ['0'], orderBy: order };
      const { items, nextPageToken } = await models.search(grant, workspaceId, asked);
      return { names: items.map(({ info }) => info.name ?? ''), nextPageToken };
    },
  };
});

suite('registered models, in memory', async (t, rows) => {
  const { database } = await open(t);
  const all = rows.map(({ name, createdMs, tags }) => ({
    ...{ name, tags, description: '', aliases: {}, createdBy: 'alice', createdMs, changedMs: createdMs },
  }));
  return {
    fields: { name: 'name', created: 'creation_timestamp' },
    async search(input) {
      const { items, nextPageToken } = await searchModels(database, all, input);
      return { names: items.map(({ name }) => name), nextPageToken };
    },
  };
});

suite('registered versions, in memory', async (t, rows) => {
  const { database } = await open(t);
  const all = rows.map(({ name, createdMs, tags, runId }) => ({
    ...{ name, version: '1', tags, description: '', stage: undefined, source: undefined, runId, runLink: undefined },
    ...{ modelId: undefined, createdBy: 'alice', createdMs, changedMs: createdMs },
  }));
  return {
    fields: { name: 'name', created: 'creation_timestamp', run: 'run_id' },
    async search(input) {
      const { items, nextPageToken } = await searchVersions(database, all, input);
      return { names: items.map(({ name }) => name), nextPageToken };
    },
  };
});
