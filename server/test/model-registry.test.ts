// MLflow's model registry over a whole server: one registry with Resource Manager's, copies that never change, lineage that
// is true, and nobody who registers or reads what he may not.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ok, openModelRegistry, refused } from './model-registry.fixture.ts';
import { makeWorkspace } from './work.fixture.ts';

const { bench, workspace, run, send, post, get, upload, arm, register } = await openModelRegistry();
after(() => bench.close());

test('what MLflow registers is a model of Resource Manager, with its run, and the other way round', async () => {
  const made = await register('both', { run_id: run, description: 'why', tags: [{ key: 'team', value: 'risk' }] });
  assert.deepEqual([made.version, made.status, made.run_id, made.current_stage], ['1', 'READY', run, 'None']);
  const shown = (await arm('GET', 'models/both/versions/1')).body.properties;
  assert.deepEqual(
    [shown.modelType, shown.jobName, shown.modelUri, shown.description, shown.tags],
    ['mlflow_model', run, `runs:/${run}/model`, 'why', { team: 'risk' }],
  );
  assert.equal(shown.registry, undefined, 'what the registry keeps for itself is not shown');

  const put = await arm('PUT', 'models/both/versions/5', {
    properties: { modelUri: `azureml://jobs/${run}/outputs/artifacts/paths/model`, description: 'by ARM' },
  });
  assert.equal(put.status, 201, put.text);
  const { model_version: read } = ok(await get('model-versions/get', { name: 'both', version: '5' }));
  assert.deepEqual([read.description, read.run_id], ['by ARM', run]);
  assert.equal((await arm('GET', 'models/both')).body.properties.nextVersion, '6');
  assert.equal((await register('both')).version, '6', 'numbers go on behind whoever chose the last');

  // A name that is no number cannot be told to clients that count.
  assert.equal(
    (await arm('PUT', 'models/both/versions/beta', { properties: { modelUri: `runs:/${run}/model` } })).status,
    201,
  );
  const found = ok(await get('model-versions/search', { filter: "name = 'both'" })).model_versions;
  assert.deepEqual(
    found.map(({ version }: { version: string }) => version),
    ['6', '5', '1'],
  );
});

test('a version is a copy: its files are read and never written, whatever its run does later', async () => {
  await register('copied');
  const { artifact_uri } = ok(await get('model-versions/get-download-uri', { name: 'copied', version: '1' }));
  assert.equal(artifact_uri, 'mlflow-artifacts:/registry/copied/1');
  await upload(`0/${run}/artifacts/model/MLmodel`, 'flavors: {changed: {}}');
  const files = 'mlflow-artifacts/artifacts';
  const listed = async (path: string) =>
    ok(await send('GET', `${files}?${new URLSearchParams({ path })}`, undefined)).files;
  assert.deepEqual(await listed('registry/copied/1'), [
    { path: 'MLmodel', is_dir: false, file_size: 11 },
    { path: 'data', is_dir: true },
  ]);
  assert.deepEqual(await listed('registry/copied/1/data'), [{ path: 'model.bin', is_dir: false, file_size: 7 }]);
  assert.equal((await send('GET', `${files}/registry/copied/1/MLmodel`, undefined)).text, 'flavors: {}');
  for (const [method, path] of [
    ['PUT', 'registry/copied/1/MLmodel'],
    ['DELETE', 'registry/copied/1/MLmodel'],
    ['DELETE', 'registry/copied/1'],
  ] as const)
    refused(await send(method, `${files}/${path}`, method === 'PUT' ? 'x' : undefined), 400, 'INVALID_PARAMETER_VALUE');
  for (const path of [
    'registry/copied/1/nothing',
    'registry/copied/2/MLmodel',
    'registry/other/1/MLmodel',
    'registry/copied',
    'registry',
  ])
    refused(await send('GET', `${files}/${path}`, undefined), 404, 'RESOURCE_DOES_NOT_EXIST');
  for (const path of ['registry/copied/1/%252e%252e/x', 'registry/copied/1//MLmodel', 'registry/copied/1/a%5cb'])
    assert.equal((await send('GET', `${files}/${path}`, undefined)).status, 400, path);
  await upload(`0/${run}/artifacts/model/MLmodel`, 'flavors: {}');
});

