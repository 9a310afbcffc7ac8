// Searching runs and experiments over the real door: what matches, in which order, page by page.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { type Answered, client, grant, setUp, workspaceId } from '../testing.ts';

after(() => closeScanPool());

type Seed = {
  readonly name: string;
  readonly start?: number;
  readonly end?: number;
  readonly metrics?: Readonly<Record<string, number | string>>;
  readonly params?: Readonly<Record<string, string>>;
  readonly tags?: Readonly<Record<string, string>>;
};
const pairs = (values: Readonly<Record<string, string>> = {}) =>
  Object.entries(values).map(([key, value]) => ({ key, value }));

async function opened(t: Parameters<typeof setUp>[0], seeds: readonly Seed[] = []) {
  const set = await setUp(t);
  const { url } = await set.openDoor();
  const mlflow = client(url);
  const add = async ({ name, start = 1000, end, metrics = {}, params, tags }: Seed) => {
    const run = await set.runs.createRun(grant, workspaceId, {
      runId: `id-${name}`,
      experimentId: '0',
      runName: name,
      startTime: start,
    });
    const run_id = run.info.run_id;
    const points = Object.entries(metrics).map(([key, value]) => ({ key, value, timestamp: 1, step: 0 }));
    const batch = { run_id, metrics: points, params: pairs(params), tags: pairs(tags) };
    assert.equal((await mlflow.post('/runs/log-batch', batch)).status, 200);
    if (end !== undefined) await mlflow.post('/runs/update', { run_id, status: 'FINISHED', end_time: end });
  };
  for (const seed of seeds) await add(seed);
  const search = (body: Record<string, unknown>) => mlflow.post('/runs/search', { experiment_ids: ['0'], ...body });
  const names = (answer: Answered) => {
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return ((answer.body['runs'] ?? []) as { info: { run_name: string } }[]).map(({ info }) => info.run_name);
  };
  const found = async (filter: string) => names(await search({ filter })).sort();
  const ordered = async (...order_by: string[]) => names(await search({ order_by }));
  return { ...set, url, mlflow, add, search, names, found, ordered };
}

test('a filter matches by metrics, params, tags and attributes', async (t) => {
  const { found } = await opened(t, [
    { name: 'a', start: 1, end: 9, metrics: { acc: 0.9 }, params: { lr: '0.1' }, tags: { team: 'Risk' } },
    { name: 'b', start: 2, metrics: { acc: 0.5, 'val/f1 score': 1 }, params: { lr: '0.01' }, tags: { team: 'risk' } },
    { name: 'c', start: 3 },
  ]);
  for (const [filter, names] of [
    ['', ['a', 'b', 'c']],
    ['metrics.acc > 0.6', ['a']],
    ['metric.acc >= 0.5 and metrics.acc<=.5', ['b']],
    ['metrics.`val/f1 score` = 1', ['b']],
    ['metrics."val/f1 score" = 1e0', ['b']],
    ["params.lr = '0.1'", ['a']],
    ['params.lr = "0.1"', ['a']],
    ["parameters.lr LIKE '0.0%'", ['b']],
    ["tags.team = 'Risk' AND params.lr = '0.1'", ['a']],
    ["run_name = 'c'", ['c']],
    ["attributes.run_name != 'c'", ['a', 'b']],
    ["attr.`Run Name` ilike 'A'", ['a']],
    ["run_id IN ('id-a', 'id-c')", ['a', 'c']],
    ["run_id NOT IN ('id-a')", ['b', 'c']],
    ["attributes.status = 'FINISHED'", ['a']],
    ['start_time > 1', ['b', 'c']],
    ['end_time = 9', ['a']],
    ["artifact_uri = 'mlflow-artifacts:/0/id-b/artifacts'", ['b']],
    ["user_id = 'tester@strongroom.local'", ['a', 'b', 'c']],
    ["tags.mlflow.runName = 'a'", ['a']],
  ] as const)
    assert.deepEqual(await found(filter), names, filter);
});

test('a comparison with a missing key does not hold, whatever it says', async (t) => {
  const { found } = await opened(t, [
    { name: 'has', metrics: { m: 1 }, params: { p: 'x' }, tags: { t: 'x' } },
    { name: 'not' },
  ]);
  assert.deepEqual(await found("params.p != 'y'"), ['has']);
  assert.deepEqual(await found("tags.t != 'y'"), ['has']);
  assert.deepEqual(await found('metrics.m != 2'), ['has']);
  assert.deepEqual(await found('end_time != 2'), []);
  assert.deepEqual(await found('params.p IS NULL'), ['not']);
  assert.deepEqual(await found('tags.t is not null'), ['has']);
});

