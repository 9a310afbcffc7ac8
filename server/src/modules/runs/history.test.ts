// What was logged, read again: histories of metrics page by page, and charts of them.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { closeScanPool } from '#kernel/database/database';
import { grant, workspaceId } from './testing.ts';
import { opened, refused } from './tracking.fixture.ts';

after(() => closeScanPool());

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

test('what a metric came to after so many points is what these points come to, whatever is not a number', async (t) => {
  const { mlflow, newRun, runs } = await opened(t);
  const value = fc.oneof(
    fc.double({ min: -10, max: 10, noNaN: true }),
    fc.constantFrom<'NaN' | number>('NaN', 1.7976931348623157e308, -1.7976931348623157e308),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(value, { maxLength: 30 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 5 }),
      async (values, at) => {
        const run_id = await newRun();
        const metrics = values.map((one, step) => ({ key: 'm', value: one, timestamp: step, step }));
        await mlflow.post('/runs/log-batch', { run_id, metrics });
        const counts = [...new Set([...at.filter((count) => count < values.length), values.length])];
        const expected = counts
          .filter((count) => count > 0)
          .sort((a, b) => a - b)
          .map((points) => {
            const numbers = values.slice(0, points).filter((one) => one !== 'NaN');
            const addends = numbers.map((one) => Math.max(-1e290, Math.min(1e290, one)));
            return {
              points,
              numbers: numbers.length > 0 && {
                least: Math.min(...numbers),
                greatest: Math.max(...numbers),
                average: addends.reduce((sum, one) => sum + one, 0) / addends.length,
              },
            };
          });
        const parts = await runs.partsOf(grant, workspaceId, run_id, 'm', at);
        assert.deepEqual(
          parts.map(({ points, numbers }) => [points, numbers?.least, numbers?.greatest]),
          expected.map(({ points, numbers }) => [
            points,
            numbers ? numbers.least : undefined,
            numbers ? numbers.greatest : undefined,
          ]),
        );
        for (const [index, { numbers }] of parts.entries()) {
          const wanted = expected[index]?.numbers;
          if (wanted && numbers) {
            const scale = Math.max(1, Math.abs(wanted.least), Math.abs(wanted.greatest));
            assert.ok(
              Math.abs(numbers.average - wanted.average) <= scale * 1e-12,
              `${numbers.average} ${wanted.average}`,
            );
          }
        }
      },
    ),
    { numRuns: 40 },
  );
  await assert.rejects(runs.partsOf(grant, workspaceId, 'f'.repeat(32), 'm', [1]), /not found/);
});
