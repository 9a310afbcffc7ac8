// Deployments without a scoring script: a model that MLflow has written, in the environment that it brings or in one that is named. What
// environments make of a model's files is theirs to test; here stands what a deployment asks of them and what runs in the end.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Environments, ModelFiles } from '#environments';
import { Failure } from '#kernel/errors/failure';
import {
  deploymentBody,
  endpointId,
  furnish,
  registryId,
  setUp,
  workspaceId,
} from '../../../test/lab/endpoints.fixture.ts';

const mlflow = { modelType: 'mlflow_model' };
const files = { MLmodel: 'flavors: {}\n', 'conda.yaml': 'dependencies: []\n', 'code/mine.py': 'x = 1\n' };
const bare = (more: Readonly<Record<string, unknown>> = {}) =>
  deploymentBody({ codeConfiguration: null, model: 'azureml:iris:1', ...more });

/** Environments that note what they are asked; the image of a recipe is the one that stands in the registry. */
async function open(t: TestContext) {
  const asked: string[] = [];
  const seen: ModelFiles[] = [];
  const held: { refusal: Failure | undefined; digest: string } = { refusal: undefined, digest: '' };
  const environments: Environments = {
    check: async () => undefined,
    plan: async (_grant, _workspace, id) => {
      asked.push(`plan ${id.split('/').at(-3)}`);
      return { recipe: 'sha256:named' };
    },
    knows: () => false,
    checkModel: async (given) => {
      asked.push('check');
      seen.push(given);
      if (held.refusal) throw held.refusal;
    },
    planModel: async (_workspaceId, given) => {
      asked.push('plan model');
      seen.push(given);
      if (held.refusal) throw held.refusal;
      return { recipe: 'sha256:brought' };
    },
    ready: async ({ recipe, submitter, subject }) => {
      asked.push(`ready ${recipe} for ${submitter.slice(0, 4)} ${subject.split('/').at(-1)}`);
      const [repository = '', digest = ''] = held.digest.split('@');
      return { registryId, repository, digest, pullScope: '' };
    },
  };
  const world = await setUp(t, { environments });
  await furnish(world);
  const shown = (await world.arm('GET', `${endpointId}/deployments/blue`)).json.properties.properties;
  held.digest = String(shown['strongroom.image']).replace(/^crlab\//, '');
  await world.register('models', 'iris', files, mlflow);
  asked.length = 0;
  return { world, asked, seen, held };
}
const green = `${endpointId}/deployments/green`;

test('a model of MLflow is served without a script, in the environment that it brings, made for who deploys it', async (t) => {
  const { world, asked, seen } = await open(t);
  const { got } = await world.make(green, bare());
  assert.equal(got.json.properties.provisioningState, 'Succeeded', got.text);
  assert.deepEqual(asked.slice(0, 2), ['plan model', 'plan model']);
  assert.match(asked[2] ?? '', /^ready sha256:brought for .{4} green$/);
  assert.deepEqual([...(seen[0]?.sizes.keys() ?? [])].sort(), ['MLmodel', 'code/mine.py', 'conda.yaml']);
  assert.equal(Buffer.from((await seen[0]?.read('conda.yaml')) ?? '').toString(), files['conda.yaml']);
  const work = world.fake.running().find(({ subject }) => subject.endsWith('green'));
  const score = (await world.fake.documentOf(work?.id ?? '')).document.score as Record<string, unknown>;
  assert.equal(score['mlflowModel'], '/var/azureml-app/azureml-models/iris/1');
  assert.equal(score['modelDir'], '/var/azureml-app/azureml-models/iris/1');
  assert.equal('entryScript' in score, false);
  // An answer can be sent back as it was given, and rolls nothing out anew.
  const again = await world.arm('PUT', green, got.json);
  assert.equal(again.status, 200, again.text);
  assert.equal(asked.filter((one) => one.startsWith('ready')).length, 1);
  assert.equal(got.json.properties.mlflowModel, undefined);
});

test('it runs again after a crash of the server, without being built anew', async (t) => {
  const { world, asked } = await open(t);
  await world.make(green, bare());
  const again = await world.restart();
  await again.start();
  await again.fake.until(() => again.fake.running().some(({ subject }) => subject.endsWith('green')));
  const work = again.fake.running().find(({ subject }) => subject.endsWith('green'));
  const score = (await again.fake.documentOf(work?.id ?? '')).document.score as Record<string, unknown>;
  assert.equal(score['mlflowModel'], '/var/azureml-app/azureml-models/iris/1');
  assert.equal(asked.filter((one) => one.startsWith('ready')).length, 1);
});

test('an environment that is named takes the place of the one that the model brings', async (t) => {
  const { world, asked } = await open(t);
  const environmentId = `${workspaceId}/environments/own/versions/1`;
  const put = await world.arm('PUT', environmentId, { properties: { condaFile: 'dependencies: [{ pip: [mlflow] }]' } });
  assert.ok(put.status < 300, put.text);
  const { got } = await world.make(green, bare({ environmentId }));
  assert.equal(got.json.properties.provisioningState, 'Succeeded', got.text);
  assert.deepEqual(
    asked.map((one) => one.replace(/ for .*/, '')),
    ['check', 'plan own', 'check', 'plan own', 'ready sha256:named'],
  );
  const { got: changed } = await world.make(green, bare());
  assert.equal(changed.json.properties.provisioningState, 'Succeeded', changed.text);
  assert.match(asked.at(-1) ?? '', /^ready sha256:brought/);
});

test('a script of its own is run as ever, whatever the type of the model', async (t) => {
  const { world, asked } = await open(t);
  const { got } = await world.make(green, deploymentBody({ model: 'azureml:iris:1' }));
  assert.equal(got.json.properties.provisioningState, 'Succeeded', got.text);
  assert.deepEqual(asked, []);
  const work = world.fake.running().find(({ subject }) => subject.endsWith('green'));
  const score = (await world.fake.documentOf(work?.id ?? '')).document.score as Record<string, unknown>;
  assert.deepEqual([score['entryScript'], score['mlflowModel']], ['score.py', undefined]);
});

test('what cannot be served without a script is refused before anything is made, with what to do', async (t) => {
  const { world, held } = await open(t);
  await world.register('models', 'triton', files, { modelType: 'triton_model' });
  const refused = async (body: object, what: RegExp) => {
    const { put } = await world.make(green, body);
    assert.equal(put.status, 400, put.text);
    assert.match(put.text, what);
  };
  await refused(bare({ model: 'azureml:credit:1' }), /Only a model of type mlflow_model.*this is a custom_model/);
  await refused(bare({ model: 'azureml:triton:1' }), /this is a triton_model/);
  for (const codeId of [undefined, ''])
    await refused(
      bare({ codeConfiguration: { ...(codeId === undefined ? {} : { codeId }), scoringScript: 'score.py' } }),
      /names a script and no codeId.*leave codeConfiguration out for a model of type mlflow_model/,
    );
  held.refusal = new Failure({ kind: 'invalid', code: 'ModelNotServed', message: 'its MLmodel lies' });
  await refused(bare(), /its MLmodel lies/);
  await refused(bare({ environmentId: `${workspaceId}/environments/own/versions/1` }), /its MLmodel lies/);
  assert.equal((await world.arm('GET', green)).status, 404);
});
