// The whole server, from outside: TLS, token, role, validation, record and durable write on every call. Beside it, in the
// same run, the limit: a bare HTTPS server of the same runtime that parses the same JSON and answers `{}`. Also: from
// process start to ready, from submitting a job to the first line of its output on a warm node, and what 500 queued jobs cost.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, createServer, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAuthority, issueLeaf, namesOf } from '../server/src/kernel/http/certificates.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'strongroom-bench-'));
const bootstrapFile = join(folder, 'bootstrap.json');
const dataDir = join(folder, 'data');

type Running = { readonly child: ChildProcess; readonly readyMs: number; readonly port: number };

async function start(): Promise<Running> {
  const started = performance.now();
  const child = spawn(
    join(root, 'bin/strongroom'),
    ['server', 'start', '--data-dir', dataDir, '--port', '0', '--bootstrap-file', bootstrapFile],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const port = await new Promise<number>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (piece) => {
      text += String(piece);
      const found = /ready at https:\/\/[^:]+:(\d+)/.exec(text);
      if (found) resolve(Number(found[1]));
    });
    child.on('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
  return { child, port, readyMs: performance.now() - started };
}
async function stop({ child }: Running): Promise<void> {
  child.kill('SIGTERM');
  await once(child, 'exit');
}

type Bootstrap = {
  readonly url: string;
  readonly caFile: string;
  readonly tenantId: string;
  readonly subscriptionId: string;
  readonly application: { readonly clientId: string; readonly clientSecret: string };
};
type Answer = { readonly status: number; readonly headers: Readonly<Record<string, unknown>>; readonly body: string };

function caller(ca: string, port: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: 64, ca });
  return {
    close: () => agent.destroy(),
    call: (method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) =>
      new Promise<Answer>((resolve, reject) => {
        const bytes =
          body === undefined ? undefined : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
        const sent = request(
          {
            host: '127.0.0.1',
            servername: 'localhost',
            port,
            method,
            path,
            agent,
            headers: {
              host: `localhost:${port}`,
              'content-type': 'application/json',
              ...(bytes ? { 'content-length': bytes.length } : {}),
              ...headers,
            },
          },
          (answer) => {
            let text = '';
            answer
              .setEncoding('utf8')
              .on('data', (part: string) => (text += part))
              .on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }));
          },
        );
        sent.on('error', reject).end(bytes);
      }),
  };
}

