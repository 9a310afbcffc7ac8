// What data costs on their way into a job: registering what a job left as a model, beside a plain copy of as many bytes; and an input
// that a command reads in its sandbox, fetched and read, beside plain files read and copied on the disk of this machine. One run, on one
// machine, so that a busy moment is everybody's; nothing is asserted.
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

/** Processor seconds of a process, from its line in /proc (proc(5): ticks of a hundredth). */
const processorOf = (stat: string): number => {
  const [, , user = '', system = ''] = /^.*\)( \S+){11} (\d+) (\d+)/.exec(stat) ?? [];
  return (Number(user) + Number(system)) / 100;
};
/** Of the agent: the one child of this process that is one. */
function processorOfAgent(): number {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const isAgent = readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('agent/src/main.ts');
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      if (isAgent && stat.slice(stat.lastIndexOf(')')).split(' ')[2] === String(process.pid)) return processorOf(stat);
    } catch {
      // It ended meanwhile.
    }
  }
  return Number.NaN;
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
  const inputs = { data: { jobInputType: 'uri_folder', uri } };
  const clock = (what: string) => `python3 -c "import time; print('${what}', time.time(), flush=True)"`;
  // Process 1 is the management code, which has fetched.
  const command = `echo runner $(cat /proc/1/stat) && ${clock('begun')} && cat \${{inputs.data}}/* > /dev/null && ${clock('read')}`;
  let submitted = 0;
  const all = await timed(async () => {
    submitted = Date.now() / 1000;
    const before = [processorOfServer(), processorOfAgent()] as const;
    const loop = process.threadCpuUsage();
    const log = await run('reads', { command, inputs });
    const { user, system } = process.threadCpuUsage(loop);
    const used = [processorOfServer() - before[0], processorOfAgent() - before[1]] as const;
    const runner = processorOf(/^runner (.*)$/m.exec(log)?.[1] ?? '');
    const at = (what: string) => Number(new RegExp(`${what} ([0-9.]+)`).exec(log)?.[1]);
    say(`an input of ${INPUT_MIB} MiB`);
    say(`  accepted and fetched  ${rate(INPUT_MIB, at('begun') - submitted)}`);
    const parts = [...used, runner].map((seconds) => seconds.toFixed(1));
    say(
      `    of processor        ${parts[0]} s the server, ${((user + system) / 1e6).toFixed(1)} s of them its loop, ${parts[1]} s the agent, ${parts[2]} s the runner`,
    );
    say(`  read by the command   ${rate(INPUT_MIB, at('read') - at('begun'))}`);
  });
  const disk = await plain(INPUT_MIB);
  say(`  plain copy, durable   ${rate(INPUT_MIB, disk.copied)}`);
  say(`  plain read, cached    ${rate(INPUT_MIB, disk.read)}`);
  say(`  the job, to its end   ${all.toFixed(1)} s`);
} finally {
  await bench.close();
}
