// What tracking costs through the door: routing, decisions, validation, the encrypted database with durable group commit,
// over plain loopback with an authorizer that allows everything. Printed, never asserted; the client shares the machine.
// Run: node bench/runs.bench.ts [seconds per case]

import { Agent, request } from 'node:http';
import { closeScanPool } from '../server/src/kernel/database/database.ts';
import { setUp, trackingPath } from '../server/src/modules/runs/testing.ts';

const seconds = Number(process.argv[2] ?? 3);
const afters: (() => unknown)[] = [];
// The fixture of the module's tests, whose only use of the test is to clean up.
const set = await setUp({ after: (clean: () => unknown) => void afters.push(clean) } as unknown as Parameters<
  typeof setUp
>[0]);
const { url } = await set.openDoor();
const { port } = new URL(url);
const agent = new Agent({ keepAlive: true, maxSockets: 64 });

function send(method: string, path: string, body?: unknown): Promise<Record<string, never>> {
  const { promise, resolve, reject } = Promise.withResolvers<Record<string, never>>();
  const sent = request(
    {
      ...{ agent, port, host: '127.0.0.1', method, path: `${trackingPath}/api/2.0/mlflow${path}` },
      headers: { authorization: 'Bearer alice', 'content-type': 'application/json' },
    },
    (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      answer.on('end', () => {
        if (answer.statusCode === 200) resolve(JSON.parse(text));
        else reject(new Error(`${path}: ${answer.statusCode} ${text}`));
      });
    },
  );
  sent.on('error', reject);
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}

/** Calls `act` from `callers` loops for the time of a case. */
async function measure(
  name: string,
  callers: number,
  act: (at: number) => Promise<unknown>,
  weight = 1,
): Promise<void> {
  const latencies: number[] = [];
  let at = 0;
  const begun = performance.now();
  const end = begun + seconds * 1000;
  const loop = async () => {
    while (performance.now() < end) {
      const started = performance.now();
      await act(at++);
      latencies.push(performance.now() - started);
    }
  };
  await Promise.all(Array.from({ length: callers }, loop));
  const spent = (performance.now() - begun) / 1000;
  latencies.sort((a, b) => a - b);
  const of = (share: number) => (latencies[Math.floor(latencies.length * share)] ?? 0).toFixed(2);
  const rate = Math.round((latencies.length * weight) / spent);
  console.log(
    `${name.padEnd(44)} ${String(callers).padStart(3)} callers ${String(rate).padStart(8)}/s   p50 ${of(0.5)} ms   p99 ${of(0.99)} ms`,
  );
}

const newRun = async () => {
  const { run } = (await send('POST', '/runs/create', { experiment_id: '0' })) as unknown as {
    run: { info: { run_id: string } };
  };
  return run.info.run_id;
};
const run_id = await newRun();
const points = (count: number, keys: number, from: number) =>
  Array.from({ length: count }, (_, at) => ({
    key: `m${at % keys}`,
    value: at / 7,
    timestamp: 1,
    step: from * count + at,
  }));
const logMetric = (at: number) =>
  send('POST', '/runs/log-metric', { run_id, key: 'loss', value: at / 3, timestamp: at, step: at });
const logBatch = (count: number, keys: number) => (at: number) =>
  send('POST', '/runs/log-batch', { run_id, metrics: points(count, keys, at) });

await measure('create run', 1, newRun);
await measure('create run', 64, newRun);
await measure('log-metric', 1, logMetric);
await measure('log-metric', 64, logMetric);
await measure('log-batch of 20, points', 8, logBatch(20, 20), 20);
await measure('log-batch of 1000 on 10 keys, points', 1, logBatch(1000, 10), 1000);
await measure('log-batch of 1000 on 1000 keys, points', 1, logBatch(1000, 1000), 1000);
const small = await newRun();
await send('POST', '/runs/log-batch', { run_id: small, metrics: points(20, 20, 0) });
await measure('get run of 20 metrics', 16, () => send('GET', `/runs/get?run_id=${small}`));

const { body } = { body: await send('POST', '/experiments/create', { name: 'search' }) };
const { experiment_id } = body as unknown as { experiment_id: string };
const fill = async (at: number) => {
  const { run } = (await send('POST', '/runs/create', { experiment_id })) as unknown as {
    run: { info: { run_id: string } };
  };
  const params = Array.from({ length: 10 }, (_, key) => ({ key: `p${key}`, value: String(at % 10) }));
  await send('POST', '/runs/log-batch', { run_id: run.info.run_id, metrics: points(20, 20, at), params });
};
const runs = 1000;
for (let at = 0; at < runs; at += 50) await Promise.all(Array.from({ length: 50 }, (_, more) => fill(at + more)));
const search = (more: object) => send('POST', '/runs/search', { experiment_ids: [experiment_id], ...more });
await measure(`search ${runs} runs: first 100`, 1, () => search({ max_results: 100 }));
await measure(`search ${runs} runs: all of them`, 1, () => search({ max_results: 1000 }));
await measure(`search ${runs} runs: filter and order, 100`, 1, () =>
  search({ max_results: 100, filter: "metrics.m3 > 1 and params.p1 = '3'", order_by: ['metrics.m5 DESC'] }),
);

agent.destroy();
for (const clean of afters.reverse()) await clean();
await closeScanPool();
