// What jobs cost, each row beside its limit in the same run: the same command started plainly by bubblewrap, the same bytes on a plain
// disk, the same call without what is measured. The sides take turns, so that a busy moment is everybody's. Nothing is asserted.
// Run: node bench/jobs.bench.ts [row] [number] [number], without a row all of them:
//   first-line [rounds]        submission to the first line on a warm node: its own Python, an image, and the first job of the image
//   at-once [jobs] [seconds]   short jobs on four slots, and what each costs beside what it runs
//   unpack [MiB] [rounds]      the layer of an image, beside tar and beside a plain copy of what comes of it
//   queue [jobs]               what calls of others take while so many jobs wait
//   found [rounds]             a job in an environment that was built before and is found by its digest

import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { tar } from '../agent/src/images/testing.ts';
import { findBubblewrap } from '../agent/src/sandbox/host.ts';
import { mergedFolders } from '../agent/src/sandbox/plan.ts';
import { sandboxIdentity } from '../agent/src/sandbox/sandbox.ts';
import { unpackImage } from '../agent/src/sandbox/unpack.ts';
import { openPackageIndex, packageWheel, pipWheel } from '../server/src/modules/environments/package-index.fixture.ts';
import { image, pushImage, shellLayer } from '../server/test/image.fixture.ts';
import { openServer } from '../server/test/server.fixture.ts';
import { ended, makeCluster, makeEnvironment, makeWorkspace, submit } from '../server/test/work.fixture.ts';

const say = (line: string) => process.stdout.write(`${line}\n`);
const row = (what: string, ms: number, limit: number) =>
  say(`${what.padEnd(52)} ${ms.toFixed(1).padStart(9)} ms   ${(ms / limit).toFixed(2)}`);
const share = (values: readonly number[], part: number): number =>
  [...values].sort((one, other) => one - other)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? 0;
const median = (values: readonly number[]) => share(values, 0.5);
const timed = async (act: () => unknown): Promise<number> => {
  const from = performance.now();
  await act();
  return performance.now() - from;
};

type Desk = Awaited<ReturnType<typeof openDesk>>;
/** A server with its agent, a workspace, and a cluster with so many nodes. */
async function openDesk(nodes = 1, environments: Parameters<typeof openServer>[0] = {}) {
  const bench = await openServer({ embedded: true, maxNodes: Math.max(2, nodes), ...environments });
  const workspace = await makeWorkspace(bench, 'Bench', 'Bench');
  const computeId = await makeCluster(bench, workspace, 'cpu', nodes);
  const token = await bench.ownerToken();
  let made = 0;
  const start = (properties: object) =>
    submit(bench, workspace, `job-${++made}`, { computeId, command: 'echo line', ...properties }, token);
  const done = async (id: string) => {
    const status = await ended(bench, id, 900);
    if (status !== 'Completed')
      throw new Error(`${id}: ${status} ${(await bench.arm(token, 'GET', `${id}/log?offset=0`)).text.slice(-500)}`);
  };
  return {
    ...{ bench, workspace, token, start, done },
    /** To the first line; the end is waited for outside of the time, so that the node is free again. */
    async firstLine(properties: object): Promise<number> {
      let id = '';
      const took = await timed(async () => {
        id = await start(properties);
        while (!(await bench.arm(token, 'GET', `${id}/log?offset=0&wait=true`)).text.includes('line'));
      });
      await done(id);
      return took;
    },
  };
}

