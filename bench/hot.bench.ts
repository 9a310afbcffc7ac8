// The hot path: what a request costs the server with everything on (TLS, token, roles, bounds, record, encryption at rest),
// beside a bare HTTPS echo of the same bytes, and an artifact beside a bare HTTPS handler that writes it to, or reads it from, a
// plain file with the same durability. Server, floor and client are processes of their own; rounds are interleaved. Printed:
// requests a second, and processor time a request of the whole process (all its threads), with their ratios; of artifacts the
// longest turn of the server's event loop too, in processor time, so that other work on the machine is not in it. Never asserted.
// Run: npm run bench -- hot     (BENCH_PROFILE=FOLDER writes the server's CPU profile there; BENCH_BESIDE=FOLDER measures the
// server of another checkout in the same rounds, which tells a step from the noise of a machine that others use;
// BENCH_CONNECTIONS=16 measures with so many alone)
// Some rows: node bin/launch.cjs bench/hot.bench.ts log-metric | get-run | create-run | log-batch | artifact

import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { open, rename, stat } from 'node:fs/promises';
import { Agent, createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createAuthority, issueLeaf, namesOf } from '../server/src/kernel/http/certificates.ts';

const self = fileURLToPath(import.meta.url);
const root = fileURLToPath(new URL('..', import.meta.url));
const say = (line: string) => process.stdout.write(`${line}\n`);
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** The floor: JSON is parsed and answered with as many bytes as are asked for; files are plain, and synced. */
async function serveFloor(folder: string): Promise<void> {
  const authority = await createAuthority('floor', new Date());
  const { names, addresses } = namesOf('localhost');
  const leaf = await issueLeaf(authority, names, addresses, new Date());
  const server = createServer({ key: leaf.privateKeyPem, cert: leaf.certificatePem }, async (asked, answer) => {
    const file = join(folder, 'artifact');
    if (asked.method === 'PUT') {
      // As durable as ours: whole or not at all, and there after a power cut under its name.
      const part = `${file}-${randomUUID()}`;
      await pipeline(asked, createWriteStream(part, { mode: 0o600, flush: true }));
      await rename(part, file);
      const above = await open(folder);
      await above.sync();
      await above.close();
      answer.end('{}');
      return;
    }
    if (asked.url === '/artifact') {
      const { size } = await stat(file);
      answer.setHeader('content-length', size);
      const kept = await open(file);
      await pipeline(kept.createReadStream(), answer);
      return;
    }
    let text = '';
    for await (const piece of asked.setEncoding('utf8')) text += piece;
    if (text !== '') JSON.parse(text);
    const bytes = Number(new URL(asked.url ?? '/', 'https://floor').searchParams.get('bytes') ?? 2);
    answer.setHeader('content-type', 'application/json').end(`{}${' '.repeat(Math.max(0, bytes - 2))}`);
  });
  server.listen(0, '127.0.0.1', () => {
    writeFileSync(join(folder, 'floor.pem'), authority.certificatePem);
    process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`);
  });
}

async function portOf(child: ChildProcess, words: RegExp): Promise<number> {
  return await new Promise<number>((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (piece) => {
      text += String(piece);
      const found = words.exec(text);
      if (found) resolve(Number(found[1]));
    });
    child.once('exit', (code) => reject(new Error(`a server ended with ${code}`)));
  });
}

/** Processor milliseconds that the threads of the process have used, as the scheduler counts them; those that ended are not in it. */
function processorMs(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  const used = (task: string) => Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ', 1)[0]);
  return readdirSync(tasks).reduce((sum, task) => sum + used(task), 0) / 1e6;
}
function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** Loaded into the server: at a signal it writes down the longest turn of its loop since the last one, to a millisecond. */
const watchTurns = (path: string) =>
  `data:text/javascript,${encodeURIComponent(`
  import { isMainThread } from 'node:worker_threads';
  import { renameSync, writeFileSync } from 'node:fs';
  if (isMainThread) {
    const used = () => { const { user, system } = process.threadCpuUsage(); return (user + system) / 1000; };
    let before = used(), longest = 0;
    setInterval(() => { const now = used(); longest = Math.max(longest, now - before); before = now; }, 1).unref();
    process.on('SIGUSR2', () => {
      writeFileSync(${JSON.stringify(`${path}.part`)}, String(longest));
      renameSync(${JSON.stringify(`${path}.part`)}, ${JSON.stringify(path)});
      longest = 0;
    });
  }`)}`;
async function longestTurnMs(pid: number, path: string): Promise<number> {
  rmSync(path, { force: true });
  process.kill(pid, 'SIGUSR2');
  while (!existsSync(path)) await setTimeout(10);
  return Number(readFileSync(path, 'utf8'));
}

/** A body that is never in memory whole. */
type Repeated = { readonly piece: Buffer; readonly times: number };
const isRepeated = (body: unknown): body is Repeated => typeof body === 'object' && body !== null && 'times' in body;
function* pieces({ piece, times }: Repeated) {
  for (let sent = 0; sent < times; sent++) yield piece;
}

type Answer = { readonly status: number; readonly bytes: number; readonly text: string };
function caller(ca: string, port: number, headers: Readonly<Record<string, string>>) {
  const agent = new Agent({ keepAlive: true, maxSockets: 64, ca });
  return {
    close: () => agent.destroy(),
    call: (method: string, path: string, body?: unknown) =>
      new Promise<Answer>((resolve, reject) => {
        const bytes =
          body === undefined || isRepeated(body)
            ? undefined
            : body instanceof Uint8Array
              ? body
              : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
        const length = isRepeated(body) ? body.piece.length * body.times : bytes?.length;
        const type = typeof body === 'string' ? 'application/x-www-form-urlencoded' : 'application/json';
        const sent = request(
          {
            ...{ host: '127.0.0.1', servername: 'localhost', port, method, path, agent },
            headers: {
              host: `localhost:${port}`,
              'content-type': body instanceof Uint8Array || isRepeated(body) ? 'application/octet-stream' : type,
              ...(length ? { 'content-length': length } : {}),
              ...headers,
            },
          },
          (answer) => {
            let count = 0;
            const pieces: Buffer[] = [];
            answer.on('data', (piece: Buffer) => {
              count += piece.length;
              if (count < 1_000_000) pieces.push(piece);
            });
            answer.once('end', () =>
              resolve({ status: answer.statusCode ?? 0, bytes: count, text: String(Buffer.concat(pieces)) }),
            );
          },
        );
        sent.on('error', reject);
        if (isRepeated(body)) pipeline(pieces(body), sent).catch(reject);
        else sent.end(bytes);
      }),
  };
}
type Caller = ReturnType<typeof caller>;

type Load = { readonly perSecond: number; readonly processorMs: number; readonly p50: number; readonly p99: number };
async function load(
  pid: number,
  total: number,
  connections: number,
  act: (i: number) => Promise<Answer>,
): Promise<Load> {
  const times: number[] = [];
  let next = 0;
  const used = processorMs(pid);
  const started = performance.now();
  await Promise.all(
    Array.from({ length: connections }, async () => {
      for (let i = next++; i < total; i = next++) {
        const from = performance.now();
        const { status, text } = await act(i);
        if (status !== 200) throw new Error(`${status} ${text}`);
        times.push(performance.now() - from);
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  times.sort((a, b) => a - b);
  return {
    perSecond: total / seconds,
    processorMs: (processorMs(pid) - used) / total,
    p50: times[Math.floor(times.length * 0.5)] ?? 0,
    p99: times[Math.floor(times.length * 0.99)] ?? 0,
  };
}

type Side = { readonly name: string; readonly pid: number; readonly act: (i: number) => Promise<Answer> };
async function compare(
  title: string,
  total: number,
  connections: number,
  ours: readonly Side[],
  floor: Side,
  rounds = 5,
) {
  const pairs = ours.map((): { readonly ours: Load; readonly floor: Load }[] => []);
  // Long enough that what is hot is optimised, as in a server that has run for a while.
  const before = total < 100 ? Math.ceil(total / 4) : 2 * total;
  for (const side of [...ours, floor]) await load(side.pid, before, connections, side.act);
  for (let round = 0; round < rounds; round++) {
    const theirs = await load(floor.pid, total, connections, floor.act);
    for (const [at, side] of ours.entries())
      pairs[at]?.push({ ours: await load(side.pid, total, connections, side.act), floor: theirs });
  }
  for (const [at, { name }] of ours.entries()) {
    const of = (choose: (pair: { readonly ours: Load; readonly floor: Load }) => number) =>
      median((pairs[at] ?? []).map(choose));
    const [used, usedByFloor] = [of((pair) => pair.ours.processorMs), of((pair) => pair.floor.processorMs)];
    const times = of((pair) => pair.ours.processorMs / pair.floor.processorMs);
    if (name === '') results[`${title}, ${connections}`] = Math.round(times * 10) / 10;
    say(
      `${title}, ${connections} connection${connections === 1 ? '' : 's'}${name}: ratio ${of((pair) => pair.ours.perSecond / pair.floor.perSecond).toFixed(2)} ` +
        `(${of((pair) => pair.ours.perSecond).toFixed(0)}/s beside ${of((pair) => pair.floor.perSecond).toFixed(0)}/s); ` +
        `processor ${used.toFixed(3)} ms beside ${usedByFloor.toFixed(3)} ms, ${times.toFixed(1)} times; ` +
        `p50 ${of((pair) => pair.ours.p50).toFixed(2)} ms, p99 ${of((pair) => pair.ours.p99).toFixed(2)} ms`,
    );
  }
}
/** Processor time of a request as a multiple of the floor's, for `--compare`. */
const results: Record<string, number> = {};

/** A server of this checkout, or of another one, with whoever calls it. */
async function startServer(checkout: string, folder: string, profile: string | undefined) {
  mkdirSync(folder);
  const dataDir = join(folder, 'data');
  const bootstrapFile = join(folder, 'bootstrap.json');
  const turnsFile = join(folder, 'turns');
  const child = spawn(
    process.execPath,
    [
      // As bin/strongroom starts it.
      ...['--disable-warning=ExperimentalWarning', '--max-semi-space-size=4'],
      ...['--import', watchTurns(turnsFile)],
      ...(profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]),
      join(checkout, 'cli/src/main.ts'),
      ...['server', 'start', '--data-dir', dataDir, '--port', '0', '--bootstrap-file', bootstrapFile],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const port = await portOf(child, /ready at https:\/\/[^:]+:(\d+)/);
  const bootstrap = JSON.parse(readFileSync(bootstrapFile, 'utf8')) as {
    readonly tenantId: string;
    readonly subscriptionId: string;
    readonly application: { readonly clientId: string; readonly clientSecret: string };
  };
  const ca = readFileSync(join(dataDir, 'ca.pem'), 'utf8');
  const stranger = caller(ca, port, {});
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: bootstrap.application.clientId,
    client_secret: bootstrap.application.clientSecret,
    scope: 'https://management.azure.com/.default',
  });
  const { text } = await stranger.call('POST', `/${bootstrap.tenantId}/oauth2/v2.0/token`, form.toString());
  stranger.close();
  const { access_token: token } = JSON.parse(text) as { access_token: string };
  const client = caller(ca, port, { authorization: `Bearer ${token}` });
  return {
    client,
    token,
    turnsFile,
    pid: child.pid ?? 0,
    subscriptionId: bootstrap.subscriptionId,
    async stop() {
      client.close();
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}
type Started = Awaited<ReturnType<typeof startServer>>;

async function measure(only: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-hot-'));
  const beside = process.env['BENCH_BESIDE'];
  const floor = spawn(process.execPath, [self, 'floor', folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const servers: (Started & { readonly name: string })[] = [];
  try {
    const floorPort = await portOf(floor, /port (\d+)/);
    servers.push({ ...(await startServer(root, join(folder, 'own'), process.env['BENCH_PROFILE'])), name: '' });
    if (beside !== undefined)
      servers.push({ ...(await startServer(beside, join(folder, 'beside'), undefined)), name: ', beside' });
    const bare = caller(readFileSync(join(folder, 'floor.pem'), 'utf8'), floorPort, {
      authorization: `Bearer ${servers[0]?.token ?? ''}`,
    });
    await compareAll(servers, bare, floor.pid ?? 0, only);
    for (const { name, pid } of servers) say(`resident after it${name}: ${residentMiB(pid).toFixed(0)} MiB`);
    bare.close();
  } finally {
    floor.kill();
    for (const server of servers) await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A workspace with a run, and what is asked of it. */
async function furnished(server: Started) {
  const { client, subscriptionId } = server;
  const group = `/subscriptions/${subscriptionId}/resourceGroups/bench`;
  const workspace = `${group}/providers/Microsoft.MachineLearningServices/workspaces/bench`;
  const version = 'api-version=2024-10-01';
  for (const [path, body] of [
    [group, { location: 'local' }],
    [workspace, { location: 'local', properties: {} }],
  ] as const) {
    const answer = await client.call('PUT', `${path}?${version}`, body);
    if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${answer.text}`);
    for (let state = ''; state !== 'Succeeded'; ) {
      const { properties } = JSON.parse((await client.call('GET', `${path}?${version}`)).text) as {
        properties: { provisioningState?: string };
      };
      state = properties.provisioningState ?? 'Succeeded';
      if (state === 'Failed') throw new Error(`${path} failed`);
    }
  }
  const mlflow = `/mlflow/v2.0${workspace}/api/2.0/mlflow`;
  const made = await client.call('POST', `${mlflow}/experiments/create`, { name: 'bench' });
  const { experiment_id } = JSON.parse(made.text) as { experiment_id: string };
  const newRun = { experiment_id, start_time: 1 };
  const first = await client.call('POST', `${mlflow}/runs/create`, newRun);
  const { run } = JSON.parse(first.text) as { run: { info: { run_id: string } } };
  const run_id = run.info.run_id;
  let step = 0;
  const metric = () => ({ run_id, key: 'loss', value: 1 / (step + 1), timestamp: Date.now(), step: step++ });
  return {
    ...server,
    mlflow,
    artifacts: `/mlflow/v2.0${workspace}/api/2.0/mlflow-artifacts/artifacts/${experiment_id}/${run_id}/artifacts`,
    run_id,
    newRun,
    createdBytes: first.bytes,
    metric,
    batch: () => ({ run_id, metrics: Array.from({ length: 100 }, (_, k) => ({ ...metric(), key: `m${k % 10}` })) }),
  };
}
type Furnished = Awaited<ReturnType<typeof furnished>> & { readonly name: string };