test('a source is files of this workspace, and everything else is refused before anything is looked up', async () => {
  await post('registered-models/create', { name: 'sources' });
  const other = (await post('runs/create', { experiment_id: '0' })).body.run.info.run_id;
  for (const source of [
    '/etc/passwd',
    './model',
    'file:///etc/passwd',
    'file:/etc/passwd',
    'http://169.254.169.254/latest/meta-data',
    'https://example.com/model',
    's3://bucket/model',
    'dbfs:/model',
    `runs://evil.example/${run}/model`,
    `mlflow-artifacts://evil.example/0/${run}/artifacts/model`,
    `mlflow-artifacts:/0/${run}/artifacts/../../x`,
    `mlflow-artifacts:/0/${run}/artifacts/%2e%2e/x`,
    `mlflow-artifacts:/7/${run}/artifacts/model`,
    `mlflow-artifacts:/registry/sources/1`,
    `runs:/${run}/../${other}`,
    `runs:/${run}/%252e%252e/x`,
    `runs:/${run}//model`,
    `runs:/${run}/model?x`,
    `runs:/${run}/model#x`,
    `runs:/${run}/a\\b`,
    `runs:/${run}/a\0b`,
    'runs:/',
    'models:/m-1',
    'models:/sources/latest',
    'models:/../1',
    'azureml://evil/x',
    `runs:/${run}/${'x'.repeat(3000)}`,
    'x'.repeat(5000),
  ])
    refused(await post('model-versions/create', { name: 'sources', source }), 400, 'INVALID_PARAMETER_VALUE');
  for (const source of [`runs:/${'0'.repeat(32)}/model`, `models:/m-${'0'.repeat(32)}`, 'models:/sources/1'])
    refused(await post('model-versions/create', { name: 'sources', source }), 404, 'RESOURCE_DOES_NOT_EXIST');
  const source = `runs:/${run}/model`;
  refused(
    await post('model-versions/create', { name: 'sources', source: `runs:/${run}/nothing` }),
    400,
    'INVALID_PARAMETER_VALUE',
  );
  refused(
    await post('model-versions/create', { name: 'sources', source, run_id: other }),
    400,
    'INVALID_PARAMETER_VALUE',
    /not from the run/,
  );
  refused(
    await post('model-versions/create', { name: 'sources', source, run_id: 'f'.repeat(32) }),
    404,
    'RESOURCE_DOES_NOT_EXIST',
  );
  refused(
    await post('model-versions/create', { name: 'sources', source, model_id: `m-${'0'.repeat(32)}` }),
    400,
    'INVALID_PARAMETER_VALUE',
  );
  refused(
    await post('model-versions/create', { name: 'nowhere', source }),
    404,
    'RESOURCE_DOES_NOT_EXIST',
    /Registered Model with name=nowhere/,
  );
  assert.equal(ok(await get('registered-models/get', { name: 'sources' })).registered_model.latest_versions, undefined);
  assert.equal((await register('sources')).version, '1', 'what was refused took no number');
});

test('logged models and other versions are sources too, with their lineage', async () => {
  const { model } = ok(await post('logged-models', { experiment_id: '0', name: 'logged', source_run_id: run }));
  const { model_id } = model.info;
  await upload(`0/models/${model_id}/artifacts/MLmodel`, 'flavors: {}');
  const made = await register('lineage', { source: `models:/${model_id}`, model_id });
  assert.deepEqual([made.model_id, made.run_id, made.source], [model_id, run, `models:/${model_id}`]);
  const copied = await register('lineage-copy', { source: 'models:/lineage/1' });
  assert.deepEqual([copied.model_id, copied.run_id], [model_id, run]);
  const contents = await Promise.all(
    ['lineage', 'lineage-copy'].map(
      async (name) => (await arm('GET', `models/${name}/versions/1`)).body.properties.properties['strongroom.snapshot'],
    ),
  );
  assert.equal(contents[0], contents[1], 'the same content is kept once');
  ok(await send('DELETE', `mlflow/logged-models/${model_id}`, {}));
  refused(
    await post('model-versions/create', { name: 'lineage', source: `models:/${model_id}` }),
    404,
    'RESOURCE_DOES_NOT_EXIST',
  );
});