/** The command in a sandbox of the same kind, with nothing around it. */
function plainly(command: string) {
  const bubblewrap = findBubblewrap();
  if (bubblewrap === undefined) throw new Error('bubblewrap is not installed');
  const view = ['--ro-bind', '/usr', '/usr', ...mergedFolders().flat(), '--proc', '/proc', '--tmpfs', '/tmp'];
  const child = spawn(bubblewrap, ['--unshare-all', '--die-with-parent', ...view, '/bin/sh', '-c', command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { line: once(child.stdout, 'data'), end: once(child, 'close') };
}

async function pushBase({ bench, workspace, token }: Desk): Promise<string> {
  const { body } = await bench.arm(token, 'GET', workspace);
  const registry = String(body.properties.containerRegistry).split('/').at(-1)?.toLowerCase() ?? '';
  await pushImage(
    (method, path, sent, type) => bench.send(path, { method, token, body: sent, headers: { 'content-type': type } }),
    `${registry}/team/base`,
    'v1',
    image([shellLayer(), [{ path: 'opt/filling', content: randomBytes(64 << 20) }]]),
  );
  return makeEnvironment(bench, workspace, 'image', { image: `${registry}/team/base:v1` });
}

async function firstLine(rounds = 10): Promise<void> {
  const desk = await openDesk();
  try {
    const environmentId = await pushBase(desk);
    for (let warm = 0; warm < 3; warm++) await desk.firstLine({});
    const cold = await desk.firstLine({ environmentId });
    const sides: Record<'alone' | 'node' | 'image', number[]> = { alone: [], node: [], image: [] };
    for (let round = 0; round < rounds; round++) {
      const begun = plainly('echo line');
      sides.alone.push(await timed(() => begun.line));
      await begun.end;
      sides.node.push(await desk.firstLine({}));
      sides.image.push(await desk.firstLine({ environmentId }));
    }
    const alone = median(sides.alone);
    row('first line of the command by bubblewrap alone', alone, alone);
    row("submission to first line, on the node's own Python", median(sides.node), alone);
    row('… in an image that is on the node', median(sides.image), alone);
    row('… in its first job, 64 MiB fetched and unpacked', cold, alone);
  } finally {
    await desk.bench.close();
  }
}

const slots = 4;

async function atOnce(jobs = 100, seconds = 1): Promise<void> {
  const command = `sleep ${seconds}`;
  const desk = await openDesk(slots);
  try {
    const warm = await Promise.all(Array.from({ length: slots }, () => desk.start({ command: 'true' })));
    await Promise.all(warm.map(desk.done));
    let left = jobs;
    const slot = async () => {
      while (left-- > 0) await plainly(command).end;
    };
    const alone = await timed(() => Promise.all(Array.from({ length: slots }, slot)));
    const all = await timed(async () => {
      const ids: string[] = [];
      for (let job = 0; job < jobs; job++) ids.push(await desk.start({ command }));
      for (const id of ids) await desk.done(id);
    });
    // What a slot has of a job beside the job.
    const over = (took: number) => (took - Math.ceil(jobs / slots) * seconds * 1000) / Math.ceil(jobs / slots);
    say(`${jobs} jobs of ${seconds} s on ${slots} slots`);
    row('by bubblewrap alone', alone, alone);
    row('submitted and ended', all, alone);
    say(
      `beside the ${seconds} s a job: ${over(alone).toFixed(0)} ms by bubblewrap alone, ${over(all).toFixed(0)} ms as jobs`,
    );
  } finally {
    await desk.bench.close();
  }
}

async function unpack(mib = 1024, rounds = 3): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-bench-'));
  chmodSync(folder, 0o711);
  try {
    // Half of it packs, half does not, in files of a quarter of a mebibyte.
    const files = Array.from({ length: mib * 4 }, (_, index) => ({
      path: `data/${index % 64}/${index}`,
      content: index % 2 === 0 ? randomBytes(1 << 18) : Buffer.alloc(1 << 18, `${index} `),
    }));
    const path = join(folder, 'layer');
    writeFileSync(path, gzipSync(tar(files), { level: 1 }), { mode: 0o444 });
    const { uid, gid } = sandboxIdentity();
    const [root, copy] = [join(folder, 'root'), join(folder, 'copy')];
    const fresh = (target: string) => {
      rmSync(target, { recursive: true, force: true });
      mkdirSync(target);
      if (process.getuid?.() === 0) execFileSync('chown', [`${uid}:${gid}`, target]);
      // What one side has left to be written is not the other's to wait for.
      execFileSync('sync');
    };
    const sides: Record<'plain' | 'tar' | 'ours', number[]> = { plain: [], tar: [], ours: [] };
    for (let round = 0; round < rounds; round++) {
      fresh(root);
      sides.tar.push(await timed(() => execFileSync('tar', ['-xzf', path, '-C', root])));
      fresh(copy);
      sides.plain.push(await timed(() => execFileSync('cp', ['-r', `${root}/.`, copy])));
      fresh(root);
      const { signal } = new AbortController();
      const spec = { layers: [{ path, gzip: true }], folder: root, isRoot: false, mostBytes: 2 ** 40, signal };
      sides.ours.push(
        await timed(async () => {
          const told = await unpackImage(spec);
          if ('refused' in told) throw new Error(told.refused);
        }),
      );
    }
    const plain = median(sides.plain);
    row(`a plain copy of ${mib} MiB in ${mib * 4} files`, plain, plain);
    row('the layer of it by tar', median(sides.tar), plain);
    row('… by the reader in its sandbox', median(sides.ours), plain);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function queue(jobs = 500): Promise<void> {
  const { bench, workspace, token, start } = await openDesk();
  try {
    const path = `/mlflow/v1.0${workspace}/api/2.0/mlflow`;
    const made = await bench.send(`${path}/runs/create`, { method: 'POST', token, body: { experiment_id: '0' } });
    const runId = String(made.body.run.info.run_id);
    const calls = {
      'get run': () => bench.send(`${path}/runs/get?run_id=${runId}`, { method: 'GET', token }),
      'log metric': () =>
        bench.send(`${path}/runs/log-metric`, {
          method: 'POST',
          token,
          body: { run_id: runId, key: 'm', value: 1, timestamp: Date.now() },
        }),
    };
    const measure = async () => {
      const took: Record<string, number[]> = {};
      for (const name of Object.keys(calls)) took[name] = [];
      for (let round = 0; round < 300; round++)
        for (const [name, call] of Object.entries(calls)) took[name]?.push(await timed(call));
      return took;
    };
    // The node is busy all the while, so that nothing of the queue begins.
    const busy = await start({ command: 'echo line; sleep 3600' });
    while (!(await bench.arm(token, 'GET', `${busy}/log?offset=0&wait=true`)).text.includes('line'));
    await measure();
    const before = await measure();
    const submitting = await timed(async () => {
      for (let job = 0; job < jobs; job++) await start({});
    });
    const after = await measure();
    say(`${jobs} jobs were submitted in ${(submitting / jobs).toFixed(1)} ms each`);
    for (const name of Object.keys(calls))
      for (const [word, part] of [
        ['half', 0.5],
        ['99 of 100', 0.99],
      ] as const) {
        const [without, withQueue] = [share(before[name] ?? [], part), share(after[name] ?? [], part)];
        row(`${name}, ${word} within, nothing waits`, without, without);
        row(`… while ${jobs} jobs wait`, withQueue, without);
      }
  } finally {
    await bench.close();
  }
}

async function found(rounds = 20): Promise<void> {
  const index = await openPackageIndex();
  index.add(pipWheel(), packageWheel('greeting', '1.0', { 'greeting.py': '' }));
  const desk = await openDesk(1, { environments: { index: index.url } });
  try {
    const condaFile = 'dependencies: [{ pip: [greeting] }]';
    const version = (name: string) =>
      makeEnvironment(desk.bench, desk.workspace, name, { image: 'strongroom/node-python', condaFile });
    const built = await timed(async () => desk.done(await desk.start({ environmentId: await version('first') })));
    const sides: Record<'without' | 'found', number[]> = { without: [], found: [] };
    for (let round = 0; round < rounds; round++) {
      for (const [side, more] of [
        ['without', {}],
        // Another name for the same: its recipe is read, and its digest leads to what is there.
        ['found', { environmentId: await version(`other-${round}`) }],
      ] as const) {
        let id = '';
        sides[side].push(await timed(async () => (id = await desk.start(more))));
        const { body } = await desk.bench.arm(desk.token, 'GET', id);
        if (body.properties.status === 'Preparing') throw new Error('it was not found');
        await desk.done(id);
      }
    }
    const without = median(sides.without);
    row('a job is accepted, without an environment', without, without);
    row('… in one that is found by its digest', median(sides.found), without);
    row('… to the end of the first job, which builds it', built, without);
  } finally {
    await desk.bench.close();
    index.close();
  }
}

const rows: Readonly<Record<string, (...numbers: number[]) => Promise<void>>> = {
  ...{ 'first-line': firstLine, 'at-once': atOnce, unpack, queue, found },
};
const [wanted, ...numbers] = process.argv.slice(2);
if (wanted !== undefined && !Object.hasOwn(rows, wanted))
  throw new Error(`There is no row '${wanted}'; there are ${Object.keys(rows).join(', ')}.`);
for (const [name, run] of Object.entries(rows))
  if (wanted === undefined || name === wanted) {
    say(`-- ${name}`);
    await run(...(wanted === undefined ? [] : numbers.map(Number)));
  }
