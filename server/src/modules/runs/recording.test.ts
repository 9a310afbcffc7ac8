// Experiments, runs and what is logged to them, over the real door, database and storage.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { createLogging } from './logging.service.ts';
import { grant, workspaceId } from './testing.ts';
import { opened, refused, runOf } from './tracking.fixture.ts';

after(() => closeScanPool());

test('experiment 0 is called Default and is there from the beginning', async (t) => {
  const { mlflow } = await opened(t);
  const { body } = await mlflow.get('/experiments/get', { experiment_id: '0' });
  const experiment = body['experiment'] as Record<string, unknown>;
  assert.equal(experiment['name'], 'Default');
  assert.equal(experiment['artifact_location'], 'mlflow-artifacts:/0');
  assert.equal(experiment['lifecycle_stage'], 'active');
});

test('an experiment is made, found by name, renamed, deleted with its runs and restored with them', async (t) => {
  const { mlflow, getRun } = await opened(t);
  const made = await mlflow.post('/experiments/create', { name: 'fraud', tags: [{ key: 'team', value: 'risk' }] });
  assert.deepEqual(made, { status: 200, body: { experiment_id: '1' } });
  refused(
    await mlflow.post('/experiments/create', { name: 'fraud' }),
    400,
    'RESOURCE_ALREADY_EXISTS',
    /already exists/,
  );
  const run = runOf(await mlflow.post('/runs/create', { experiment_id: '1' }));
  const id = String(run.info['run_id']);

  assert.equal((await mlflow.post('/experiments/delete', { experiment_id: '1' })).status, 200);
  assert.equal((await getRun(id)).info['lifecycle_stage'], 'deleted');
  refused(await mlflow.post('/experiments/delete', { experiment_id: '1' }), 404, 'RESOURCE_DOES_NOT_EXIST');
  refused(await mlflow.post('/experiments/create', { name: 'fraud' }), 400, 'RESOURCE_ALREADY_EXISTS');
  refused(
    await mlflow.post('/experiments/update', { experiment_id: '1', new_name: 'x' }),
    400,
    'INVALID_PARAMETER_VALUE',
  );
  refused(await mlflow.post('/runs/create', { experiment_id: '1' }), 400, 'INVALID_PARAMETER_VALUE', /'active' state/);
  const deleted = await mlflow.get('/experiments/get-by-name', { experiment_name: 'fraud' });
  assert.equal((deleted.body['experiment'] as Record<string, unknown>)['lifecycle_stage'], 'deleted');

  assert.equal((await mlflow.post('/experiments/restore', { experiment_id: '1' })).status, 200);
  assert.equal((await getRun(id)).info['lifecycle_stage'], 'active');
  assert.equal((await mlflow.post('/experiments/update', { experiment_id: '1', new_name: 'fraud 2' })).status, 200);
  refused(await mlflow.get('/experiments/get-by-name', { experiment_name: 'fraud' }), 404, 'RESOURCE_DOES_NOT_EXIST');
  const { body } = await mlflow.get('/experiments/get-by-name', { experiment_name: 'fraud 2' });
  assert.deepEqual((body['experiment'] as Record<string, unknown>)['tags'], [{ key: 'team', value: 'risk' }]);
  refused(
    await mlflow.post('/experiments/create', { name: 'x', artifact_location: 's3://evil' }),
    400,
    'INVALID_PARAMETER_VALUE',
  );
});

test('tags of experiments are set, replaced and removed', async (t) => {
  const { mlflow } = await opened(t);
  const set = (value: string) =>
    mlflow.post('/experiments/set-experiment-tag', { experiment_id: '0', key: 'k', value });
  assert.equal((await set('1')).status, 200);
  assert.equal((await set('2')).status, 200);
  refused(await set('x'.repeat(20_001)), 400, 'INVALID_PARAMETER_VALUE', /maximum length of 20000 characters/);
  const { body } = await mlflow.get('/experiments/get', { experiment_id: '0' });
  assert.deepEqual((body['experiment'] as Record<string, unknown>)['tags'], [{ key: 'k', value: '2' }]);
  const remove = () => mlflow.post('/experiments/delete-experiment-tag', { experiment_id: '0', key: 'k' });
  assert.equal((await remove()).status, 200);
  refused(await remove(), 404, 'RESOURCE_DOES_NOT_EXIST');
});

