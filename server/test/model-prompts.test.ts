// MLflow's prompts, which are names of its model registry: over a whole server, beside the models and never among them.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ok, openModelRegistry, refused } from './model-registry.fixture.ts';

const { bench, run, send, post, get, arm, register } = await openModelRegistry();
after(() => bench.close());

test('a prompt is a name whose versions are text: kept, aliased, searched apart from models, and never deployed', async () => {
  const is = { key: 'mlflow.prompt.is_prompt', value: 'true' };
  const text = { key: 'mlflow.prompt.text', value: 'Hello {{name}}' };
  ok(await post('registered-models/create', { name: 'greeting', tags: [is] }));
  const make = (more: Record<string, unknown> = {}) =>
    post('model-versions/create', { name: 'greeting', source: 'dummy-source', tags: [is, text], ...more });
  assert.equal(ok(await make({ description: 'first' })).model_version.version, '1');
  assert.equal(ok(await make({ source: 'prompt-template' })).model_version.version, '2');
  ok(await post('registered-models/alias', { name: 'greeting', alias: 'best', version: '1' }));
  const read = ok(await get('registered-models/alias', { name: 'greeting', alias: 'best' })).model_version;
  assert.deepEqual(read.tags, [is, text]);
  assert.equal(
    ok(await get('registered-models/alias', { name: 'greeting', alias: 'latest' })).model_version.version,
    '2',
  );
  const names = async (path: string, filter: string) => {
    const body = ok(await get(`${path}/search`, { filter }));
    return (body.registered_models ?? body.model_versions ?? []).map((one: { name: string }) => one.name);
  };
  const prompts = "tags.`mlflow.prompt.is_prompt` = 'true' AND name LIKE 'gree%'";
  assert.deepEqual(await names('registered-models', prompts), ['greeting']);
  assert.deepEqual(await names('model-versions', prompts), ['greeting', 'greeting']);
  for (const path of ['registered-models', 'model-versions'])
    assert.deepEqual(await names(path, "name LIKE 'gree%'"), [], 'no model is a prompt');

  // What is one stays one, and holds nothing of the other.
  const files = `runs:/${run}/model`;
  refused(await make({ source: files }), 400, 'INVALID_PARAMETER_VALUE', /is a prompt/);
  refused(await make({ tags: [text] }), 400, 'INVALID_PARAMETER_VALUE', /is a prompt/);
  await register('no-prompt');
  refused(await make({ name: 'no-prompt' }), 400, 'INVALID_PARAMETER_VALUE', /is a registered model/);
  refused(
    await post('model-versions/create', { name: 'no-prompt', source: 'dummy-source' }),
    400,
    'INVALID_PARAMETER_VALUE',
  );
  refused(
    await post('registered-models/create', { name: 'greeting' }),
    400,
    'RESOURCE_ALREADY_EXISTS',
    /already taken by a prompt/,
  );
  for (const [path, of] of [
    ['registered-models', { name: 'greeting' }],
    ['model-versions', { name: 'greeting', version: '1' }],
  ] as const) {
    refused(await post(`${path}/set-tag`, { ...of, key: is.key, value: 'false' }), 400, 'INVALID_PARAMETER_VALUE');
    refused(await send('DELETE', `mlflow/${path}/delete-tag`, { ...of, key: is.key }), 400, 'INVALID_PARAMETER_VALUE');
  }
  for (const [name, properties] of [
    ['no-prompt/versions/9', { modelUri: 'prompt-template', tags: { [is.key]: 'true' } }],
    ['fresh/versions/1', { modelUri: 'prompt-template', tags: { [is.key]: 'true' } }],
    ['greeting/versions/9', { modelUri: files }],
    ['greeting/versions/9', { modelUri: 'prompt-template' }],
  ] as const) {
    const put = await arm('PUT', `models/${name}`, { properties });
    assert.deepEqual([put.status, put.body.error.code], [400, 'PromptVersion'], name);
  }
  assert.equal((await arm('GET', 'models/fresh')).status, 404);
  const shown = (await arm('GET', 'models/greeting/versions/1')).body.properties;
  assert.equal(shown.properties['strongroom.snapshot'], undefined);
  assert.equal(shown.tags[text.key], text.value);

  // Nothing to read, to copy, or to deploy.
  const listed = await send('GET', 'mlflow-artifacts/artifacts?path=registry/greeting/1', undefined);
  refused(listed, 400, 'INVALID_PARAMETER_VALUE', /is a prompt: text without files/);
  refused(await make({ source: 'models:/greeting/1' }), 400, 'INVALID_PARAMETER_VALUE');
});
