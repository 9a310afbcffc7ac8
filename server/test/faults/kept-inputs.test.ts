// Inputs that a node keeps, and what dies meanwhile: the agent while it brings one, the server, and the program that seals. No half of an
// input is ever read, the job comes to an end that is true, and what a dead agent left is gone or nobody's to read.

import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { agentOf } from '../agent.fixture.ts';
import { type Child, openPlace, type Place } from '../child.fixture.ts';
import { sealingSkipReason } from '../kept.fixture.ts';
import { ended, makeCluster, makeWorkspace, printed, submit } from '../work.fixture.ts';

const mib = 1024 ** 2;
/** More than memory may have here. */
const inputMib = 96;
const skip = await sealingSkipReason('/var/tmp');

describe('inputs that a node keeps', { skip }, () => {
  let place: Place;
  let child: Child;
  let folder: string;
  let workspace: string;
  let computeId: string;
  const inputs = {
    data: { jobInputType: 'uri_folder', uri: 'azureml://jobs/makes/outputs/artifacts/paths/outputs/d' },
  };
  const sums = `cat \${{inputs.data}}/sums; (cd \${{inputs.data}} && sha256sum -c sums) && echo whole-it-is`;

  before(async () => {
    place = await openPlace();
    folder = await mkdtemp(join(tmpdir(), 'strongroom-kept-'));
    await chmod(folder, 0o711);
    await place.configure({
      agent: { embedded: true, inputFolder: folder, inputBytes: 512 * mib },
      jobs: { inputBytes: 2 * mib, keptInputBytes: mib },
    });
    child = await place.start();
    workspace = await makeWorkspace(child, 'Rooms', 'Rooms');
    computeId = await makeCluster(child, workspace, 'one-node');
    const make = `mkdir -p outputs/d && cd outputs/d && for n in 1 2 3; do head -c ${(inputMib / 3) * mib} /dev/urandom > $n.bin; done && sha256sum *.bin > sums`;
    assert.equal(
      await ended(child, await submit(child, workspace, 'makes', { computeId, command: make })),
      'Completed',
    );
  });
  after(async () => {
    await child.terminate();
    assert.deepEqual(await readdir(folder), [], 'nothing is left at the end');
    await place.remove();
    await rm(folder, { recursive: true, force: true });
  });

  const log = async (job: string) => (await child.arm(await child.ownerToken(), 'GET', `${job}/log?offset=0`)).text;
  const state = async (job: string) => (await child.arm(await child.ownerToken(), 'GET', job)).body?.properties;
  /** It reads all of its input, to the byte. */
  async function readsWhole(name: string): Promise<void> {
    const job = await submit(child, workspace, name, { computeId, command: sums, inputs });
    assert.equal(await ended(child, job, 180), 'Completed', JSON.stringify(await state(job)) + (await log(job)));
    assert.match(await log(job), /1\.bin: OK\n2\.bin: OK\n3\.bin: OK\nwhole-it-is/);
  }
  /** Another agent takes the place of this one: what it kept went with it. */
  async function keepsNothing(): Promise<void> {
    process.kill(await agentOf(child), 'SIGKILL');
    await agentOf(child);
  }
  /** The one folder of the agent that lives, once an input is being brought to it. */
  async function bringing(): Promise<string> {
    for (;;)
      for (const name of await readdir(folder)) {
        const staging = join(folder, name, 'open/staging');
        for (const one of await readdir(staging).catch(() => []))
          if ((await readdir(join(staging, one, '0')).catch(() => [])).length > 0) return name;
      }
  }

  test('a job reads more than memory has, and the next one has it from there', async () => {
    await readsWhole('first');
    const [base = ''] = await readdir(folder);
    const kept = () => readdir(join(folder, base, 'open/kept'));
    const before = await kept();
    assert.equal(before.length, 1);
    await readsWhole('second');
    assert.deepEqual([await readdir(folder), await kept()], [[base], before]);
  });

  test('the agent is killed while it brings one: the next agent begins anew, and the job reads all of it', async () => {
    await keepsNothing();
    const job = await submit(child, workspace, 'agent-dies', { computeId, command: sums, inputs });
    const base = await bringing();
    process.kill(await agentOf(child), 'SIGKILL');
    assert.equal(await ended(child, job, 180), 'Completed', JSON.stringify(await state(job)));
    assert.match(await log(job), /whole-it-is/);
    const names = await readdir(folder);
    assert.ok(names.length === 1 && !names.includes(base), String(names));
  });

  test('the server is killed while one is brought: nothing of it is left, and the job comes to its end', async () => {
    await keepsNothing();
    const job = await submit(child, workspace, 'server-dies', { computeId, command: sums, inputs });
    const base = await bringing();
    await child.kill();
    child = await place.start();
    assert.equal(await ended(child, job, 180), 'Completed', JSON.stringify(await state(job)));
    assert.match(await log(job), /whole-it-is/);
    const names = await readdir(folder);
    assert.ok(names.length === 1 && !names.includes(base), String(names));
  });

  test('what seals is killed while a job reads: that job fails, and the next one reads all of it', async () => {
    const command = `head -c 1000 \${{inputs.data}}/1.bin > /dev/null && echo began-to-read && while sha256sum \${{inputs.data}}/*.bin > /dev/null; do :; done; exit 7`;
    const job = await submit(child, workspace, 'reads-on', { computeId, command, inputs });
    await printed(child, job, 'began-to-read', 180);
    const [base = ''] = await readdir(folder);
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      if (line.endsWith(`\0${join(folder, base, 'open')}\0`)) process.kill(Number(pid), 'SIGKILL');
    }
    assert.equal(await ended(child, job), 'Failed');
    assert.match((await log(job)) + JSON.stringify(await state(job)), /7|not connected/);
    await readsWhole('after');
    assert.ok(!(await readdir(folder)).includes(base));
  });
});