test('a run belongs to whoever signed in, whatever the client says', async (t) => {
  const { createRun, mlflow, getRun } = await opened(t);
  const tags = [{ key: 'mlflow.user', value: 'mallory' }];
  const run = await createRun({ user_id: 'mallory', tags, start_time: '1700000000000' });
  assert.equal(run.info['user_id'], 'alice');
  assert.equal(run.info['start_time'], 1_700_000_000_000);
  assert.equal(run.data.tags?.find((tag) => tag.key === 'mlflow.user')?.value, 'alice');
  const id = String(run.info['run_id']);
  assert.match(id, /^[0-9a-f]{32}$/);
  assert.equal(run.info['run_uuid'], id);
  await mlflow.post('/runs/set-tag', { run_id: id, key: 'mlflow.user', value: 'mallory' });
  await mlflow.post('/runs/log-batch', { run_id: id, tags });
  assert.equal((await getRun(id)).data.tags?.find((tag) => tag.key === 'mlflow.user')?.value, 'alice');
});

test('the name of a run and its tag are one value', async (t) => {
  const { createRun, mlflow, getRun } = await opened(t);
  assert.match(String((await createRun()).info['run_name']), /^[a-z]+-[a-z]+-\d{1,3}$/);
  const tagged = await createRun({ tags: [{ key: 'mlflow.runName', value: 'first' }] });
  assert.equal(tagged.info['run_name'], 'first');
  const conflicting = { experiment_id: '0', run_name: 'a', tags: [{ key: 'mlflow.runName', value: 'b' }] };
  refused(await mlflow.post('/runs/create', conflicting), 400, 'INVALID_PARAMETER_VALUE');
  const run_id = String(tagged.info['run_id']);
  await mlflow.post('/runs/update', { run_id, run_name: 'second' });
  assert.equal((await getRun(run_id)).data.tags?.find((tag) => tag.key === 'mlflow.runName')?.value, 'second');
  await mlflow.post('/runs/set-tag', { run_id, key: 'mlflow.runName', value: 'third' });
  assert.equal((await getRun(run_id)).info['run_name'], 'third');
});

test('a run is updated, deleted and restored, and a deleted one takes no writes', async (t) => {
  const { mlflow, newRun, getRun } = await opened(t);
  const run_id = await newRun();
  assert.equal((await getRun(run_id)).info['end_time'], undefined);
  const updated = await mlflow.post('/runs/update', { run_id, status: 'FINISHED', end_time: 1_700_000_000_001 });
  const info = updated.body['run_info'] as Record<string, unknown>;
  assert.deepEqual([info['status'], info['end_time']], ['FINISHED', 1_700_000_000_001]);
  assert.equal((await mlflow.post('/runs/update', { run_uuid: run_id, status: 4 })).status, 200);
  assert.equal((await getRun(run_id)).info['status'], 'FAILED');
  refused(
    await mlflow.post('/runs/update', { run_id, status: 'NOPE' }),
    400,
    'INVALID_PARAMETER_VALUE',
    /Invalid value "NOPE" for parameter 'status' supplied/,
  );

  await mlflow.post('/runs/delete', { run_id });
  for (const [path, body] of [
    ['/runs/update', { status: 'RUNNING' }],
    ['/runs/log-metric', { key: 'm', value: 1, timestamp: 1 }],
    ['/runs/log-parameter', { key: 'p', value: '1' }],
    ['/runs/set-tag', { key: 't', value: '1' }],
    ['/runs/delete-tag', { key: 't' }],
    ['/runs/log-batch', { params: [{ key: 'p', value: '1' }] }],
    ['/runs/log-inputs', {}],
  ] as const) {
    refused(
      await mlflow.post(path, { run_id, ...body }),
      400,
      'INVALID_PARAMETER_VALUE',
      /must be in the 'active' state/,
    );
  }
  await mlflow.post('/runs/restore', { run_id });
  assert.equal((await mlflow.post('/runs/set-tag', { run_id, key: 't', value: '1' })).status, 200);
  refused(await mlflow.get('/runs/get', { run_id: 'f'.repeat(32) }), 404, 'RESOURCE_DOES_NOT_EXIST');
});

