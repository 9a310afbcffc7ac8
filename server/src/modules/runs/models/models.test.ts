// Logged models over the real door.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { type Answered, client, grant, setUp, workspaceId } from '../testing.ts';

after(() => closeScanPool());

type Model = { info: Record<string, unknown>; data: Record<string, unknown> };
const modelOf = (answer: Answered) => {
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body['model'] as Model;
};

async function opened(t: Parameters<typeof setUp>[0]) {
  const set = await setUp(t);
  const mlflow = client((await set.openDoor()).url);
  await set.runs.createRun(grant, workspaceId, { runId: 'r1', experimentId: '0' });
  const create = async (body: Record<string, unknown> = {}) =>
    modelOf(await mlflow.post('/logged-models', { experiment_id: '0', name: 'm', source_run_id: 'r1', ...body }));
  return { ...set, mlflow, create };
}

test('a model is made pending and finalised, and its tags and params are kept', async (t) => {
  const { mlflow, create } = await opened(t);
  const made = await create({ params: [{ key: 'p', value: '1' }], tags: [{ key: 'mlflow.user', value: 'mallory' }] });
  const path = `/logged-models/${made.info['model_id']}`;
  assert.match(path, /^\/logged-models\/m-[0-9a-f]{32}$/);
  assert.equal(made.info['status'], 'LOGGED_MODEL_PENDING');
  assert.deepEqual(made.info['tags'], [{ key: 'mlflow.user', value: 'alice' }]);
  assert.equal(modelOf(await mlflow.post(path, { status: 2 }, 'PATCH')).info['status'], 'LOGGED_MODEL_READY');
  assert.equal((await mlflow.post(path, { status: 'LOGGED_MODEL_PENDING' }, 'PATCH')).status, 400);
  const tags = [
    { key: 'a', value: '1' },
    { key: 'mlflow.user', value: 'mallory' },
  ];
  assert.deepEqual(modelOf(await mlflow.post(`${path}/tags`, { tags }, 'PATCH')).info['tags'], [
    { key: 'a', value: '1' },
    { key: 'mlflow.user', value: 'alice' },
  ]);
  assert.equal((await mlflow.post(`${path}/tags/a`, {}, 'DELETE')).status, 200);
  assert.equal((await mlflow.post(`${path}/tags/a`, {}, 'DELETE')).status, 404);
  assert.equal((await mlflow.post(`${path}/tags/mlflow.user`, {}, 'DELETE')).status, 400);
  assert.equal((await mlflow.post(`${path}/params`, { params: [{ key: 'q', value: '2' }] })).status, 200);
  assert.equal(
    (
      await mlflow.post(`${path}/params`, {
        params: [
          { key: 'r', value: '1' },
          { key: 'q', value: '3' },
        ],
      })
    ).status,
    400,
  );
  assert.deepEqual(modelOf(await mlflow.get(path)).data['params'], [
    { key: 'p', value: '1' },
    { key: 'q', value: '2' },
  ]);
});

test('a deleted model is not found', async (t) => {
  const { mlflow, create } = await opened(t);
  const path = `/logged-models/${(await create()).info['model_id']}`;
  assert.equal((await mlflow.post(path, {}, 'DELETE')).status, 200);
  for (const answer of [
    await mlflow.get(path),
    await mlflow.post(path, { status: 2 }, 'PATCH'),
    await mlflow.post(path, {}, 'DELETE'),
    await mlflow.get(`${path}/artifacts/directories`),
  ])
    assert.deepEqual([answer.status, answer.body['error_code']], [404, 'RESOURCE_DOES_NOT_EXIST']);
});

test('names that would break a model URI are refused', async (t) => {
  const { mlflow } = await opened(t);
  for (const name of ['a/b', 'a:b', 'a.b', 'a%b', 'a"b', "a'b", 'x'.repeat(501)])
    assert.equal((await mlflow.post('/logged-models', { experiment_id: '0', name })).status, 400, name);
  assert.equal((await mlflow.post('/logged-models', { experiment_id: '9', name: 'a' })).status, 404);
});

test('models are searched by what they are, page by page', async (t) => {
  const { mlflow, create } = await opened(t);
  for (const name of ['a', 'b', 'c']) {
    const model = await create({ name, params: [{ key: 'p', value: name }], model_type: 'agent' });
    await mlflow.post('/runs/log-metric', {
      ...{ run_id: 'r1', key: 'acc', value: name === 'a' ? 1 : 0, timestamp: 1, model_id: model.info['model_id'] },
      ...(name === 'c' ? {} : { dataset_name: 'table', dataset_digest: name }),
    });
  }
  const search = async (body: Record<string, unknown>) => {
    const answer = await mlflow.post('/logged-models/search', { experiment_ids: ['0'], ...body });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return {
      names: ((answer.body['models'] ?? []) as Model[]).map(({ info }) => info['name']),
      next: answer.body['next_page_token'],
    };
  };
  assert.deepEqual((await search({ filter: "name = 'b' AND params.p != 'x'" })).names, ['b']);
  assert.deepEqual((await search({ filter: 'metrics.acc > 0.5' })).names, ['a']);
  assert.deepEqual((await search({ filter: "model_type IN ('agent')" })).names.length, 3);
  const table = { dataset_name: 'table' };
  assert.deepEqual((await search({ datasets: [table] })).names.toSorted(), ['a', 'b']);
  assert.deepEqual((await search({ datasets: [{ ...table, dataset_digest: 'b' }] })).names, ['b']);
  assert.deepEqual((await search({ datasets: [{ dataset_name: 'other' }] })).names, []);
  const narrow = { datasets: [{ ...table, dataset_digest: 'b' }], filter: 'metrics.acc > 0.5' };
  assert.deepEqual((await search(narrow)).names, []);
  assert.deepEqual((await search({ ...narrow, filter: 'metrics.acc < 0.5' })).names, ['b']);
  const order_by = [{ field_name: 'name', ascending: false }];
  const first = await search({ order_by, max_results: 2 });
  assert.deepEqual(first.names, ['c', 'b']);
  const rest = await search({ order_by, max_results: 2, page_token: first.next });
  assert.deepEqual([rest.names, rest.next], [['a'], undefined]);
  const wrong = { experiment_ids: ['0'], order_by: [{ field_name: 'constructor' }] };
  assert.equal((await mlflow.post('/logged-models/search', wrong)).status, 400);
});