async function compareAll(
  started: readonly (Started & { readonly name: string })[],
  bare: Caller,
  floorPid: number,
  only: string,
): Promise<void> {
  const servers: Furnished[] = [];
  for (const one of started) servers.push({ ...(await furnished(one)), name: one.name });
  const [own] = servers;
  if (own === undefined) return;
  const { mlflow, run_id, newRun } = own;
  const ours = (act: (server: Furnished, i: number) => Promise<Answer>): readonly Side[] =>
    servers.map((server) => ({ name: server.name, pid: server.pid, act: (i) => act(server, i) }));
  const floor = (act: Side['act']): Side => ({ name: 'floor', pid: floorPid, act });
  const getRun = (server: Furnished) => server.client.call('GET', `${server.mlflow}/runs/get?run_id=${server.run_id}`);
  const seen = (await getRun(own)).bytes;
  const rows: Readonly<Record<string, (connections: number) => Promise<void>>> = {
    'log-metric': (n) =>
      compare(
        'log-metric',
        2000,
        n,
        ours((one) => one.client.call('POST', `${one.mlflow}/runs/log-metric`, one.metric())),
        floor(() => bare.call('POST', `${mlflow}/runs/log-metric`, own.metric())),
      ),
    'get-run': (n) =>
      compare(
        'get run',
        2000,
        n,
        ours(getRun),
        floor(() => bare.call('GET', `${mlflow}/runs/get?run_id=${run_id}&bytes=${seen}`)),
      ),
    'create-run': (n) =>
      compare(
        'run create',
        1000,
        n,
        ours((one) => one.client.call('POST', `${one.mlflow}/runs/create`, one.newRun)),
        floor(() => bare.call('POST', `${mlflow}/runs/create?bytes=${own.createdBytes}`, newRun)),
      ),
    'log-batch': (n) =>
      compare(
        'log-batch of 100',
        300,
        n,
        ours((one) => one.client.call('POST', `${one.mlflow}/runs/log-batch`, one.batch())),
        floor(() => bare.call('POST', `${mlflow}/runs/log-batch`, own.batch())),
      ),
  };
  for (const [name, row] of Object.entries(rows))
    if (name.includes(only)) for (const connections of connectionCounts) await row(connections);
  if ('artifact'.includes(only)) await compareArtifacts(servers, bare, floorPid);
}

