// What the scoring gateway costs: one small request through the whole door (TLS, key, decision, queue, agent, record), beside
// the same request straight to the runtime in its sandbox, and beside two limits of the same run: a plain HTTPS echo, and an
// HTTPS proxy of the same runtime that forwards to the sandbox over two connections of its own and does nothing else.
// The sides take turns, so that a busy moment is everybody's. Ratios and added milliseconds are printed, and how much processor
// time server, agent and sandbox spend on a request, which a busy machine changes less; nothing is asserted.
// Run: node bench/scoring.bench.ts [requests] [rounds]

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { type IncomingMessage, request as plainRequest, Agent as SocketAgent } from 'node:http';
import { Agent, createServer, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import tar from 'tar-stream';
import { createAuthority, issueLeaf, namesOf } from '../server/src/kernel/http/certificates.ts';

const REQUESTS = Number(process.argv[2] ?? 2000);
const ROUNDS = Number(process.argv[3] ?? 5);
const role = process.env['SCORING_BENCH_LIMIT'];
const say = (line: string) => process.stdout.write(`${line}\n`);
const body = Buffer.from('{"data":[[1,2,3,4]]}');

type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
};
type Call = () => Promise<Answer>;

function answerOf(answer: IncomingMessage): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let text = '';
    answer
      .setEncoding('utf8')
      .on('data', (part: string) => (text += part))
      .on('error', reject)
      .on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }));
  });
}

/** The limits run in a process of their own, as the server does: an event loop shared with the caller would count double. */
async function serveLimit(socketPath: string): Promise<void> {
  const authority = await createAuthority('limit', new Date());
  const { names, addresses } = namesOf('localhost');
  const leaf = await issueLeaf(authority, names, addresses, new Date());
  const agent = new SocketAgent({ keepAlive: true });
  const server = createServer({ key: leaf.privateKeyPem, cert: leaf.certificatePem }, (incoming, answer) => {
    if (incoming.url === '/echo') {
      answer.writeHead(200, { 'content-length': incoming.headers['content-length'] });
      incoming.pipe(answer);
      return;
    }
    const headers = { 'content-type': 'application/json', 'content-length': incoming.headers['content-length'] };
    const onward = plainRequest({ socketPath, agent, method: 'POST', path: '/score', headers }, (reply) => {
      answer.writeHead(reply.statusCode ?? 502, { 'content-length': reply.headers['content-length'] });
      reply.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    incoming.pipe(onward);
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    process.stdout.write(`${JSON.stringify({ port, ca: authority.certificatePem })}\n`);
  });
}

async function firstLine(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (piece) => {
      text += String(piece);
      const found = pattern.exec(text);
      if (found) resolve(found[1] ?? '');
    });
    child.on('exit', (code) => reject(new Error(`a process of the benchmark ended with ${code}`)));
  });
}

type Figures = { readonly p50: number; readonly p99: number; readonly perSecond: number };

