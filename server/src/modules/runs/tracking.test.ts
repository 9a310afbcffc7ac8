// Experiments, runs and what they record, over the real door, database and storage.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { createLogging } from './logging.service.ts';
import { type Answered, client, grant, setUp, trackingPath, workspaceId } from './testing.ts';

after(() => closeScanPool());

type RunAnswer = {
  info: Record<string, unknown>;
  data: {
    metrics?: { key: string; value: number | string; step: number; timestamp: number }[];
    params?: { key: string; value: string }[];
    tags?: { key: string; value: string }[];
  };
  inputs: Record<string, unknown>;
};
const runOf = (answer: Answered) => {
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body['run'] as RunAnswer;
};
const refused = (answer: Answered, status: number, code: string, message = /./) => {
  assert.equal(answer.status, status, JSON.stringify(answer.body));
  assert.equal(answer.body['error_code'], code);
  assert.match(String(answer.body['message']), message);
};

async function opened(t: Parameters<typeof setUp>[0]) {
  const set = await setUp(t);
  const door = await set.openDoor();
  const mlflow = client(door.url);
  const createRun = async (body: Record<string, unknown> = {}) =>
    runOf(await mlflow.post('/runs/create', { experiment_id: '0', ...body }));
  const newRun = async () => String((await createRun()).info['run_id']);
  const getRun = async (run_id: string) => runOf(await mlflow.get('/runs/get', { run_id }));
  return { ...set, door, mlflow, createRun, newRun, getRun };
}

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

test('a history is read page by page without gaps, and its token fits nothing else', async (t) => {
  const { mlflow, newRun } = await opened(t);
  const [run_id, other] = [await newRun(), await newRun()];
  const metrics = Array.from({ length: 25 }, (_, at) => ({ key: 'm', value: at % 3, timestamp: at % 4, step: at }));
  await mlflow.post('/runs/log-batch', { run_id, metrics });
  const steps: number[] = [];
  let page_token: string | undefined;
  do {
    const query = { run_id, metric_key: 'm', max_results: '10', ...(page_token ? { page_token } : {}) };
    const { body } = await mlflow.get('/metrics/get-history', query);
    steps.push(...(body['metrics'] as { step: number }[]).map(({ step }) => step));
    page_token = body['next_page_token'] as string | undefined;
    if (page_token) {
      const elsewhere = { run_id: other, metric_key: 'm', page_token };
      refused(await mlflow.get('/metrics/get-history', elsewhere), 400, 'INVALID_PARAMETER_VALUE', /page token/);
    }
  } while (page_token);
  assert.deepEqual(
    steps.toSorted((a, b) => a - b),
    metrics.map(({ step }) => step),
  );
  const bulk = await mlflow.get('/metrics/get-history-bulk', [
    ['run_id', run_id],
    ['run_id', other],
    ['metric_key', 'm'],
  ]);
  assert.equal((bulk.body['metrics'] as unknown[]).length, 25);
});

test('histories of no run and data sets of no experiment are refused alike, named with nothing or not at all', async (t) => {
  const { mlflow } = await opened(t);
  const few = /^GetMetricHistoryBulk request must specify at least one run_id/;
  refused(await mlflow.get('/metrics/get-history-bulk', { metric_key: 'm' }), 400, 'INVALID_PARAMETER_VALUE', few);
  const none = /^SearchDatasets request must specify at least one experiment_id/;
  for (const body of [{}, { experiment_ids: [] }])
    refused(await mlflow.post('/experiments/search-datasets', body), 400, 'INVALID_PARAMETER_VALUE', none);
});

test('a chart gets evenly spread steps with the first and the last of each run', async (t) => {
  const { mlflow, newRun } = await opened(t);
  const run_id = await newRun();
  const metrics = Array.from({ length: 1000 }, (_, at) => ({ key: 'm', value: at, timestamp: 1, step: at - 10 }));
  await mlflow.post('/runs/log-batch', { run_id, metrics });
  const { body } = await mlflow.get('/metrics/get-history-bulk-interval', [
    ['run_ids', run_id],
    ['metric_key', 'm'],
    ['max_results', '10'],
  ]);
  const steps = (body['metrics'] as { step: number }[]).map(({ step }) => step);
  assert.equal(steps.length, 11);
  assert.deepEqual([steps[0], steps.at(-1)], [-10, 989]);
  const ids = [run_id, await newRun(), await newRun()];
  for (const id of ids) await mlflow.post('/runs/log-metric', { run_id: id, key: 'n', value: 1, timestamp: 1 });
  const several = async (...asked: string[]) =>
    (
      (
        await mlflow.get('/metrics/get-history-bulk-interval', [
          ...asked.map((id): [string, string] => ['run_ids', id]),
          ['metric_key', 'n'],
        ])
      ).body['metrics'] as { run_id: string }[]
    ).map((point) => point.run_id);
  assert.deepEqual(await several(...ids), ids, 'in the order of the question');
  assert.deepEqual(await several(...ids.toReversed()), ids.toReversed());
});

