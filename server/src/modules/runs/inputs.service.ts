// What a run was made from and what came out of it: datasets and models that it used, models that it made.

import type { DatasetInput } from '@strongroom/contract/runs';
import type { Grant } from '#kernel/authority/grant';
import type { Tx } from '#kernel/database/database';
import type { WorkspaceDatabases } from './databases.service.ts';
import * as store from './inputs.store.ts';
import {
  inputDatasetsMax,
  ownedDatasetCharactersMax,
  ownedDatasetsMax,
  requireRunId,
  requireText,
} from './names.rules.ts';
import { invalid, noRun, tooMany } from './runs.errors.ts';
import { requireActive } from './runs.service.ts';
import { findRun, type RunRow } from './runs.store.ts';

export type Inputs = {
  log(
    grant: Grant,
    workspaceId: string,
    runId: string,
    inputs: { datasets?: readonly DatasetInput[]; models?: readonly { model_id: string }[] },
  ): Promise<void>;
  logOutputs(
    grant: Grant,
    workspaceId: string,
    runId: string,
    models: readonly { model_id: string; step?: number }[],
  ): Promise<void>;
};

const modelsMax = 1000;
const ownedModelsMax = 10_000;
const lengths = {
  name: 500,
  digest: 36,
  source_type: 36,
  source: 65_535,
  schema: 1_048_575,
  profile: 16_777_215,
} as const;

export function createInputs(deps: { readonly workspaces: WorkspaceDatabases }): Inputs {
  async function write(
    grant: Grant,
    workspaceId: string,
    runId: string,
    act: (tx: Tx, row: RunRow) => Promise<void>,
  ): Promise<void> {
    requireRunId(runId);
    const database = await deps.workspaces.database(grant, workspaceId);
    await database.write(async (tx) => {
      const row = await findRun(tx, runId);
      if (row === undefined) throw noRun(runId);
      requireActive(row);
      await act(tx, row);
    });
  }

  return {
    async log(grant, workspaceId, runId, { datasets = [], models = [] }) {
      if (datasets.length > inputDatasetsMax)
        throw invalid(`At most ${inputDatasetsMax} datasets are logged at once.`, 'datasets');
      requireModels(models);
      for (const [index, input] of datasets.entries()) requireDataset(input, `datasets[${index}]`);
      await write(grant, workspaceId, runId, async (tx, row) => {
        for (const { dataset, tags = [] } of datasets)
          await store.tieDataset(tx, row.run, await store.keepDataset(tx, row.experiment, dataset), tags);
        for (const { model_id } of models) await store.tieModel(tx, row.run, { model_id, direction: 'input', step: 0 });
        await requireFew(tx, row.run);
      });
    },
    async logOutputs(grant, workspaceId, runId, models) {
      requireModels(models);
      await write(grant, workspaceId, runId, async (tx, row) => {
        for (const { model_id, step = 0 } of models)
          await store.tieModel(tx, row.run, { model_id, direction: 'output', step });
        await requireFew(tx, row.run);
      });
    },
  };
}

async function requireFew(tx: Tx, run: number): Promise<void> {
  const { datasets, characters, models } = await store.countInputs(tx, run);
  if (datasets > ownedDatasetsMax) throw tooMany('A run', 'datasets', ownedDatasetsMax);
  if (characters > ownedDatasetCharactersMax)
    throw tooMany('A run', 'characters of schemas and profiles of datasets', ownedDatasetCharactersMax);
  if (models > ownedModelsMax) throw tooMany('A run', 'models', ownedModelsMax);
}

function requireModels(models: readonly { readonly model_id: string }[]): void {
  if (models.length > modelsMax) throw invalid(`At most ${modelsMax} models are logged at once.`, 'models');
  for (const { model_id } of models) requireText(model_id, 'model_id', 64);
}

function requireDataset({ dataset, tags = [] }: DatasetInput, path: string): void {
  for (const [name, max] of Object.entries(lengths)) {
    const value = dataset[name as keyof typeof lengths]; // the keys of the table just above
    if (value !== undefined) requireText(value, `${path}.dataset.${name}`, max);
  }
  if (tags.length > 100) throw invalid(`${path} holds more than 100 tags.`, `${path}.tags`);
  for (const tag of tags) {
    requireText(tag.key, `${path}.tags.key`, 255);
    requireText(tag.value, `${path}.tags.value`, 500);
  }
}