test('LIKE minds the case and ILIKE does not; only % and _ are wild', async (t) => {
  const { found } = await opened(t, [
    { name: 'a', tags: { t: 'Alpha[1]*' } },
    { name: 'b', tags: { t: 'alpha[1]*' } },
    { name: 'c', tags: { t: 'alphaX1Y' } },
  ]);
  assert.deepEqual(await found("tags.t LIKE 'alpha%'"), ['b', 'c']);
  assert.deepEqual(await found("tags.t ILIKE 'ALPHA%'"), ['a', 'b', 'c']);
  assert.deepEqual(await found("tags.t LIKE '_lpha[1]*'"), ['a', 'b']);
  assert.deepEqual(await found("tags.t LIKE 'alpha?1*'"), []);
  assert.deepEqual(await found("tags.t LIKE 'alpha'"), []);
});

test('a NaN equals nothing and differs from every number', async (t) => {
  const { found } = await opened(t, [
    { name: 'nan', metrics: { m: 'NaN' } },
    { name: 'zero', metrics: { m: 0 } },
  ]);
  assert.deepEqual(await found('metrics.m = 0'), ['zero']);
  assert.deepEqual(await found('metrics.m >= 0'), ['zero']);
  assert.deepEqual(await found('metrics.m != 1'), ['nan', 'zero']);
});

test('datasets are searched by name, digest and context', async (t) => {
  const { found, mlflow } = await opened(t, [{ name: 'a' }, { name: 'b' }]);
  const dataset = { name: 'iris', digest: 'd1', source_type: 's', source: 's' };
  const tags = [{ key: 'mlflow.data.context', value: 'train' }];
  await mlflow.post('/runs/log-inputs', { run_id: 'id-a', datasets: [{ dataset, tags }] });
  assert.deepEqual(await found("dataset.name = 'iris'"), ['a']);
  assert.deepEqual(await found("datasets.digest IN ('d1', 'd2')"), ['a']);
  assert.deepEqual(await found("dataset.context LIKE 'tr%'"), ['a']);
  assert.deepEqual(await found("dataset.name != 'iris'"), []);

  await mlflow.post('/runs/log-inputs', { run_id: 'id-b', datasets: [{ dataset }, { dataset, tags }] });
  const listed = async (...experiment_ids: string[]) => mlflow.post('/experiments/search-datasets', { experiment_ids });
  const of = { experiment_id: '0', name: 'iris', digest: 'd1' };
  assert.deepEqual((await listed('0', '7')).body, { dataset_summaries: [{ ...of, context: 'train' }] });
  assert.deepEqual((await listed('7')).body, {});
  await mlflow.post('/runs/delete', { run_id: 'id-a' });
  await mlflow.post('/runs/delete', { run_id: 'id-b' });
  assert.deepEqual((await listed('0')).body, {});
  for (const ids of [[], Array(21).fill('0'), ['x']]) assert.equal((await listed(...ids)).status, 400);
});

test('the newest comes first, then by id; NaN and what is missing come last in both directions', async (t) => {
  const { ordered } = await opened(t, [
    { name: 'b', start: 5, metrics: { m: 2 }, params: { p: 'y' } },
    { name: 'a', start: 5, metrics: { m: 'NaN' } },
    { name: 'c', start: 9, metrics: { m: 1 }, params: { p: 'x' }, end: 3 },
    { name: 'd', start: 1 },
    { name: 'e', start: 2, metrics: { m: 1 }, end: 4 },
  ]);
  assert.deepEqual(await ordered(), ['c', 'a', 'b', 'e', 'd']);
  assert.deepEqual(await ordered('metrics.m ASC'), ['c', 'e', 'b', 'a', 'd']);
  assert.deepEqual(await ordered('metrics.m DESC'), ['b', 'c', 'e', 'a', 'd']);
  assert.deepEqual(await ordered('metric.m', 'start_time ASC'), ['e', 'c', 'b', 'a', 'd']);
  assert.deepEqual(await ordered('params.p desc'), ['b', 'c', 'a', 'e', 'd']);
  assert.deepEqual(await ordered('attributes.end_time desc'), ['e', 'c', 'a', 'b', 'd']);
  assert.deepEqual(await ordered('attribute.start_time asc', 'run_name desc'), ['d', 'e', 'b', 'a', 'c']);
});