test('what a run has logged as a model of MLflow 3 is found by the path that older clients wrote it at', async () => {
  const logged = async (content: string, isReady: boolean) => {
    const { model } = ok(await post('logged-models', { experiment_id: '0', name: 'classifier', source_run_id: run }));
    const { model_id } = model.info;
    await upload(`0/models/${model_id}/artifacts/MLmodel`, content);
    await upload(`0/models/${model_id}/artifacts/code/mine.py`, 'x = 1');
    if (isReady)
      ok(await send('PATCH', `mlflow/logged-models/${model_id}`, { model_id, status: 'LOGGED_MODEL_READY' }));
    return model_id;
  };
  const made = (name: string, modelUri: string) =>
    arm('PUT', `models/${name}/versions/1`, { properties: { modelUri, modelType: 'mlflow_model' } });
  await logged('flavors: {a: {}}', true);
  const newest = await logged('flavors: {b: {}}', true);
  await logged('flavors: {c: {}}', false);
  const direct = (await made('by-id', `models:/${newest}`)).body.properties.properties;
  for (const [name, uri] of [
    ['by-run', `runs:/${run}/classifier`],
    ['by-job', `azureml://jobs/${run}/outputs/artifacts/paths/classifier/`],
  ] as const) {
    const { status, text, body } = await made(name, uri);
    assert.equal(status, 201, text);
    const { properties } = body.properties;
    assert.equal(properties['strongroom.snapshot'], direct['strongroom.snapshot'], 'the newest that is complete');
    assert.equal(properties['strongroom.folder'], 'classifier');
    assert.equal(body.properties.jobName, run);
  }
  const below = await made('below', `runs:/${run}/classifier/code`);
  assert.equal(below.body.properties.properties['strongroom.files'], '1', below.text);
  for (const path of ['classifier/none', 'classifie', '../classifier', 'model/none', ''])
    assert.equal((await made('none', `runs:/${run}/${path}`)).status, path === '' ? 201 : 400, path);
  const other = (await post('runs/create', { experiment_id: '0' })).body.run.info.run_id;
  assert.equal((await made('others', `runs:/${other}/classifier`)).status, 400);
  ok(await send('DELETE', `mlflow/logged-models/${newest}`, {}));
  const older = (await made('older', `runs:/${run}/classifier`)).body.properties.properties;
  assert.notEqual(older['strongroom.snapshot'], direct['strongroom.snapshot']);
});

test('names have one casing and one form, and are given once', async () => {
  await register('Fraud');
  refused(await post('registered-models/create', { name: 'Fraud' }), 400, 'RESOURCE_ALREADY_EXISTS', /already exists/);
  // A second spelling is another model to MLflow and the same to Resource Manager: never a version of the first.
  for (const name of ['fraud', 'FRAUD']) {
    refused(await post('registered-models/create', { name }), 400, 'INVALID_PARAMETER_VALUE', /'Fraud' is there/);
    const source = `runs:/${run}/model`;
    for (const reply of [
      await post('model-versions/create', { name, source }),
      await get('registered-models/get', { name }),
      await get('model-versions/get', { name, version: '1' }),
      await post('registered-models/alias', { name, alias: 'a', version: '1' }),
      await send('DELETE', 'mlflow/registered-models/delete', { name }),
    ])
      refused(reply, 404, 'RESOURCE_DOES_NOT_EXIST', /There is 'Fraud'/);
    assert.equal((await send('GET', `mlflow-artifacts/artifacts/registry/${name}/1/MLmodel`, undefined)).status, 404);
  }
  const versions = ok(await get('model-versions/search', { filter: "name = 'Fraud'" })).model_versions;
  assert.equal(versions.length, 1);
  for (const name of ['a/b', '../x', 'a:b', '%2e', 'ｆraud', ' ', 'a b', 'a\0', 'x'.repeat(256), '-a', '.'])
    refused(await post('registered-models/create', { name }), 400, 'INVALID_PARAMETER_VALUE');
  const atOnce = await Promise.all(Array.from({ length: 8 }, () => post('registered-models/create', { name: 'once' })));
  assert.deepEqual(atOnce.map(({ status }) => status).sort(), [200, ...Array(7).fill(400)]);
  refused(
    await post('registered-models/rename', { name: 'Fraud', new_name: 'x' }),
    400,
    'INVALID_PARAMETER_VALUE',
    /keeps its name/,
  );
});