test('the latest value of a metric is that of the greatest step, time and value, and a point sent twice is one', async (t) => {
  const { mlflow, newRun, getRun } = await opened(t);
  const run_id = await newRun();
  const log = async (value: unknown, timestamp: unknown, step?: unknown) => {
    const answer = await mlflow.post('/runs/log-metric', { run_id, key: 'loss', value, timestamp, step });
    assert.deepEqual(answer, { status: 200, body: {} });
  };
  await log(3, 10, 2);
  await log(1, 99, 1);
  await log('NaN', '11', '2');
  await log('NaN', 11, 2);
  await log(5, 10, 2);
  await log(-2, 1, -5);
  const [latest] = (await getRun(run_id)).data.metrics ?? [];
  assert.deepEqual(latest, { key: 'loss', value: 'NaN', timestamp: 11, step: 2 });
  const { body } = await mlflow.get('/metrics/get-history', { run_id, metric_key: 'loss' });
  assert.deepEqual(
    (body['metrics'] as { value: unknown; timestamp: number; step: number }[]).map((p) => [
      p.timestamp,
      p.step,
      p.value,
    ]),
    [
      [1, -5, -2],
      [10, 2, 3],
      [10, 2, 5],
      [11, 2, 'NaN'],
      [99, 1, 1],
    ],
  );
});

test('infinities are kept as the largest numbers, and numbers come back bit by bit', async (t) => {
  const { mlflow, newRun, getRun } = await opened(t);
  const run_id = await newRun();
  const values = { a: 'Infinity', b: '-Infinity', c: 0.1 + 0.2, d: 5e-324, e: -0.0, f: 2 ** 53 };
  const metrics = Object.entries(values).map(([key, value]) => ({ key, value, timestamp: 1, step: 2 ** 53 - 1 }));
  assert.equal((await mlflow.post('/runs/log-batch', { run_id, metrics })).status, 200);
  const stored = (await getRun(run_id)).data.metrics?.map(({ value }) => value);
  assert.deepEqual(stored, [1.7976931348623157e308, -1.7976931348623157e308, 0.30000000000000004, 5e-324, 0, 2 ** 53]);
});

test('what is no number, no time or beyond what is exact is refused by name', async (t) => {
  const { mlflow, newRun, getRun } = await opened(t);
  const run_id = await newRun();
  const point = { run_id, key: 'm', value: 1, timestamp: 1 };
  for (const [change, message] of [
    [{ key: undefined }, /Missing value for required parameter 'key'/],
    [{ value: undefined }, /Missing value for required parameter 'value'/],
    [{ timestamp: undefined }, /Missing value for required parameter 'timestamp'/],
    [{ value: 'abc' }, /Invalid value "abc" for parameter 'value' supplied/],
    [{ value: true }, /Invalid value true for parameter 'value' supplied/],
    [{ timestamp: -1 }, /Invalid value -1 for parameter 'timestamp' supplied/],
    [{ timestamp: 1.5 }, /must be an integer/],
    [{ step: '9007199254740993' }, /2\^53 - 1/],
    [{ step: 2 ** 53 }, /2\^53 - 1/],
    [{ key: 'a//b' }, /for parameter 'key' supplied/],
    [{ key: '../x' }, /for parameter 'key' supplied/],
    [{ key: '/x' }, /for parameter 'key' supplied/],
    [{ key: 'a\u0000b' }, /for parameter 'key' supplied/],
    [{ key: 'x'.repeat(251) }, /exceeds the maximum length of 250 characters/],
    [{ run_id: '../etc' }, /for parameter 'run_id' supplied/],
    [{ run_id: undefined }, /Missing value for required parameter 'run_id'/],
  ] as const) {
    refused(await mlflow.post('/runs/log-metric', { ...point, ...change }), 400, 'INVALID_PARAMETER_VALUE', message);
  }
  assert.equal((await getRun(run_id)).data.metrics, undefined);
  assert.equal((await mlflow.post('/runs/log-metric', { ...point, key: 'añb/c d:e-f.g' })).status, 200);
});

