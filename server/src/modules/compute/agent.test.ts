// The whole way, with nothing played: the real door over TLS, the real agent as a child process, real sandboxes. What runs is
// a command without a snapshot, which needs nothing of the server but this protocol.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, it, type TestContext } from 'node:test';
import { canary, openInstallation } from './testing/installation.ts';
import { grant, specOf } from './testing/world.ts';

const commandLine = (pid: number | string) => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
};
const processes = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name));
const parentOf = (pid: string) => {
  try {
    // The name of the program stands in brackets, and may hold any others.
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) \S /s, '')
      .split(' ')[0];
  } catch {
    return undefined;
  }
};
/** This process and what it and its children have started: other people's servers are on this machine too. */
function ownTree(): readonly string[] {
  const parents = new Map(processes().map((pid) => [pid, parentOf(pid)]));
  const isOwn = (pid: string | undefined): boolean =>
    pid !== undefined && (pid === String(process.pid) || isOwn(parents.get(pid)));
  return [...parents.keys()].filter(isOwn);
}
const running = (marker: string) => processes().filter((pid) => commandLine(pid).includes(marker));

async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 400 && !holds(); turn++) await new Promise((resolve) => setTimeout(resolve, 25));
  assert.ok(holds(), 'it never came to hold');
}

describe('the agent of this machine', () => {
  const cleanups: (() => unknown)[] = [];
  const suite = { after: (fn: () => unknown) => void cleanups.push(fn) } as unknown as Pick<TestContext, 'after'>;
  let installation: Awaited<ReturnType<typeof openInstallation>>;
  // A time to sleep that nobody else sleeps.
  const marker = `sleep 3${process.pid}`;

  const commands: Readonly<Record<string, string>> = {
    hello: 'echo hello',
    flood: 'head -c 12582912 /dev/zero | tr "\\\\0" x',
    fails: 'echo oops >&2; exit 3',
    lines: 'for i in $(seq 1 20000); do echo "line $i"; done',
    long: `echo started; ${marker}; echo done`,
    stops: 'trap "echo stopping; exit 0" TERM; echo started; while true; do sleep 0.1; done',
  };

  before(async () => {
    installation = await openInstallation(suite, ({ label }) => {
      const [, python] = /^python-(.+)$/.exec(label) ?? [];
      const command = python === undefined ? (commands[label] ?? 'true') : '/runner/bin/python3 --version';
      return {
        ...(python === undefined ? {} : { python }),
        job: { token: canary, command, timeoutSeconds: 60 },
      };
    });
  });
  after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });

  async function run(label: string) {
    const spec = specOf(label);
    await installation.compute.work.submit(grant, spec);
    return spec.id;
  }

  it('runs a command and reports what it prints and how it ends', async () => {
    const { owner } = installation;
    const id = await run('hello');
    await owner.heard(id, 'finished');
    assert.equal(owner.outputOf(id), 'hello\n');
    assert.deepEqual(owner.endOf(id), { type: 'finished', reason: 'exited', exitCode: 0, message: undefined });
    const types = owner.typesOf(id);
    assert.ok(types.indexOf('preparing') < types.indexOf('running'));
    assert.ok(types.indexOf('running') < types.indexOf('output'));
    const failing = await run('fails');
    await owner.heard(failing, 'finished');
    assert.equal(owner.outputOf(failing), 'oops\n');
    const end = owner.endOf(failing);
    assert.ok(end?.type === 'finished' && end.reason === 'exited' && end.exitCode === 3);
  });

  it('tells which Pythons it has, runs on the one that is asked for, and on no other in its place', async () => {
    const { owner, compute } = installation;
    const pythons = await compute.pythons();
    assert.ok(pythons.length > 0 && pythons.every(({ version }) => /^3\.\d+$/.test(version)), JSON.stringify(pythons));
    for (const { version } of pythons) {
      const id = await run(`python-${version}`);
      await owner.heard(id, 'finished');
      assert.ok(owner.outputOf(id).startsWith(`Python ${version}.`), owner.outputOf(id));
    }
    const none = await run('python-3.99');
    await owner.heard(none, 'finished');
    const end = owner.endOf(none);
    assert.ok(end?.type === 'finished' && end.reason === 'setup_failed');
    assert.match(end.message ?? '', /^This node has no Python 3\.99; it has 3\.\d+/);
  });

  it('brings every line of a talkative job, in order', async () => {
    const { owner } = installation;
    const id = await run('lines');
    await owner.heard(id, 'finished');
    const lines = owner.outputOf(id).trimEnd().split('\n');
    assert.equal(lines.length, 20_000);
    assert.equal(lines[12_344], 'line 12345');
  });

  it('makes a job wait that prints more than its owner takes, and loses nothing of it', async () => {
    const { owner } = installation;
    let refusals = 4;
    owner.script.refuse = (event) => event.type === 'output' && refusals-- > 0;
    const id = await run('flood');
    await owner.heard(id, 'finished');
    owner.script.refuse = undefined;
    assert.equal(owner.outputOf(id).length, 12 * 1024 * 1024);
    assert.ok(owner.told.every(({ event }) => event.type !== 'output' || event.text.length <= 65_536));
  });

  it('asks a job to stop, and says so when it has', async () => {
    const { owner, compute } = installation;
    const id = await run('stops');
    await owner.heard(id, 'output');
    await compute.work.cancel(grant, id, 5);
    await owner.heard(id, 'finished');
    assert.match(owner.outputOf(id), /stopping/);
    const end = owner.endOf(id);
    assert.ok(end?.type === 'finished' && end.reason === 'stopped');
  });

  it('has no token in an argument or in the environment of any process of its tree', async () => {
    const { owner, compute } = installation;
    const id = await run('long');
    await owner.heard(id, 'output');
    await until(() => running(marker).length > 0);
    const pid = compute.agentPid();
    // The line is printed before what comes next has begun.
    await until(() => ownTree().some((one) => commandLine(one).startsWith(marker)));
    const own = ownTree();
    // The test's own, the agent, and what runs in the sandbox.
    assert.ok(own.includes(String(pid)) && own.some((one) => commandLine(one).startsWith(marker)));
    const environments = own.map((one) => {
      try {
        return readFileSync(`/proc/${one}/environ`, 'utf8');
      } catch {
        return '';
      }
    });
    assert.equal(own.filter((one) => commandLine(one).includes(canary)).length, 0);
    assert.equal(environments.filter((one) => one.includes(canary)).length, 0);
    assert.ok(commandLine(pid ?? 0).endsWith('agent/src/main.ts '));
    assert.ok(!environments.some((one) => /eyJ[\w-]{20,}\./.test(one)));
    await compute.work.cancel(grant, id, 0);
    await owner.heard(id, 'finished');
  });

  it('is started again when it is killed; what it ran is gone, and lost once', async () => {
    const { owner, compute, documents } = installation;
    const id = await run('long');
    await owner.heard(id, 'output');
    // Its line comes before its next program.
    await until(() => running(marker).length > 0);
    const pid = compute.agentPid();
    assert.ok(pid !== undefined);
    process.kill(pid, 'SIGKILL');
    await owner.heard(id, 'lost');
    await until(() => running(marker).length === 0);
    const next = await run('hello');
    await owner.heard(next, 'finished');
    assert.equal(owner.outputOf(next), 'hello\n');
    assert.notEqual(compute.agentPid(), pid);
    assert.deepEqual(
      owner.typesOf(id).filter((type) => type === 'lost' || type === 'finished'),
      ['lost'],
    );
    assert.equal(documents.filter((label) => label === 'long').length, 2);
  });

  it('ends, with everything that it runs, when the server stops, and leaves no folder behind', async () => {
    const { owner, compute, close } = installation;
    for (const id of [await run('long'), await run('long')]) await owner.heard(id, 'output');
    const pid = compute.agentPid();
    await close();
    assert.equal(commandLine(pid ?? 0), '');
    await until(() => running(marker).length === 0);
    const left = execFileSync('ls', ['/dev/shm'], { encoding: 'utf8' });
    assert.doesNotMatch(left, new RegExp(`strongroom-agent-\\d+-${pid}-`));
  });
});