test('views show active runs, deleted runs or all', async (t) => {
  const { search, names, mlflow } = await opened(t, [{ name: 'a' }, { name: 'b' }]);
  await mlflow.post('/runs/delete', { run_id: 'id-b' });
  assert.deepEqual(names(await search({})), ['a']);
  assert.deepEqual(names(await search({ run_view_type: 'DELETED_ONLY' })), ['b']);
  assert.deepEqual(names(await search({ run_view_type: 3 })), ['a', 'b']);
  assert.deepEqual(names(await search({ experiment_ids: [] })), []);
  assert.deepEqual(names(await search({ experiment_ids: ['7', '0'] })), ['a']);
});

test('paging meets every run once while others are added, in every order', async (t) => {
  const seeds = Array.from({ length: 23 }, (_, at) => ({
    name: `r${String(at).padStart(2, '0')}`,
    start: at % 4,
    metrics: at % 5 === 0 ? {} : { m: at % 7 === 0 ? 'NaN' : at % 3 },
  }));
  const { search, names, add } = await opened(t, seeds);
  let added = 0;
  for (const order_by of [[], ['metrics.m DESC'], ['metrics.m'], ['run_name DESC'], ['end_time', 'metrics.m DESC']]) {
    const all: string[] = [];
    let page_token: string | undefined;
    do {
      const answer = await search({ order_by, max_results: 5, page_token });
      all.push(...names(answer));
      page_token = answer.body['next_page_token'] as string | undefined;
      await add({ name: `new${++added}`, start: added % 6, metrics: { m: added % 3 } });
    } while (page_token !== undefined);
    const old = all.filter((name) => name.startsWith('r'));
    assert.equal(new Set(all).size, all.length, `${order_by}: one twice`);
    assert.deepEqual(
      old.toSorted(),
      seeds.map(({ name }) => name),
      `${order_by}: one missing`,
    );
  }
});

test('runs that weigh more than an answer should come in shorter pages', async (t) => {
  const heavy = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`p${at}`, 'é'.repeat(6000)]));
  // Each holds 600,000 characters in params: together more than one answer takes of them.
  const { search, names } = await opened(
    t,
    Array.from({ length: 62 }, (_, at) => ({ name: `r${at}`, start: at, params: heavy })),
  );
  const all: string[] = [];
  let pages = 0;
  let page_token: string | undefined;
  do {
    const answer = await search({ order_by: ['start_time ASC'], page_token });
    all.push(...names(answer));
    page_token = answer.body['next_page_token'] as string | undefined;
    pages += 1;
  } while (page_token !== undefined);
  assert.deepEqual(
    all,
    Array.from({ length: 62 }, (_, at) => `r${at}`),
  );
  assert.ok(pages > 1);
});

test('a page continues behind the longest values that an order can hold', async (t) => {
  const tags = Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`t${at}`, '\u0001'.repeat(8000)]));
  const { search, names } = await opened(t, [
    { name: 'a', tags },
    { name: 'b', tags },
  ]);
  const order_by = Object.keys(tags).map((key) => `tags.${key}`);
  const first = await search({ order_by, max_results: 1 });
  const second = await search({ order_by, max_results: 1, page_token: first.body['next_page_token'] });
  assert.deepEqual([...names(first), ...names(second)], ['a', 'b']);
});