test('a param is written once, and its stored value is not told', async (t) => {
  const { mlflow, newRun, getRun } = await opened(t);
  const run_id = await newRun();
  const log = (value: string) => mlflow.post('/runs/log-parameter', { run_id, key: 'lr', value });
  assert.equal((await log('')).status, 200);
  assert.equal((await log('')).status, 200);
  refused(await log('other'), 400, 'INVALID_PARAMETER_VALUE', /Changing param values is not allowed/);
  await mlflow.post('/runs/log-parameter', { run_id, key: 'long', value: 'x'.repeat(7000) });
  const params = (await getRun(run_id)).data.params ?? [];
  assert.deepEqual(
    params.map(({ value }) => value.length),
    [6000, 0],
  );
});

test('a batch is stored whole or not at all', async (t) => {
  const { mlflow, newRun, getRun } = await opened(t);
  const run_id = await newRun();
  await mlflow.post('/runs/log-parameter', { run_id, key: 'p', value: 'old' });
  const batch = {
    run_id,
    metrics: [{ key: 'm', value: 1, timestamp: 1, step: 0 }],
    params: [{ key: 'p', value: 'new' }],
    tags: [{ key: 't', value: '1' }],
  };
  refused(await mlflow.post('/runs/log-batch', batch), 400, 'INVALID_PARAMETER_VALUE', /Changing param values/);
  const before = await getRun(run_id);
  assert.equal(before.data.metrics, undefined);
  assert.equal(
    before.data.tags?.some(({ key }) => key === 't'),
    false,
  );
  assert.equal((await mlflow.post('/runs/log-batch', { ...batch, params: [{ key: 'q', value: '1' }] })).status, 200);
  const after_ = await getRun(run_id);
  assert.equal(after_.data.metrics?.[0]?.value, 1);
  assert.deepEqual(
    after_.data.params?.map(({ key }) => key),
    ['p', 'q'],
  );
});

test('a batch with a metric of another run is refused, and one that names its own run once more is stored', async (t) => {
  const { mlflow, newRun, getRun } = await opened(t);
  const [run_id, other] = [await newRun(), await newRun()];
  const metric = (of: string | undefined) => ({ key: 'm', value: 1, timestamp: 1, run_id: of });
  const batch = (...metrics: object[]) => mlflow.post('/runs/log-batch', { run_id, metrics });
  refused(await batch(metric(run_id), metric(other)), 400, 'INVALID_PARAMETER_VALUE', /this metric names another/);
  for (const id of [run_id, other]) assert.equal((await getRun(id)).data.metrics, undefined);
  assert.deepEqual(await batch(metric(run_id), metric(undefined), metric('')), { status: 200, body: {} });
  assert.equal((await getRun(run_id)).data.metrics?.length, 1);
});

