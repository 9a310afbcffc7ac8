// What data costs on their way into a job: registering what a job left as a model, beside a plain copy of as many bytes; and an input
// that a command reads in its sandbox, in the memory of its job, brought to where its node keeps inputs, and found there by a second job,
// beside plain files read and copied on the disk of this machine. One run, on one machine, so that a busy moment is everybody's; nothing
// is asserted.
// Run: node bench/data.bench.ts [MiB of the model] [MiB of the input]

import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { openServer } from '../server/test/server.fixture.ts';
import { makeCluster, makeWorkspace } from '../server/test/work.fixture.ts';

const MODEL_MIB = Number(process.argv[2] ?? 400);
const INPUT_MIB = Number(process.argv[3] ?? 2048);
const MIB = 1_048_576;
const say = (line: string) => process.stdout.write(`${line}\n`);
const timed = async (act: () => unknown): Promise<number> => {
  const from = performance.now();
  await act();
  return (performance.now() - from) / 1000;
};
const rate = (mib: number, seconds: number) => `${seconds.toFixed(2)} s, ${Math.round(mib / seconds)} MiB/s`;

/** Processor seconds of a process, and of its children that have ended, from its line in /proc (proc(5): ticks of a hundredth). */
const processorOf = (stat: string) => {
  const [, , ...ticks] = /^.*\)( \S+){11} (\d+) (\d+) (\d+) (\d+)/.exec(stat) ?? [];
  const [user = 0, system = 0, ofChildren = 0, more = 0] = ticks.map(Number);
  return { own: (user + system) / 100, children: (ofChildren + more) / 100 };
};
/** Of the one child of a process whose command line has this, and its id. */
function processorOfChild(parent: number, words: string) {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const isOne = readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(words);
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      if (isOne && stat.slice(stat.lastIndexOf(')')).split(' ')[2] === String(parent))
        return { pid: Number(pid), ...processorOf(stat) };
    } catch {
      // It ended meanwhile.
    }
  }
  return { pid: 0, own: Number.NaN, children: Number.NaN };
}
/** Of the agent, of what has brought inputs for it, and of what seals them. */
function processorOfAgent() {
  const agent = processorOfChild(process.pid, 'agent/src/main.ts');
  return { agent: agent.own, bringing: agent.children, sealing: processorOfChild(agent.pid, 'gocryptfs').own };
}
const processorOfServer = () => (process.cpuUsage().user + process.cpuUsage().system) / 1e6;

/** The same bytes on the disk of this machine: written and made durable, copied so, and read. */
async function plain(mib: number) {
  const folder = await mkdtemp(join(tmpdir(), 'data-bench-'));
  try {
    const [from, to] = [join(folder, 'from'), join(folder, 'to')];
    const piece = randomBytes(MIB);
    const file = await open(from, 'w');
    for (let n = 0; n < mib; n++) await file.write(piece);
    await file.sync();
    await file.close();
    const copied = await timed(async () => {
      await pipeline(createReadStream(from, { highWaterMark: MIB }), createWriteStream(to));
      const made = await open(to, 'r+');
      await made.sync();
      await made.close();
    });
    const read = await timed(async () => {
      for await (const _ of createReadStream(from, { highWaterMark: MIB }));
    });
    return { copied, read };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const bench = await openServer({ embedded: true });
try {
  const workspace = await makeWorkspace(bench, 'Bench', 'Bench');
  const computeId = await makeCluster(bench, workspace, 'cpu');
  const token = await bench.ownerToken();
  const must = async (method: string, path: string, properties?: object) => {
    const { status, text, body } = await bench.arm(token, method, path, properties && { properties });
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
    return body;
  };
  const run = async (name: string, properties: object): Promise<string> => {
    const id = `${workspace}/jobs/${name}`;
    await must('PUT', id, { jobType: 'Command', computeId, ...properties });
    for (;;) {
      const { properties: job } = await must('GET', id);
      if (job.status === 'Completed') return (await bench.arm(token, 'GET', `${id}/log?offset=0`)).text;
      if (job.status === 'Failed') throw new Error(JSON.stringify(job.error));
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  const fill = (mib: number, path: string) => `head -c ${mib * MIB} /dev/urandom > ${path}`;

  await run('leaves', { command: `mkdir -p outputs/m && ${fill(MODEL_MIB, 'outputs/m/weights.bin')}` });
  const model = (n: number, modelUri: string) => must('PUT', `${workspace}/models/m/versions/${n}`, { modelUri });
  const registered = await timed(() => model(1, 'runs:/leaves/outputs/m'));
  const again = await timed(() => model(2, 'azureml://jobs/leaves/outputs/artifacts/paths/outputs/m'));
  const copy = await plain(MODEL_MIB);
  say(`a model of ${MODEL_MIB} MiB that a job left`);
  say(`  registered            ${rate(MODEL_MIB, registered)}`);
  say(`  registered once more  ${rate(MODEL_MIB, again)}`);
  say(
    `  plain copy, durable   ${rate(MODEL_MIB, copy.copied)}   (the model in ${(registered / copy.copied).toFixed(2)} of it)`,
  );

  await run('makes', { command: `mkdir -p outputs/d && ${fill(INPUT_MIB, 'outputs/d/data.bin')}` });
  const uri = 'azureml://jobs/makes/outputs/artifacts/paths/outputs/d';
  const clock = (what: string) => `python3 -c "import time; print('${what}', time.time(), flush=True)"`;
  // Process 1 is the management code, which has fetched what is in memory.
  const command = `echo runner $(cat /proc/1/stat) && ${clock('begun')} && cat \${{inputs.data}}/* > /dev/null && ${clock('read')}`;
  async function reads(name: string, mode: string): Promise<number> {
    const submitted = Date.now() / 1000;
    const before = { server: processorOfServer(), ...processorOfAgent() };
    const loop = process.threadCpuUsage();
    const inputs = { data: { jobInputType: 'uri_folder', uri, mode } };
    const log = await run(name, { command, inputs });
    const { user, system } = process.threadCpuUsage(loop);
    const after = { server: processorOfServer(), ...processorOfAgent() };
    const runner = processorOf(/^runner (.*)$/m.exec(log)?.[1] ?? '').own;
    const at = (what: string) => Number(new RegExp(`${what} ([0-9.]+)`).exec(log)?.[1]);
    const used = (of: keyof typeof before) => (after[of] - before[of]).toFixed(1);
    say(`  accepted and there    ${rate(INPUT_MIB, at('begun') - submitted)}`);
    say(
      `    of processor        ${used('server')} s the server, ${((user + system) / 1e6).toFixed(1)} s of them its loop, ${used('agent')} s the agent, ${used('sealing')} s what seals, ${used('bringing')} s sandboxes and what brings, ${runner.toFixed(1)} s the runner`,
    );
    say(`  read by the command   ${rate(INPUT_MIB, at('read') - at('begun'))}`);
    return at('read') - at('begun');
  }
  say(`an input of ${INPUT_MIB} MiB, in the memory of its job`);
  await reads('in-memory', 'Download');
  say('the same, brought to its node');
  await reads('brought', 'ReadOnlyMount');
  say('the same, by a second job');
  const second = await reads('kept', 'ReadOnlyMount');
  const disk = await plain(INPUT_MIB);
  say('plain files');
  say(`  plain copy, durable   ${rate(INPUT_MIB, disk.copied)}`);
  say(
    `  plain read, cached    ${rate(INPUT_MIB, disk.read)}   (the second job in ${(second / disk.read).toFixed(2)} of it)`,
  );
} finally {
  await bench.close();
}