test('a page token fits only its own search, and cannot be changed', async (t) => {
  const { search } = await opened(t, [{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
  const first = await search({ max_results: 1, filter: 'start_time > 0' });
  const page_token = String(first.body['next_page_token']);
  assert.equal((await search({ max_results: 2, filter: 'attributes.start_time > 0', page_token })).status, 200);
  const forged = `${Buffer.from('[0,"id-a"]').toString('base64url')}.${page_token.split('.')[1]}`;
  for (const body of [
    { filter: 'start_time > 1', page_token },
    { filter: 'start_time > 0', order_by: ['run_name'], page_token },
    { filter: 'start_time > 0', run_view_type: 'ALL', page_token },
    { filter: 'start_time > 0', experiment_ids: ['0', '1'], page_token },
    { filter: 'start_time > 0', page_token: forged },
    { filter: 'start_time > 0', page_token: `${page_token}x` },
    { filter: 'start_time > 0', page_token: 'eyJvZmZzZXQiOiA1fQ==' },
  ]) {
    const answer = await search(body);
    assert.equal(answer.status, 400, JSON.stringify(body));
    assert.match(String(answer.body['message']), /page token/);
  }
});

test('what the language does not have is refused with what is wrong', async (t) => {
  const { search } = await opened(t);
  for (const filter of [
    "params.a = 'x' OR params.b = 'y'",
    "NOT params.a = 'x'",
    "(params.a = 'x')",
    "params.a = 'x';",
    "params.a = 'x' AND",
    "params.a 'x'",
    'params.a = x',
    'params.a = 1',
    "params.a = 'x",
    "metrics.a = '1'",
    'metrics.a = 1x',
    'metrics.a = 1.2.3',
    'metrics.a = -',
    'metrics.a IS NULL',
    "metrics.a LIKE '1'",
    'run_id IN ()',
    "run_id IN ('a'",
    "run_name IN ('a')",
    "user_id > 'a'",
    "start_time = 'a'",
    "nothing.a = 'x'",
    "constructor = 'x'",
    "__proto__.x = 'x'",
    "attributes.nothing = 'x'",
    "dataset.nothing = 'x'",
    "params. = 'x'",
    "params.a = 'x' -- comment",
    "params.a == 'x'",
    "params.a <> 'x'",
    "params.a LIKE 'x' ESCAPE '!'",
    "'a' = 'x'",
    'x'.repeat(40_000),
    `tags.t LIKE '${'*'.repeat(20_000)}'`,
    `tags.t ILIKE '${'é'.repeat(8000)}'`,
    Array(51).fill("params.a = 'x'").join(' AND '),
  ])
    assert.equal((await search({ filter })).status, 400, filter.slice(0, 60));
  for (const order_by of [
    ['metrics.a UP'],
    ['metrics.a ASC DESC'],
    [''],
    ['metrics.a', 'metric.`a` DESC'],
    ['nothing.a'],
    ['dataset.name'],
  ])
    assert.equal((await search({ order_by })).status, 400, String(order_by));
  assert.equal((await search({ max_results: 0 })).status, 400);
  assert.equal((await search({ max_results: 50_001 })).status, 400);
});

test('values of a filter are values, whatever they hold', async (t) => {
  const { found } = await opened(t, [{ name: 'a', tags: { t: "x' OR '1'='1" } }]);
  assert.deepEqual(await found(`tags.t = "x' OR '1'='1"`), ['a']);
  assert.deepEqual(await found(`tags."t' or 1=1 --" = "x"`), []);
  assert.deepEqual(await found(`tags.t LIKE "%' OR '%"`), ['a']);
});

test('experiments are searched by name, times and tags, by GET and by POST', async (t) => {
  const { mlflow, clock } = await opened(t);
  for (const [name, team] of [
    ['alpha', 'a'],
    ['Beta', 'b'],
    ['gamma', 'a'],
  ] as const) {
    await clock.advance(1000);
    await mlflow.post('/experiments/create', { name, tags: [{ key: 'team', value: team }] });
  }
  const names = (answer: Answered) => {
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return ((answer.body['experiments'] ?? []) as { name: string }[]).map(({ name }) => name);
  };
  const search = (body: Record<string, unknown>) => mlflow.post('/experiments/search', { max_results: 100, ...body });
  assert.deepEqual(names(await search({ filter: "name LIKE 'a%'" })), ['alpha']);
  assert.deepEqual(names(await search({ filter: "name ILIKE 'b%'" })), ['Beta']);
  assert.deepEqual(names(await search({ filter: "tags.team = 'a'", order_by: ['name DESC'] })), ['gamma', 'alpha']);
  assert.deepEqual(names(await search({ filter: 'tags.team IS NULL' })), ['Default']);
  assert.deepEqual(names(await search({ order_by: ['experiment_id ASC'] })), ['Default', 'alpha', 'Beta', 'gamma']);
  assert.deepEqual(names(await mlflow.get('/experiments/search', { max_results: '2', order_by: 'name' })), [
    'Beta',
    'Default',
  ]);
  const first = await search({ max_results: 3, order_by: ['name'] });
  const rest = await search({ max_results: 3, order_by: ['name'], page_token: first.body['next_page_token'] });
  assert.deepEqual([...names(first), ...names(rest)], ['Beta', 'Default', 'alpha', 'gamma']);
  assert.equal(rest.body['next_page_token'], undefined);
  assert.equal((await search({ max_results: 0 })).status, 400);
  await mlflow.post('/experiments/delete', { experiment_id: '1' });
  assert.deepEqual(names(await search({ view_type: 'DELETED_ONLY' })), ['alpha']);
});