test('batches have bounds, and one of a thousand points of any keys is stored', async (t) => {
  const { mlflow, newRun, getRun } = await opened(t);
  const run_id = await newRun();
  const metrics = Array.from({ length: 1000 }, (_, at) => ({ key: `m${at % 7}`, value: at, timestamp: at, step: at }));
  const pairs = (count: number) => Array.from({ length: count }, (_, at) => ({ key: `k${at}`, value: 'v' }));
  assert.equal((await mlflow.post('/runs/log-batch', { run_id, metrics })).status, 200);
  assert.deepEqual(
    (await getRun(run_id)).data.metrics?.map(({ step }) => step),
    [994, 995, 996, 997, 998, 999, 993],
  );
  const over = (body: object, message: RegExp) =>
    mlflow
      .post('/runs/log-batch', { run_id, ...body })
      .then((a) => refused(a, 400, 'INVALID_PARAMETER_VALUE', message));
  await over({ metrics: [...metrics, metrics[0]] }, /at most 1000 metrics/);
  await over({ params: pairs(101) }, /at most 100 params/);
  await over({ tags: pairs(101) }, /at most 100 tags/);
  await over({ metrics, tags: pairs(1) }, /at most 1000 metrics, params and tags/);
  await over({ params: [...pairs(1), ...pairs(1)] }, /Duplicate parameter keys/);
  await over({ metrics: [{ value: 1, timestamp: 1 }] }, /Missing value for required parameter 'metrics\[0\]\.key'/);
  await over({ metrics: 'x' }, /Invalid value "x" for parameter 'metrics' supplied/);
});

test('what one run, experiment or model holds in all has bounds, and a write beyond them changes nothing', async (t) => {
  const { mlflow, newRun, getRun } = await opened(t);
  const run_id = await newRun();
  const pairs = (from: number, count: number) =>
    Array.from({ length: count }, (_, at) => ({ key: `k${from + at}`, value: 'x' }));
  // The run has two tags of its own already.
  for (let from = 0; from < 1900; from += 100)
    assert.equal((await mlflow.post('/runs/log-batch', { run_id, tags: pairs(from, 100) })).status, 200);
  refused(
    await mlflow.post('/runs/log-batch', { run_id, tags: pairs(1900, 100), params: pairs(0, 1) }),
    400,
    'INVALID_PARAMETER_VALUE',
    /at most 2000 tags/,
  );
  assert.equal((await mlflow.post('/runs/log-batch', { run_id, tags: pairs(0, 100) })).status, 200, 'replacing');
  for (let from = 0; from < 5000; from += 100)
    assert.equal((await mlflow.post('/runs/log-batch', { run_id, params: pairs(from, 100) })).status, 200);
  refused(await mlflow.post('/runs/log-parameter', { run_id, key: 'one', value: '' }), 400, 'INVALID_PARAMETER_VALUE');
  const { data } = await getRun(run_id);
  assert.deepEqual([data.tags?.length, data.params?.length], [1902, 5000]);
  const dataset = (at: number) => ({
    dataset: { name: `d${at}`, digest: 'd', source_type: 's', source: 's', profile: 'x'.repeat(9_000_000) },
  });
  for (const at of [0, 1])
    assert.equal((await mlflow.post('/runs/log-inputs', { run_id, datasets: [dataset(at)] })).status, 200);
  refused(await mlflow.post('/runs/log-inputs', { run_id, datasets: [dataset(2)] }), 400, 'INVALID_PARAMETER_VALUE');
});

test('tags are replaced and removed, and long values are cut', async (t) => {
  const { mlflow, newRun, getRun } = await opened(t);
  const run_id = await newRun();
  await mlflow.post('/runs/set-tag', { run_id, key: 'a', value: '1' });
  await mlflow.post('/runs/set-tag', { run_id, key: 'a', value: 'é'.repeat(9000) });
  const tag = (await getRun(run_id)).data.tags?.find(({ key }) => key === 'a');
  assert.equal(tag?.value.length, 8000);
  assert.equal((await mlflow.post('/runs/delete-tag', { run_id, key: 'a' })).status, 200);
  refused(await mlflow.post('/runs/delete-tag', { run_id, key: 'a' }), 404, 'RESOURCE_DOES_NOT_EXIST');
});