async function load(connections: number, call: Call): Promise<Figures> {
  const times: number[] = [];
  let left = REQUESTS;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (left-- > 0) {
        const from = performance.now();
        const { status, body: text } = await call();
        if (status !== 200) throw new Error(`${status} ${text}`);
        times.push(performance.now() - from);
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? 0;
  return { p50: at(0.5), p99: at(0.99), perSecond: times.length / seconds };
}

const ticksPerSecond = 100;

/** Processor time that a process and everything below it has used, in ms, by command; empty where there is no /proc. */
function processorMs(root: number): ReadonlyMap<string, number> {
  const processes = new Map<number, { readonly name: string; readonly parent: number; readonly ms: number }>();
  for (const pid of existsSync('/proc/self/stat') ? readdirSync('/proc').filter((name) => /^\d+$/.test(name)) : [])
    try {
      const [, name = '', rest = ''] = /^\d+ \((.*)\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
      const fields = rest.split(' ');
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('agent') ? 'agent' : name;
      const ms = ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond;
      processes.set(Number(pid), { name: command, parent: Number(fields[1]), ms });
    } catch {
      // Ended meanwhile.
    }
  const isBelow = (pid: number): boolean =>
    pid === root || (processes.has(pid) && isBelow(processes.get(pid)?.parent ?? 0));
  const used = new Map<string, number>();
  for (const [pid, { name, ms }] of processes) if (isBelow(pid)) used.set(name, (used.get(name) ?? 0) + ms);
  return used;
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Each side in turn, `ROUNDS` times after one to warm up; the median of each figure. */
async function compare(connections: number, sides: Readonly<Record<string, Call>>): Promise<Map<string, Figures>> {
  const seen = new Map<string, Figures[]>();
  for (let round = 0; round <= ROUNDS; round++)
    for (const [name, call] of Object.entries(sides)) {
      const figures = await load(connections, call);
      if (round > 0) seen.set(name, [...(seen.get(name) ?? []), figures]);
    }
  const of = (all: readonly Figures[], pick: (figures: Figures) => number) => median(all.map(pick));
  return new Map(
    [...seen].map(([name, all]) => [
      name,
      {
        p50: of(all, ({ p50 }) => p50),
        p99: of(all, ({ p99 }) => p99),
        perSecond: of(all, ({ perSecond }) => perSecond),
      },
    ]),
  );
}

const script = 'import json\ndef init(): pass\ndef run(data): return [sum(row) for row in json.loads(data)["data"]]\n';

async function archive(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const pack = tar.pack();
  for (const [path, content] of Object.entries(files)) pack.entry({ name: path }, content);
  pack.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of pack) chunks.push(chunk as Buffer); // a byte stream gives buffers
  return gzipSync(Buffer.concat(chunks));
}

type Bootstrap = {
  readonly tenantId: string;
  readonly subscriptionId: string;
  readonly application: { readonly clientId: string; readonly clientSecret: string };
};

/** A caller over TLS that keeps its connections. */
function caller(ca: string, port: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: 64, ca });
  return (method: string, path: string, headers: Readonly<Record<string, string>>, bytes?: Uint8Array | string) =>
    new Promise<Answer>((resolve, reject) => {
      const length = bytes === undefined ? {} : { 'content-length': Buffer.byteLength(bytes) };
      const sent = request(
        {
          ...{ host: '127.0.0.1', servername: 'localhost', port, method, path, agent },
          headers: { host: `localhost:${port}`, 'content-type': 'application/json', ...length, ...headers },
        },
        (answer) => void answerOf(answer).then(resolve, reject),
      );
      sent.on('error', reject).end(bytes);
    });
}

/** An endpoint of one deployment. Answers how to call it. */
async function deploy(bootstrap: Bootstrap, call: ReturnType<typeof caller>) {
  const must = async (
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    bytes?: Uint8Array | string,
  ) => {
    const answer = await call(method, path, headers, bytes);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
    return answer;
  };
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: bootstrap.application.clientId,
    client_secret: bootstrap.application.clientSecret,
    scope: 'https://management.azure.com/.default',
  });
  const signedIn = await must(
    'POST',
    `/${bootstrap.tenantId}/oauth2/v2.0/token`,
    { 'content-type': 'application/x-www-form-urlencoded' },
    form.toString(),
  );
  const headers = { authorization: `Bearer ${JSON.parse(signedIn.body).access_token}` };
  const version = 'api-version=2024-10-01';
  const arm = async (method: string, path: string, properties?: unknown) => {
    const bytes =
      properties === undefined
        ? undefined
        : JSON.stringify({ location: 'local', sku: { name: 'Default', capacity: 1 }, properties });
    await must(method, `${path}?${version}`, headers, bytes);
    for (;;) {
      const now = await must('GET', `${path}?${version}`, headers);
      const { properties: seen } = JSON.parse(now.body);
      if (seen.provisioningState === 'Failed') throw new Error(`${path} failed: ${now.body}`);
      if ((seen.provisioningState ?? 'Succeeded') === 'Succeeded') return seen;
    }
  };
  const group = `/subscriptions/${bootstrap.subscriptionId}/resourceGroups/bench`;
  const workspace = `${group}/providers/Microsoft.MachineLearningServices/workspaces/bench`;
  await must('PUT', `${group}?${version}`, headers, '{"location":"local"}');
  await must('PUT', `${workspace}?${version}`, headers, '{"location":"local","properties":{}}');
  await arm('GET', workspace);
  const upload = async (kind: 'codes' | 'models', files: Readonly<Record<string, string>>) => {
    const tarball = await archive(files);
    const taken = await must(
      'POST',
      `${workspace}/snapshots?api-version=2023-10-01`,
      { ...headers, 'content-type': 'application/x-tar' },
      tarball,
    );
    const { uri } = JSON.parse(taken.body);
    const id = `${workspace}/${kind}/bench/versions/1`;
    await must(
      'PUT',
      `${id}?${version}`,
      headers,
      JSON.stringify({ properties: { [kind === 'codes' ? 'codeUri' : 'modelUri']: uri } }),
    );
    return id;
  };
  const codeId = await upload('codes', { 'score.py': script });
  const model = await upload('models', { 'model.json': '{}' });
  const endpoint = `${workspace}/onlineEndpoints/bench`;
  await arm('PUT', endpoint, { authMode: 'Key' });
  await arm('PUT', `${endpoint}/deployments/blue`, {
    endpointComputeType: 'Managed',
    model,
    codeConfiguration: { codeId, scoringScript: 'score.py' },
    requestSettings: { maxConcurrentRequestsPerInstance: 16 },
  });
  const { scoringUri } = await arm('PUT', endpoint, { authMode: 'Key', traffic: { blue: 100 } });
  const keys = await must('POST', `${endpoint}/listKeys?${version}`, headers);
  return { path: new URL(scoringUri).pathname, key: JSON.parse(keys.body).primaryKey as string };
}