test('versions that are registered at once get numbers of their own, and a number is never given twice', async () => {
  await post('registered-models/create', { name: 'numbers' });
  const body = { name: 'numbers', source: `runs:/${run}/model` };
  const made = await Promise.all(Array.from({ length: 5 }, () => post('model-versions/create', body)));
  assert.deepEqual(made.map((reply) => ok(reply).model_version.version).sort(), ['1', '2', '3', '4', '5']);
  ok(await send('DELETE', 'mlflow/model-versions/delete', { name: 'numbers', version: '5' }));
  assert.equal((await register('numbers')).version, '6');
  refused(await get('model-versions/get', { name: 'numbers', version: '5' }), 404, 'RESOURCE_DOES_NOT_EXIST');
  for (const version of ['beta', '0', '-1', '1.5', '../1', '9'.repeat(40)])
    refused(
      await get('model-versions/get', { name: 'numbers', version }),
      400,
      'INVALID_PARAMETER_VALUE',
      /must be an integer/,
    );
});

test('aliases point to one version, move, and go with it', async () => {
  await register('aliased');
  await register('aliased');
  const set = (alias: string, version: string) => post('registered-models/alias', { name: 'aliased', alias, version });
  ok(await set('champion', '1'));
  ok(await set('champion', '2'));
  ok(await set('次', '1'));
  const of = async (alias: string) => get('registered-models/alias', { name: 'aliased', alias });
  assert.deepEqual(ok(await of('champion')).model_version.aliases, ['champion']);
  assert.equal(ok(await of('champion')).model_version.version, '2');
  assert.equal((await arm('DELETE', 'models/aliased/versions/2')).status, 200, 'also when it is removed another way');
  refused(await of('champion'), 400, 'INVALID_PARAMETER_VALUE', /not found/);
  assert.deepEqual(ok(await get('registered-models/get', { name: 'aliased' })).registered_model.aliases, [
    { alias: '次', version: '1' },
  ]);
  ok(await send('DELETE', 'mlflow/registered-models/alias', { name: 'aliased', alias: '次' }));
  for (const alias of ['latest', 'LATEST', 'v1', 'V22', 'a b', 'a/b', 'a@b', 'x'.repeat(256), '__proto__x y'])
    refused(await set(alias, '1'), 400, 'INVALID_PARAMETER_VALUE');
  refused(await set('good', '7'), 404, 'RESOURCE_DOES_NOT_EXIST');
  refused(await of('constructor'), 400, 'INVALID_PARAMETER_VALUE', /not found/);
});

test('stages: canonical, latest of each, and the others archived when asked', async () => {
  for (let count = 0; count < 3; count++) await register('staged');
  const move = (version: string, stage: string, archive_existing_versions = false) =>
    post('model-versions/transition-stage', { name: 'staged', version, stage, archive_existing_versions });
  assert.equal(ok(await move('1', 'production')).model_version.current_stage, 'Production');
  ok(await move('2', 'Production', true));
  const latest = async (...stages: string[]) =>
    Object.fromEntries(
      (ok(await post('registered-models/get-latest-versions', { name: 'staged', stages })).model_versions ?? []).map(
        (one: { current_stage: string; version: string }) => [one.current_stage, one.version],
      ),
    );
  assert.deepEqual(await latest(), { Archived: '1', Production: '2', None: '3' });
  assert.deepEqual(await latest('production', 'None'), { Production: '2', None: '3' });
  assert.equal((await arm('GET', 'models/staged/versions/2')).body.properties.stage, 'Production');
  refused(await move('1', 'Best'), 400, 'INVALID_PARAMETER_VALUE', /Value must be one of/);
  refused(await move('1', 'Archived', true), 400, 'INVALID_PARAMETER_VALUE');
});

