// An environment of Azure's own, by its short name: the workspace's where it has one, and else what the server says stands for it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServiceError } from '@strongroom/contract/client';
import { openDocuments } from './documents.fixture.ts';
import { jobBody } from './job.ts';

const { paths, sources, file } = openDocuments();
const failing = (status: number) => ({
  ...sources,
  latest: () =>
    Promise.reject(new ServiceError({ status, code: 'x', message: 'refused', requestId: 'r', details: [] })),
});
async function environmentIn(name: string, from = sources) {
  const { body } = await jobBody(await file(`command: a\ncompute: c\nenvironment: ${name}\n`), paths, from);
  return (body['properties'] as Record<string, unknown>)['environmentId'];
}

test('it is looked for in the workspace, and sent as it is written where it is not there', async () => {
  const curated = 'azureml:AzureML-sklearn-1.5@latest';
  assert.equal(await environmentIn(curated), paths.assetVersion('environments', 'AzureML-sklearn-1.5', '7'));
  assert.equal(await environmentIn(curated, failing(404)), curated);
  await assert.rejects(environmentIn(curated, failing(403)), /refused/);
  await assert.rejects(environmentIn('azureml:mine@latest', failing(404)), /refused/);
});