async function compareArtifacts(servers: readonly Furnished[], bare: Caller, floorPid: number): Promise<void> {
  const mebibyte = Buffer.alloc(1 << 20, 'artifact');
  for (const [size, times, total, connections, rounds] of [
    ['8 MiB', 8, 24, 2, 5],
    ['1 GiB', 1024, 1, 1, 3],
  ] as const) {
    const artifact = { piece: mebibyte, times };
    for (const [what, body] of [
      ['put', artifact],
      ['get', undefined],
    ] as const) {
      const method = what.toUpperCase();
      for (const { pid, turnsFile } of servers) await longestTurnMs(pid, turnsFile);
      const ours = servers.map(({ name, pid, client, artifacts }) => ({
        ...{ name, pid },
        act: (i: number) => client.call(method, `${artifacts}/${i % 4}.bin`, body),
      }));
      const floor = { name: 'floor', pid: floorPid, act: () => bare.call(method, '/artifact', body) };
      await compare(`artifact of ${size}, ${what}`, total, connections, ours, floor, rounds);
      for (const { name, pid, turnsFile } of servers) {
        const turn = (await longestTurnMs(pid, turnsFile)).toFixed(1);
        say(`  longest turn${name} ${turn} ms of processor, resident ${residentMiB(pid).toFixed(0)} MiB`);
      }
    }
  }
}

const connectionCounts = process.env['BENCH_CONNECTIONS']?.split(',').map(Number) ?? [1, 16];
const [mode = '', folder = ''] = process.argv.slice(2);
if (mode === 'floor') await serveFloor(folder);
else {
  await measure(mode);
  const file = process.env['BENCH_RESULTS'];
  if (file !== undefined) writeFileSync(file, JSON.stringify(results));
}