/** The socket of the one scoring process on this machine that this benchmark started. */
function socketsOfSandboxes(): ReadonlySet<string> {
  const found = new Set<string>();
  for (const parent of ['/dev/shm', tmpdir()])
    try {
      for (const name of readdirSync(parent))
        if (name.startsWith('strongroom-'))
          try {
            if (readdirSync(join(parent, name)).includes('score.sock')) found.add(join(parent, name, 'score.sock'));
          } catch {
            // Not a folder, or gone meanwhile.
          }
    } catch {
      // No such parent on this machine.
    }
  return found;
}

async function main(): Promise<void> {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), 'scoring-bench-'));
  const others = socketsOfSandboxes();
  const children: ChildProcess[] = [];
  try {
    const dataDir = join(folder, 'data');
    const bootstrapFile = join(folder, 'bootstrap.json');
    const server = spawn(
      join(root, 'bin/strongroom'),
      ['server', 'start', '--data-dir', dataDir, '--port', '0', '--bootstrap-file', bootstrapFile],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    children.push(server);
    const port = Number(await firstLine(server, /ready at https:\/\/[^:]+:(\d+)/));
    const call = caller(readFileSync(join(dataDir, 'ca.pem'), 'utf8'), port);
    const { path, key } = await deploy(JSON.parse(readFileSync(bootstrapFile, 'utf8')) as Bootstrap, call);
    const [socketPath] = [...socketsOfSandboxes()].filter((each) => !others.has(each));
    if (socketPath === undefined) throw new Error('the socket of the scoring process was not found');

    const limit = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, SCORING_BENCH_LIMIT: socketPath },
    });
    children.push(limit);
    const limits = JSON.parse(await firstLine(limit, /(\{.*\})\n/s)) as { port: number; ca: string };
    const ask = caller(limits.ca, limits.port);
    const straight = new SocketAgent({ keepAlive: true });
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const gateway: Call = () => call('POST', path, { authorization: `Bearer ${key}` }, body);
    const sides: Readonly<Record<string, Call>> = {
      gateway,
      sandbox: () =>
        new Promise((resolve, reject) =>
          plainRequest(
            { socketPath, agent: straight, method: 'POST', path: '/score', headers },
            (answer) => void answerOf(answer).then(resolve, reject),
          )
            .on('error', reject)
            .end(body),
        ),
      proxy: () => ask('POST', '/', {}, body),
      echo: () => ask('POST', '/echo', {}, body),
    };
    for (const connections of [1, 8]) {
      const seen = await compare(connections, sides);
      say(`${connections} connection${connections > 1 ? 's' : ''}, ${REQUESTS} requests, median of ${ROUNDS} rounds`);
      for (const [name, { p50, p99, perSecond }] of seen)
        say(`  ${name.padEnd(8)} p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, ${perSecond.toFixed(0)}/s`);
      const of = (name: string) => seen.get(name) ?? { p50: Number.NaN, p99: Number.NaN, perSecond: Number.NaN };
      const added = of('gateway').p50 - of('sandbox').p50;
      say(
        `  the gateway adds ${added.toFixed(2)} ms at p50 to the sandbox alone; ${(of('gateway').perSecond / of('sandbox').perSecond).toFixed(2)} of its requests, ${(of('gateway').perSecond / of('proxy').perSecond).toFixed(2)} of the plain proxy's, ${(of('gateway').perSecond / of('echo').perSecond).toFixed(2)} of the echo's`,
      );
    }
    const before = processorMs(server.pid ?? 0);
    for (let round = 0; round < ROUNDS; round++) await load(1, gateway);
    const spent = [...processorMs(server.pid ?? 0)]
      .map(([name, ms]) => [name, (ms - (before.get(name) ?? 0)) / (ROUNDS * REQUESTS)] as const)
      .filter(([, ms]) => ms > 0.005)
      .map(([name, ms]) => `${name} ${ms.toFixed(2)} ms`);
    say(`processor time of one request through the gateway: ${spent.join(', ')}`);
    straight.destroy();
  } finally {
    for (const child of children.reverse())
      if (child.exitCode === null) {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
    rmSync(folder, { recursive: true, force: true });
  }
}

if (role !== undefined) await serveLimit(role);
else {
  await main();
  process.exit();
}