test('points that share a step are spread evenly over all of them, within what was asked for', async (t) => {
  const { mlflow, newRun } = await opened(t);
  const run_id = await newRun();
  for (let from = 0; from < 5000; from += 1000)
    await mlflow.post('/runs/log-batch', {
      run_id,
      metrics: Array.from({ length: 1000 }, (_, at) => ({ key: 'm', value: from + at, timestamp: from + at, step: 0 })),
    });
  const values = async (max_results: string) =>
    (
      (
        await mlflow.get('/metrics/get-history-bulk-interval', [
          ['run_ids', run_id],
          ['metric_key', 'm'],
          ['max_results', max_results],
        ])
      ).body['metrics'] as { value: number }[]
    ).map(({ value }) => value);
  const found = await values('320');
  assert.equal(found.length, 320);
  assert.deepEqual([found[0], found.at(-1)], [0, 4999]);
  const gaps = found.slice(1).map((value, at) => value - (found[at] ?? 0));
  assert.ok(Math.min(...gaps) >= 15 && Math.max(...gaps) <= 16, `${Math.min(...gaps)}…${Math.max(...gaps)}`);
  assert.deepEqual(await values('1'), [0]);
  assert.deepEqual(await values('2'), [0, 4999]);
  assert.equal((await values('2500')).length, 2500);
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

test('both versions, the preview alias and the ajax path lead to the same run', async (t) => {
  const { door, newRun } = await opened(t);
  const run_id = await newRun();
  const shouted = workspaceId
    .replace('resourceGroups', 'RESOURCEGROUPS')
    .replace('Microsoft.Machine', 'microsoft.MACHINE');
  for (const base of [
    `/mlflow/v2.0${workspaceId}/api/2.0/mlflow`,
    `/mlflow/v1.0/${workspaceId}/ajax-api/2.0/mlflow`,
    `/mlflow/v1.0${workspaceId}/api/2.0/preview/mlflow`,
    `/mlflow/v1.0${shouted}/api/2.0/mlflow`,
  ]) {
    const answer = await client(door.url, 'alice', base).get('/runs/get', { run_id });
    assert.equal(answer.status, 200, base);
  }
  for (const base of [
    `/mlflow${workspaceId}`,
    `/mlflow/v3.0${workspaceId}/api/2.0/mlflow`,
    `${trackingPath}`,
    `${trackingPath}/api/3.0/mlflow`,
    `${trackingPath}/api/2.0`,
  ]) {
    refused(await client(door.url, 'alice', base).get('/runs/get', { run_id }), 404, 'ENDPOINT_NOT_FOUND');
  }
});

test('version, health and server-info answer without a credential and say nothing about the workspace', async (t) => {
  const { door } = await opened(t);
  assert.equal(await (await fetch(`${door.url}${trackingPath}/version`)).text(), '3.11.1');
  assert.equal(await (await fetch(`${door.url}${trackingPath}/health`)).text(), 'OK');
  const info = await fetch(`${door.url}${trackingPath}/api/3.0/mlflow/server-info`);
  assert.deepEqual(await info.json(), { store_type: 'SqlStore', workspaces_enabled: false });
});

test('errors are MLflow errors: no credential, no right, no JSON, no route, wrong method', async (t) => {
  const set = await setUp(t, (action) => action.endsWith('/read'));
  const { url } = await set.openDoor();
  const base = `${url}${trackingPath}/api/2.0/mlflow`;
  const anonymous = await fetch(`${base}/runs/get?run_id=x`);
  assert.equal(anonymous.status, 401);
  assert.equal(((await anonymous.json()) as { error_code: string }).error_code, 'UNAUTHENTICATED');
  refused(await client(url).post('/runs/create', { experiment_id: '0' }), 403, 'PERMISSION_DENIED', /authorization/);
  assert.equal(set.audit.entries.at(-1)?.level, 'refused');
  const untyped = await fetch(`${base}/runs/create`, {
    method: 'POST',
    body: '{}',
    headers: { authorization: 'Bearer a' },
  });
  assert.equal(untyped.status, 400);
  refused(await client(url).get('/nowhere'), 404, 'ENDPOINT_NOT_FOUND');
  const method = await client(url).post('/runs/get', {}, 'DELETE');
  assert.equal(method.status, 405);
});

test('bodies: empty, broken, doubly encoded, with nulls and unknown fields, with reserved names', async (t) => {
  const { door, mlflow } = await opened(t);
  const raw = async (body: string): Promise<Answered> => {
    const response = await fetch(`${door.url}${trackingPath}/api/2.0/mlflow/runs/create`, {
      method: 'POST',
      body,
      headers: { authorization: 'Bearer alice', 'content-type': 'application/json; charset=utf-8' },
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  refused(await raw(''), 400, 'INVALID_PARAMETER_VALUE', /Missing value for required parameter 'experiment_id'/);
  refused(await raw('{"value": NaN}'), 400, 'INVALID_PARAMETER_VALUE');
  refused(await raw('[]'), 400, 'INVALID_PARAMETER_VALUE', /JSON object/);
  refused(await raw('{"__proto__": {"x": 1}}'), 400, 'INVALID_PARAMETER_VALUE');
  refused(await raw(JSON.stringify('{"__proto__": {"x": 1}}')), 400, 'INVALID_PARAMETER_VALUE');
  runOf(await raw(JSON.stringify(JSON.stringify({ experiment_id: '0' }))));
  runOf(await mlflow.post('/runs/create', { experiment_id: '0', run_name: null, tags: null, unknown: { a: 1 } }));
  refused(await mlflow.post('/runs/create', { experiment_id: 0 }), 400, 'INVALID_PARAMETER_VALUE', /Invalid value 0/);
  refused(await mlflow.post('/runs/create', { experiment_id: 'abc' }), 400, 'INVALID_PARAMETER_VALUE');
  refused(await mlflow.post('/runs/create', { experiment_id: '77' }), 404, 'RESOURCE_DOES_NOT_EXIST');
});

test('making and changing is recorded with what it was about, logging is not', async (t) => {
  const { audit, mlflow, newRun } = await opened(t);
  const run_id = await newRun();
  const made = audit.entries.at(-1);
  assert.equal(made?.level, 'activity');
  assert.deepEqual(made?.intent.parameters, { workspaceName: 'ws', experiment_id: '0' });
  assert.equal(made?.intent.scope, workspaceId);
  const before = audit.entries.length;
  await mlflow.post('/runs/log-metric', { run_id, key: 'm', value: 1, timestamp: 1 });
  await mlflow.get('/runs/get', { run_id });
  assert.equal(audit.entries.length, before);
});

test('what MLflow has and this does not serve is told by name, and only to who may look', async (t) => {
  const { door } = await opened(t);
  for (const [path, name] of [
    ['api/2.0/mlflow/traces', /^Traces and their assessments are not served here/],
    ['api/3.0/mlflow/traces/search', /^Traces/],
    ['api/3.0/mlflow/traces/tr-1/assessments', /assessments/],
    ['ajax-api/3.0/mlflow/get-trace-artifact', /^Traces/],
    ['v1/traces', /^Traces/],
    ['api/3.0/mlflow/datasets/create', /^Evaluation data sets/],
    ['api/3.0/mlflow/scorers/register', /^Scorers/],
    ['api/3.0/mlflow/gateway/secrets/create', /^The AI gateway/],
    ['api/2.0/mlflow/webhooks', /^Webhooks/],
    ['ajax-api/2.0/mlflow/runs/create-promptlab-run', /^The prompt lab/],
    ['graphql', /^GraphQL/],
    ['ajax-api/2.0/mlflow/unserved/constructor', /^This is not served/],
  ] as const)
    for (const method of ['GET', 'POST', 'PATCH', 'DELETE']) {
      const answer = await fetch(`${door.url}${trackingPath}/${path}`, {
        method,
        headers: { authorization: 'Bearer alice', 'content-type': 'application/json' },
        ...(method === 'GET' ? {} : { body: '{}' }),
      });
      const body = (await answer.json()) as { error_code: string; message: string };
      assert.deepEqual([answer.status, body.error_code], [404, 'ENDPOINT_NOT_FOUND'], `${method} ${path}`);
      assert.match(body.message, name);
      assert.match(body.message, /docs\/compat\/mlflow\.md/);
    }
  const stranger = await fetch(`${door.url}${trackingPath}/api/2.0/mlflow/traces`);
  assert.equal(stranger.status, 401);
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