test('tags and descriptions are the same for both protocols, and bounded', async () => {
  await register('described');
  ok(await post('registered-models/set-tag', { name: 'described', key: 'a', value: '1' }));
  ok(await post('registered-models/set-tag', { name: 'described', key: 'empty' }));
  ok(await send('PATCH', 'mlflow/registered-models/update', { name: 'described', description: 'what' }));
  ok(await post('model-versions/set-tag', { name: 'described', version: '1', key: 'b', value: '2' }));
  ok(await send('PATCH', 'mlflow/model-versions/update', { name: 'described', version: '1', description: 'this' }));
  // What would have to run at each new version is refused, and nothing else of the request is done.
  for (const [method, path] of [
    ['POST', 'create'],
    ['PATCH', 'update'],
  ] as const)
    refused(
      await send(method, `mlflow/registered-models/${path}`, { name: 'described', deployment_job_id: '7' }),
      400,
      'INVALID_PARAMETER_VALUE',
      /Leave deployment_job_id out/,
    );
  const model = (await arm('GET', 'models/described')).body.properties;
  assert.deepEqual([model.description, model.tags], ['what', { a: '1', empty: '' }]);
  const version = (await arm('GET', 'models/described/versions/1')).body.properties;
  assert.deepEqual([version.description, version.tags], ['this', { b: '2' }]);
  assert.equal(
    (await arm('PUT', 'models/described/versions/1', { properties: version })).status,
    200,
    'an answer goes back',
  );
  ok(await send('DELETE', 'mlflow/registered-models/delete-tag', { name: 'described', key: 'a' }));
  ok(await send('DELETE', 'mlflow/model-versions/delete-tag', { name: 'described', version: '1', key: 'none' }));
  assert.deepEqual((await arm('GET', 'models/described')).body.properties.tags, { empty: '' });
  for (const more of [
    { key: '../x', value: '' },
    { key: 'k', value: 'x'.repeat(100_001) },
    { key: 'k', value: 'a\0' },
  ])
    refused(await post('registered-models/set-tag', { name: 'described', ...more }), 400, 'INVALID_PARAMETER_VALUE');
  // As long as MLflow lets a model card be, in both protocols, and bounded in all.
  const card = '語'.repeat(100_000);
  for (let at = 0; at < 9; at++)
    ok(await post('registered-models/set-tag', { name: 'described', key: `card${at}`, value: card }));
  ok(await post('registered-models/set-tag', { name: 'described', key: 'small', value: 'x'.repeat(99_999) }));
  refused(
    await post('registered-models/set-tag', { name: 'described', key: 'more', value: 'xx' }),
    400,
    'INVALID_PARAMETER_VALUE',
    /characters of tags/,
  );
  ok(await send('PATCH', 'mlflow/registered-models/update', { name: 'described', description: 'd'.repeat(20_000) }));
  assert.equal((await arm('GET', 'models/described')).body.properties.tags.card3, card);
  const tags = Array.from({ length: 201 }, (_, at) => ({ key: `k${at}`, value: '' }));
  refused(
    await post('registered-models/create', { name: 'tagged', tags }),
    400,
    'INVALID_PARAMETER_VALUE',
    /at most 200/,
  );
});