/** Calls a second, and the median and 99th percentile in ms. */
async function load(
  total: number,
  connections: number,
  act: (i: number) => Promise<Answer>,
): Promise<{ readonly perSecond: number; readonly p50: number; readonly p99: number }> {
  const times: number[] = [];
  let next = 0;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: connections }, async () => {
      for (let i = next++; i < total; i = next++) {
        const from = performance.now();
        const { status, body } = await act(i);
        if (status !== 200) throw new Error(`${status} ${body}`);
        times.push(performance.now() - from);
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  times.sort((a, b) => a - b);
  return {
    perSecond: total / seconds,
    p50: times[Math.floor(times.length * 0.5)] ?? 0,
    p99: times[Math.floor(times.length * 0.99)] ?? 0,
  };
}

const say = (line: string) => process.stdout.write(`${line}\n`);

async function bareServer() {
  const authority = await createAuthority('limit', new Date());
  const { names, addresses } = namesOf('localhost');
  const leaf = await issueLeaf(authority, names, addresses, new Date());
  const server = createServer({ key: leaf.privateKeyPem, cert: leaf.certificatePem }, (incoming, answer) => {
    let text = '';
    incoming
      .on('data', (part) => (text += part))
      .on('end', () => {
        JSON.parse(text);
        answer.setHeader('content-type', 'application/json').end('{}');
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    ca: authority.certificatePem,
    port: typeof address === 'object' && address ? address.port : 0,
    close: () => server.close(),
  };
}

try {
  const first = await start();
  await stop(first);
  const starts: number[] = [];
  let running = first;
  for (let i = 0; i < 5; i++) {
    running = await start();
    starts.push(running.readyMs);
    if (i < 4) await stop(running);
  }
  starts.sort((a, b) => a - b);
  say(
    `start to ready: first start ${first.readyMs.toFixed(0)} ms, later starts median ${(starts[2] ?? 0).toFixed(0)} ms (${starts.map((ms) => ms.toFixed(0)).join(', ')})`,
  );

  const { port } = running;
  const bootstrap = JSON.parse(readFileSync(bootstrapFile, 'utf8')) as Bootstrap;
  const { call, close } = caller(readFileSync(join(dataDir, 'ca.pem'), 'utf8'), port);
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: bootstrap.application.clientId,
    client_secret: bootstrap.application.clientSecret,
    scope: 'https://management.azure.com/.default',
  });
  const signedIn = JSON.parse(
    (
      await call('POST', `/${bootstrap.tenantId}/oauth2/v2.0/token`, form.toString(), {
        'content-type': 'application/x-www-form-urlencoded',
      })
    ).body,
  ) as { access_token: string };
  const headers = { authorization: `Bearer ${signedIn.access_token}` };
  const group = `/subscriptions/${bootstrap.subscriptionId}/resourceGroups/bench`;
  const workspace = `${group}/providers/Microsoft.MachineLearningServices/workspaces/bench`;
  const version = 'api-version=2024-10-01';
  const put = async (path: string, body: unknown) => {
    const answer = await call('PUT', `${path}?${version}`, body, headers);
    if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${answer.body}`);
    for (let state = ''; state !== 'Succeeded'; ) {
      const { properties } = JSON.parse((await call('GET', `${path}?${version}`, undefined, headers)).body) as {
        properties: { provisioningState?: string };
      };
      state = properties.provisioningState ?? 'Succeeded';
      if (state === 'Failed') throw new Error(`${path} failed`);
    }
  };
  await put(group, { location: 'local' });
  await put(workspace, { location: 'local', properties: {} });
  const mlflow = `/mlflow/v2.0${workspace}/api/2.0/mlflow`;
  const experiment = JSON.parse(
    (await call('POST', `${mlflow}/experiments/create`, { name: 'bench' }, headers)).body,
  ) as { experiment_id: string };
  const made = JSON.parse(
    (
      await call(
        'POST',
        `${mlflow}/runs/create`,
        { experiment_id: experiment.experiment_id, start_time: Date.now() },
        headers,
      )
    ).body,
  ) as { run: { info: { run_id: string } } };
  const runId = made.run.info.run_id;

  const bare = await bareServer();
  const limit = caller(bare.ca, bare.port);
  const metric = (i: number) => ({ run_id: runId, key: 'loss', value: 1 / (i + 1), timestamp: Date.now(), step: i });
  const batch = (i: number) => ({
    run_id: runId,
    metrics: Array.from({ length: 100 }, (_, k) => ({
      key: `m${k % 10}`,
      value: i + k,
      timestamp: Date.now(),
      step: i * 10 + Math.floor(k / 10),
    })),
  });
  for (const [title, body, path, total] of [
    ['log-metric', metric, `${mlflow}/runs/log-metric`, 3000],
    ['log-batch of 100', batch, `${mlflow}/runs/log-batch`, 400],
  ] as const) {
    for (const connections of [1, 16]) {
      await load(50, connections, (i) => call('POST', path, body(100_000 + i), headers));
      const ours = await load(total, connections, (i) => call('POST', path, body(i + connections * 10_000), headers));
      const theirs = await load(total, connections, (i) => limit.call('POST', '/', body(i)));
      say(
        `${title}, ${connections} connection${connections > 1 ? 's' : ''}: ${ours.perSecond.toFixed(0)}/s (p50 ${ours.p50.toFixed(2)} ms, p99 ${ours.p99.toFixed(2)} ms); bare HTTPS ${theirs.perSecond.toFixed(0)}/s; ratio ${(ours.perSecond / theirs.perSecond).toFixed(2)}`,
      );
    }
  }
  limit.close();
  bare.close();

  await put(`${workspace}/computes/cpu`, {
    location: 'local',
    properties: {
      computeType: 'AmlCompute',
      properties: { vmSize: 'local', scaleSettings: { minNodeCount: 1, maxNodeCount: 1 } },
    },
  });
  const waits: number[] = [];
  for (let i = 0; i < 7; i++) {
    const from = performance.now();
    const job = `${workspace}/jobs/bench-${i}`;
    const answer = await call(
      'PUT',
      `${job}?${version}`,
      { properties: { jobType: 'Command', command: 'echo first', computeId: `${workspace}/computes/cpu` } },
      headers,
    );
    if (answer.status >= 300) throw new Error(answer.body);
    for (let text = '', offset = '0'; text === ''; ) {
      const page = await call('GET', `${job}/log?${version}&wait=true&offset=${offset}`, undefined, headers);
      if (page.headers['x-log-complete'] === 'true') throw new Error('the job printed nothing');
      text = page.body;
      offset = String(page.headers['x-log-offset']);
    }
    if (i > 0) waits.push(performance.now() - from);
    for (let complete = ''; complete !== 'true'; )
      complete = String(
        (await call('GET', `${job}/log?${version}&wait=true&offset=6`, undefined, headers)).headers['x-log-complete'],
      );
  }
  waits.sort((a, b) => a - b);
  const python = await pythonMs();
  say(
    `job submitted to first line of output, warm node: median ${(waits[3] ?? 0).toFixed(0)} ms (${waits.map((ms) => ms.toFixed(0)).join(', ')}); starting python3 alone takes ${python.toFixed(0)} ms`,
  );
  const submit = async (name: string, command: string) => {
    const properties = { jobType: 'Command', command, computeId: `${workspace}/computes/cpu` };
    const answer = await call('PUT', `${workspace}/jobs/${name}?${version}`, { properties }, headers);
    if (answer.status >= 300) throw new Error(answer.body);
  };
  await submit('holds', 'echo held; sleep 3600');
  await call('GET', `${workspace}/jobs/holds/log?${version}&wait=true&offset=0`, undefined, headers);
  const read = () => call('GET', `${workspace}?${version}`, undefined, headers);
  await load(500, 4, read);
  const beside = await load(4000, 4, read);
  const queueing = performance.now();
  const queued = 500;
  await Promise.all(
    Array.from({ length: 8 }, async (_, lane) => {
      for (let i = lane; i < queued; i += 8) await submit(`queued-${i}`, 'true');
    }),
  );
  const queuedMs = performance.now() - queueing;
  const crowded = await load(4000, 4, read);
  say(
    `a read beside ${queued} queued jobs: p50 ${crowded.p50.toFixed(2)} ms, p99 ${crowded.p99.toFixed(2)} ms; beside none p50 ${beside.p50.toFixed(2)} ms, p99 ${beside.p99.toFixed(2)} ms; ratio of the medians ${(crowded.p50 / beside.p50).toFixed(2)}, of the 99th percentiles ${(crowded.p99 / beside.p99).toFixed(2)}; queueing them took ${(queuedMs / 1000).toFixed(1)} s`,
  );
  close();
  await stop(running);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function pythonMs(): Promise<number> {
  const from = performance.now();
  await once(spawn('/usr/bin/python3', ['-I', '-c', '']), 'exit');
  return performance.now() - from;
}