test('datasets and models are tied to a run once', async (t) => {
  const { mlflow, newRun, getRun } = await opened(t);
  const run_id = await newRun();
  const dataset = { name: 'iris', digest: 'd1', source_type: 'local', source: '{}', profile: '{"n":150}' };
  const datasets = [{ dataset, tags: [{ key: 'mlflow.data.context', value: 'training' }] }];
  for (let time = 0; time < 2; time++)
    assert.equal(
      (await mlflow.post('/runs/log-inputs', { run_id, datasets, models: [{ model_id: 'm-1' }] })).status,
      200,
    );
  await mlflow.post('/runs/outputs', { run_id, models: [{ model_id: 'm-2', step: 3 }] });
  const run = await getRun(run_id);
  assert.deepEqual(run.inputs, {
    dataset_inputs: [{ dataset, tags: [{ key: 'mlflow.data.context', value: 'training' }] }],
    model_inputs: [{ model_id: 'm-1' }],
  });
});

test('the models of older clients are listed in a tag', async (t) => {
  const { mlflow, newRun, getRun } = await opened(t);
  const run_id = await newRun();
  const model = (path: string) => JSON.stringify({ artifact_path: path, flavors: {}, utc_time_created: 'now', run_id });
  await mlflow.post('/runs/log-model', { run_id, model_json: model('a') });
  await mlflow.post('/runs/log-model', { run_id, model_json: model('b') });
  refused(
    await mlflow.post('/runs/log-model', { run_id, model_json: '{}' }),
    400,
    'INVALID_PARAMETER_VALUE',
    /mandatory fields/,
  );
  refused(await mlflow.post('/runs/log-model', { run_id, model_json: '{' }), 400, 'INVALID_PARAMETER_VALUE');
  const history = (await getRun(run_id)).data.tags?.find(({ key }) => key === 'mlflow.log-model.history')?.value;
  assert.deepEqual(
    (JSON.parse(history ?? '') as { artifact_path: string }[]).map((one) => one.artifact_path),
    ['a', 'b'],
  );
});

test('lengths are counted in characters, and nothing is cut that MLflow would keep', async (t) => {
  const { mlflow, newRun } = await opened(t);
  const run_id = await newRun();
  const face = '\u{1F600}';
  for (const [key, sent, kept] of [
    ['whole', 6000, 6000],
    ['longer', 6001, 6000],
  ] as const) {
    assert.equal((await mlflow.post('/runs/log-parameter', { run_id, key, value: face.repeat(sent) })).status, 200);
    const { run } = (await mlflow.get('/runs/get', { run_id })).body as {
      run: { data: { params: { key: string; value: string }[] } };
    };
    assert.equal(run.data.params.find((param) => param.key === key)?.value, face.repeat(kept));
  }
  const key = '語'.repeat(200) + '\u{20000}'.repeat(50);
  assert.equal((await mlflow.post('/runs/set-tag', { run_id, key, value: 'x' })).status, 200);
  refused(
    await mlflow.post('/runs/set-tag', { run_id, key: `${key}a`, value: 'x' }),
    400,
    'INVALID_PARAMETER_VALUE',
    /maximum length of 250/,
  );
});

test('what is small does not stand in line behind large batches', async (t) => {
  const { databaseOf, newRun } = await opened(t);
  const logging = createLogging({ workspaces: { database: (_grant, id) => databaseOf(id) } });
  const run = await newRun();
  const order: string[] = [];
  const note = (what: string) => () => void order.push(what);
  const batch = (at: number) => ({
    metrics: Array.from({ length: 500 }, (_, key) => ({ key: `k${key}`, value: at, timestamp: at, step: at })),
  });
  const batches = Array.from({ length: 12 }, (_, at) =>
    logging.batch(grant, workspaceId, run, batch(at)).then(note('batch')),
  );
  await logging.metric(grant, workspaceId, run, { key: 'loss', value: 1, timestamp: 1 }).then(note('metric'));
  await Promise.all(batches);
  assert.ok(order.indexOf('metric') <= 2, order.join(' '));
});