test('a point of a model that is not there is refused, and nothing else of its batch is kept', async (t) => {
  const { mlflow, create } = await opened(t);
  const [kept, gone] = [(await create()).info['model_id'], (await create()).info['model_id']];
  assert.equal((await mlflow.post(`/logged-models/${gone}`, {}, 'DELETE')).status, 200);
  const point = (model_id: unknown) => ({ key: 'acc', value: 1, timestamp: 1, model_id });
  for (const model_id of [gone, `m-${'0'.repeat(32)}`]) {
    const alone = await mlflow.post('/runs/log-metric', { run_id: 'r1', ...point(model_id) });
    const batch = await mlflow.post('/runs/log-batch', { run_id: 'r1', metrics: [point(kept), point(model_id)] });
    for (const { status, body } of [alone, batch])
      assert.deepEqual([status, body['error_code']], [404, 'RESOURCE_DOES_NOT_EXIST']);
  }
  assert.deepEqual((await mlflow.get('/metrics/get-history', { run_id: 'r1', metric_key: 'acc' })).body, {});
  assert.equal(modelOf(await mlflow.get(`/logged-models/${kept}`)).data['metrics'], undefined);
});

test('models are ordered by the newest value of a metric, of one dataset where it is named, and come last without it', async (t) => {
  const { mlflow, create } = await opened(t);
  const log = async (model_id: unknown, value: number | string, more: Record<string, unknown> = {}) => {
    const answer = await mlflow.post('/runs/log-metric', {
      ...{ run_id: 'r1', key: 'rmse', value, timestamp: 1, model_id },
      ...more,
    });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  };
  const made: Record<string, unknown> = {};
  for (const name of ['best', 'middle', 'worst', 'nan', 'none']) made[name] = (await create({ name })).info['model_id'];
  await log(made['best'], 0.1);
  await log(made['middle'], 9, { timestamp: 1 });
  await log(made['middle'], 0.5, { timestamp: 2 });
  await log(made['worst'], 0.9);
  await log(made['nan'], 'NaN');
  await log(made['none'], 0, { key: 'other' });
  await log(made['worst'], 0.05, { dataset_name: 'val', dataset_digest: 'd1' });
  await log(made['best'], 0.2, { dataset_name: 'val', dataset_digest: 'd1' });
  await log(made['best'], 0.01, { dataset_name: 'val', dataset_digest: 'd2', timestamp: 0 });
  const search = (order_by: object[], more: object = {}) =>
    mlflow.post('/logged-models/search', { experiment_ids: ['0'], order_by, ...more });
  const names = async (order: object, more?: object) => {
    const answer = await search([order], more);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return ((answer.body['models'] ?? []) as Model[]).map(({ info }) => info['name']);
  };
  const rmse = { field_name: 'metrics.rmse' };
  const val = { dataset_name: 'val', dataset_digest: 'd1' };
  assert.deepEqual((await names({ ...rmse, ...val })).slice(0, 2), ['worst', 'best']);
  assert.deepEqual((await names({ ...rmse, ...val, ascending: false })).slice(0, 2), ['best', 'worst']);
  assert.equal((await names({ ...rmse, dataset_name: 'val' }))[0], 'worst', 'the newest of all digests');
  assert.equal((await names({ ...rmse, dataset_name: 'val', dataset_digest: 'd2' }))[0], 'best');
  // Without a dataset all values count, the newest of each model.
  await log(made['best'], 0.1, { timestamp: 5 });
  await log(made['worst'], 0.9, { timestamp: 5 });
  for (const field_name of ['metrics.rmse', 'metric.rmse', 'metrics.`rmse`', 'metrics."rmse"']) {
    assert.deepEqual(await names({ field_name, ascending: true }), ['best', 'middle', 'worst', 'nan', 'none']);
    assert.deepEqual(await names({ field_name, ascending: false }), ['worst', 'middle', 'best', 'nan', 'none']);
  }
  const paged: unknown[] = [];
  for (let page_token: unknown; ; ) {
    const { body } = await search([rmse], { max_results: 2, ...(page_token ? { page_token } : {}) });
    paged.push(...(body['models'] as Model[]).map(({ info }) => info['name']));
    page_token = body['next_page_token'];
    if (page_token === undefined) break;
  }
  assert.deepEqual(paged, ['best', 'middle', 'worst', 'nan', 'none']);
  for (const order of [
    { field_name: 'metrics.' },
    { field_name: "metrics.x'; drop table metrics; --" },
    { field_name: 'metrics.../x' },
    { field_name: 'params.rmse' },
    { field_name: 'name', dataset_name: 'val' },
    { ...rmse, dataset_digest: 'd1' },
  ])
    assert.equal((await search([order])).status, 400, JSON.stringify(order));
  assert.equal((await search(Array.from({ length: 11 }, () => rmse))).status, 400);
});