test('searches filter, order and page, and tokens belong to one question', async () => {
  for (const name of ['s-b', 's-a', 's-c']) await register(name, { tags: [{ key: 'set', value: name }] });
  await post('registered-models/create', {
    name: 's-prompt',
    tags: [{ key: 'mlflow.prompt.is_prompt', value: 'true' }],
  });
  const models = async (query: Record<string, string>) => ok(await get('registered-models/search', query));
  const names = (body: { registered_models?: { name: string }[] }) =>
    (body.registered_models ?? []).map(({ name }) => name);
  assert.deepEqual(names(await models({ filter: "name LIKE 's-%'" })), ['s-a', 's-b', 's-c']);
  assert.deepEqual(names(await models({ filter: "name ILIKE 'S-_'", order_by: 'name DESC' })), ['s-c', 's-b', 's-a']);
  const prompts = "name LIKE 's-%' AND tag.`mlflow.prompt.is_prompt` = 'true'";
  assert.deepEqual(names(await models({ filter: prompts })), ['s-prompt']);
  const filter = "name LIKE 's-%' AND tag.`mlflow.prompt.is_prompt` != 'true'";
  const first = await models({ filter, max_results: '2' });
  const page_token = String(first.next_page_token);
  const second = await models({ filter, max_results: '2', page_token });
  assert.deepEqual([...names(first), ...names(second)], ['s-a', 's-b', 's-c']);
  assert.equal(second.next_page_token, undefined);
  refused(
    await get('registered-models/search', { filter: "name = 's-a'", page_token }),
    400,
    'INVALID_PARAMETER_VALUE',
  );
  refused(await get('model-versions/search', { filter, page_token }), 400, 'INVALID_PARAMETER_VALUE');

  const versions = async (query: Record<string, string>) =>
    (ok(await get('model-versions/search', query)).model_versions ?? []).map(({ name }: { name: string }) => name);
  assert.deepEqual(await versions({ filter: "tags.set = 's-a'" }), ['s-a']);
  assert.deepEqual(await versions({ filter: `run_id IN ('${run}') AND name LIKE 's-%'`, order_by: 'name' }), [
    's-a',
    's-b',
    's-c',
  ]);
  assert.deepEqual(await versions({ filter: "version_number > 1 AND name LIKE 's-%'" }), []);
  assert.deepEqual(
    await versions({ filter: `source_path = 'runs:/${run}/model' AND name = 's-b'`, max_results: '200000' }),
    ['s-b'],
  );
  for (const [path, wrong] of [
    ['registered-models/search', { filter: 'version_number = 1' }],
    ['registered-models/search', { filter: "name = 'a' OR name = 'b'" }],
    ['registered-models/search', { order_by: 'tag.a' }],
    ['registered-models/search', { max_results: '0' }],
    ['model-versions/search', { filter: 'version_number = "1"' }],
    ['model-versions/search', { order_by: 'stage' }],
  ] as const)
    refused(await get(path, wrong), 400, 'INVALID_PARAMETER_VALUE');
});

test('registering needs the right to register, and the right to read what is registered', async () => {
  await register('guarded');
  const reader = await bench.principal(['Reader'], workspace);
  ok(await get('model-versions/get', { name: 'guarded', version: '1' }, { as: reader }));
  const source = `runs:/${run}/model`;
  for (const reply of [
    await post('registered-models/create', { name: 'mine' }, { as: reader }),
    await post('model-versions/create', { name: 'guarded', source }, { as: reader }),
    await post('registered-models/alias', { name: 'guarded', alias: 'a', version: '1' }, { as: reader }),
    await send('DELETE', 'mlflow/registered-models/delete', { name: 'guarded' }, { as: reader }),
  ])
    refused(reply, 403, 'PERMISSION_DENIED');
  const stranger = await bench.principal([]);
  refused(await get('registered-models/get', { name: 'guarded' }, { as: stranger }), 403, 'PERMISSION_DENIED');
  refused(await get('registered-models/get', { name: 'nowhere' }, { as: stranger }), 403, 'PERMISSION_DENIED');

  const elsewhere = await makeWorkspace(bench, 'registry', 'elsewhere');
  await post('registered-models/create', { name: 'guarded' }, { at: elsewhere });
  refused(
    await post('model-versions/create', { name: 'guarded', source }, { at: elsewhere }),
    404,
    'RESOURCE_DOES_NOT_EXIST',
  );
  refused(
    await get('model-versions/get', { name: 'guarded', version: '1' }, { at: elsewhere }),
    404,
    'RESOURCE_DOES_NOT_EXIST',
  );
});

test('removing a model removes its versions, here and in Resource Manager', async () => {
  await register('removed');
  ok(await send('DELETE', 'mlflow/registered-models/delete', { name: 'removed' }));
  refused(await get('registered-models/get', { name: 'removed' }), 404, 'RESOURCE_DOES_NOT_EXIST');
  assert.equal((await arm('GET', 'models/removed/versions/1')).status, 404);
  assert.equal((await register('removed')).version, '1');
});
