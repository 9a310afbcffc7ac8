// The server dies and comes back. Whatever it had said was done is there; whatever it was doing is finished, taken back or
// said to be unknown; nothing is half made and nothing that ran for it runs on. And it stops when it is asked to.

import assert from 'node:assert/strict';
import { chmod, readdir, readFile, rename } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { type Child, openPlace, type Place } from '../child.fixture.ts';
import { withVersion } from '../client.fixture.ts';
import { idsIn } from '../server.fixture.ts';
import { ended, endStates, makeCluster, makeWorkspace, printed, submit, until } from '../work.fixture.ts';

const terminal = new Set(['Succeeded', 'Failed']);

/** Every record but the outcomes is concluded, and the tree fits. */
async function verifies(child: Child): Promise<void> {
  const token = await child.ownerToken();
  const path = `/subscriptions/${child.subscriptionId}/providers/Strongroom.Audit/verify`;
  const answer = await child.arm(token, 'POST', path, {});
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(
    { verified: answer.body.verified, findings: answer.body.findings },
    { verified: true, findings: [] },
  );
}

/** Ids and command lines of processes that hold the text, this one excepted; only children of `parent`, if it is given. */
async function processesWith(text: string, parent?: number): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid) continue;
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    if (parent !== undefined && !status.includes(`PPid:\t${parent}\n`)) continue;
    if (line.includes(text)) found.push(`${pid} ${line.replaceAll('\0', ' ')}`);
  }
  return found;
}

type Family = { readonly holder: number; readonly first: number; readonly users: number };

async function onlyProcess(text: string, parent?: number): Promise<number> {
  const found = await processesWith(text, parent);
  assert.equal(found.length, 1, `${text}: ${found.join('\n')}`);
  return Number.parseInt(found[0] ?? '', 10);
}

describe('killed while it made a workspace', () => {
  const moments = ['before it answered', 'when it had answered', 'when it had made the first thing'] as const;
  let place: Place;
  before(async () => {
    place = await openPlace();
  });
  after(() => place.remove());

  for (const [index, moment] of moments.entries())
    test(`${moment}: the workspace is whole after a restart, or nothing is left of it`, async () => {
      const first = await place.start();
      const group = await first.group(`Group${index}`);
      const workspace = idsIn(group).workspace('Half');
      const token = await first.ownerToken();
      const making = first
        .arm(token, 'PUT', workspace, { location: first.location, properties: {} })
        .catch(() => undefined);
      if (index === 1) await making;
      if (index === 2)
        await until(
          () => first.arm(token, 'GET', `${group}/resources`),
          ({ body }) => body?.value?.length > 1,
        );
      await first.kill();
      await making;

      const second = await place.start();
      const again = await second.ownerToken();
      const found = await until(
        () => second.arm(again, 'GET', workspace),
        ({ status, body }) => status === 404 || terminal.has(body?.properties?.provisioningState),
      );
      const list = await second.arm(again, 'GET', `${group}/resources`);
      const types = (list.body.value as { type: string }[]).map(({ type }) => type).sort();
      if (found.status === 404) assert.deepEqual(types, []);
      else {
        assert.equal(found.body.properties.provisioningState, 'Succeeded', found.text);
        assert.deepEqual(types, [
          'Microsoft.ContainerRegistry/registries',
          'Microsoft.Insights/components',
          'Microsoft.KeyVault/vaults',
          'Microsoft.MachineLearningServices/workspaces',
          'Microsoft.Storage/storageAccounts',
        ]);
        const experiment = await second.send(`/mlflow/v1.0${workspace}/api/2.0/mlflow/experiments/create`, {
          method: 'POST',
          token: again,
          body: { name: 'after' },
        });
        assert.equal(experiment.status, 200, experiment.text);
      }
      await verifies(second);
      await second.kill();
    });
});

describe('killed while it took something in', () => {
  test('the intent that was open is swept to unknown, and the audit verifies', async () => {
    const place = await openPlace();
    try {
      const first = await place.start();
      const workspace = await makeWorkspace(first, 'Rooms', 'Rooms');
      const token = await first.ownerToken();
      // A snapshot of which only the beginning arrives.
      const sending = request(
        first.options(withVersion(`${workspace}/snapshots`), {
          method: 'POST',
          token,
          headers: { 'content-length': '100000' },
        }),
      );
      sending.on('error', () => {});
      sending.write(Buffer.alloc(512));
      const records = `/subscriptions/${first.subscriptionId}/providers/Strongroom.Audit/records?operation=Snapshots_Create`;
      await until(
        () => first.arm(token, 'GET', `${records}&kind=intent`),
        ({ body }) => body?.value?.length === 1,
      );
      await first.kill();

      const second = await place.start();
      const swept = await second.arm(await second.ownerToken(), 'GET', `${records}&kind=outcome`);
      assert.deepEqual(
        (swept.body.value as { record: { outcome: unknown } }[]).map(({ record }) => record.outcome),
        [{ result: 'unknown' }],
      );
      await verifies(second);
      await second.kill();
    } finally {
      await place.remove();
    }
  });
});

describe('with jobs', () => {
  let place: Place;
  let workspace: string;
  let computeId: string;
  let running: Child | undefined;
  before(async () => {
    place = await openPlace({ embedded: true });
    running = await place.start();
    workspace = await makeWorkspace(running, 'Rooms', 'Rooms');
    computeId = await makeCluster(running, workspace, 'cluster');
  });
  afterEach(async () => {
    await running?.kill();
    running = undefined;
  });
  after(() => place.remove());

  const started = async (): Promise<Child> => {
    running ??= await place.start();
    return running;
  };
  const waiting = (mark: string) => `python3 -c "import time; print('${mark} runs', flush=True); time.sleep(300)"`;

  test('killed while a job ran: the job has truly failed after a restart, and its process is gone', async () => {
    const first = await started();
    const job = await submit(first, workspace, 'killed-running', { computeId, command: waiting('mark-of-job-one') });
    await printed(first, job, 'mark-of-job-one runs');
    assert.notDeepEqual(await processesWith('mark-of-job-one'), []);
    await first.kill();

    running = undefined;
    const second = await started();
    assert.equal(await ended(second, job), 'Failed');
    const log = await second.arm(await second.ownerToken(), 'GET', `${job}/log?offset=0`);
    assert.match(log.text, /mark-of-job-one runs/);
    assert.deepEqual(await processesWith('mark-of-job-one'), []);
    await verifies(second);
  });

  test('killed right after a job was accepted: the job is there after a restart and comes to a true end', async () => {
    const first = await started();
    const job = await submit(first, workspace, 'killed-early', { computeId, command: 'echo came-to-its-end' });
    await first.kill();

    running = undefined;
    const second = await started();
    const state = await ended(second, job);
    const log = await second.arm(await second.ownerToken(), 'GET', `${job}/log?offset=0`);
    if (state === 'Completed') assert.match(log.text, /came-to-its-end/);
    assert.ok(endStates.has(state));
  });

  test('killed as a job ended: what it printed last is kept, and its end is told truly', async () => {
    const first = await started();
    const job = await submit(first, workspace, 'killed-late', { computeId, command: 'echo first; echo last-line' });
    await printed(first, job, 'last-line');
    await first.kill();

    running = undefined;
    const second = await started();
    assert.ok(['Completed', 'Failed'].includes(await ended(second, job)));
    const log = await second.arm(await second.ownerToken(), 'GET', `${job}/log?offset=0`);
    assert.match(log.text, /last-line/);
    await verifies(second);
  });

  test('its agent killed while a job ran: the job has failed, its process is gone, and the next job runs', async () => {
    const child = await started();
    const job = await submit(child, workspace, 'agent-killed', { computeId, command: waiting('mark-of-job-three') });
    await printed(child, job, 'mark-of-job-three runs');
    process.kill(await onlyProcess('agent/src/main.ts', child.pid), 'SIGKILL');
    assert.equal(await ended(child, job), 'Failed');
    assert.deepEqual(await processesWith('mark-of-job-three'), []);
    const next = await submit(child, workspace, 'after-agent', { computeId, command: 'echo runs-again' });
    assert.equal(await ended(child, next), 'Completed');
  });

  for (const [who, pidOf, code] of [
    // By descent, not by name alone: other tests of this machine run sandboxes too.
    ['what the user runs', ({ users }: Family) => users, 'UserError'],
    ['process 1 of its sandbox', ({ first }: Family) => first, 'JobFailed'],
    ['the process that holds its sandbox', ({ holder }: Family) => holder, 'JobFailed'],
  ] as const)
    test(`${who} killed while a job ran: the job has failed and says how, nothing is left, the next job runs`, async () => {
      const child = await started();
      const name = `killed-${who.length}`;
      const mark = `mark-of-${name}-${process.pid}`;
      const job = await submit(child, workspace, name, { computeId, command: waiting(mark) });
      await printed(child, job, `${mark} runs`);
      const agent = await onlyProcess('agent/src/main.ts', child.pid);
      const holder = await onlyProcess('bwrap', agent);
      const family: Family = { holder, first: await onlyProcess('run.py', holder), users: await onlyProcess(mark) };
      process.kill(pidOf(family), 'SIGKILL');
      assert.equal(await ended(child, job), 'Failed');
      const { body } = await child.arm(await child.ownerToken(), 'GET', job);
      assert.equal(body.properties.error?.code, code, JSON.stringify(body.properties));
      assert.deepEqual(await processesWith(mark), []);
      const next = await submit(child, workspace, `after-${name}`, { computeId, command: 'echo runs-again' });
      assert.equal(await ended(child, next), 'Completed');
    });

  test('killed right after a job was asked to end: it is canceled after a restart, whatever it did', async () => {
    const first = await started();
    const job = await submit(first, workspace, 'killed-canceling', { computeId, command: waiting('mark-of-job-five') });
    await printed(first, job, 'mark-of-job-five runs');
    const asked = await first.arm(await first.ownerToken(), 'POST', `${job}/cancel`, {});
    assert.equal(asked.status, 202, asked.text);
    await first.kill();

    running = undefined;
    const second = await started();
    assert.equal(await ended(second, job), 'Canceled');
    assert.deepEqual(await processesWith('mark-of-job-five'), []);
    await verifies(second);
  });

  test('stops within five seconds, with code 0, while a job runs and its log is followed', async () => {
    const child = await started();
    const job = await submit(child, workspace, 'stopped', { computeId, command: waiting('mark-of-job-two') });
    const log = await printed(child, job, 'mark-of-job-two runs');
    const following = child
      .arm(await child.ownerToken(), 'GET', `${job}/log?wait=true&offset=${Buffer.byteLength(log)}`)
      .catch(() => undefined);
    const how = await child.terminate();
    running = undefined;
    await following;
    assert.deepEqual({ code: how.code, signal: how.signal }, { code: 0, signal: null }, how.output.slice(-2000));
    assert.match(how.output, /\nstopped\n$/, 'it ended by itself and was not cut off');
    assert.ok(how.milliseconds < 5_000, `${how.milliseconds} ms`);
    assert.deepEqual(await processesWith('mark-of-job-two'), []);

    const second = await started();
    assert.ok(['Failed', 'Canceled'].includes(await ended(second, job)));
  });

  test('a second server on the same folder is refused, and the first goes on', async () => {
    const child = await started();
    const refused = await place.fails();
    assert.notEqual(refused.code, 0);
    assert.match(refused.output, /already|another|in use|lock/i);
    assert.equal((await child.send('/healthz')).status, 200);
  });
});

describe('asked to stop', () => {
  let place: Place;
  before(async () => {
    place = await openPlace();
  });
  after(() => place.remove());

  for (const [moment, words] of [
    ['while it starts', 'This is the first start'],
    ['right behind the line that says it is ready', ' is ready at '],
  ] as const)
    test(`${moment}, it stops in order, with code 0`, async () => {
      const { code, signal, output } = await place.interrupted(words);
      assert.deepEqual({ code, signal }, { code: 0, signal: null }, output);
      assert.match(output, /\nSIGTERM: stopping\n/);
      assert.match(output, /\nstopped\n$/);
    });
});

describe('the root key', () => {
  test('that others may read, or that is missing, keeps the server from starting', async () => {
    const place = await openPlace();
    try {
      const child = await place.start();
      const stopped = await child.terminate();
      assert.equal(stopped.code, 0, stopped.output);
      const file = join(place.dataDir, 'keys', 'root.key');

      await chmod(file, 0o644);
      const readable = await place.fails();
      assert.notEqual(readable.code, 0);
      assert.match(readable.output, /root key/i);
      await chmod(file, 0o600);

      await rename(file, `${file}.away`);
      const missing = await place.fails();
      assert.notEqual(missing.code, 0);
      assert.match(missing.output, /root key file .* is missing/i);
      assert.ok(!(await readdir(join(place.dataDir, 'keys'))).includes('root.key'), 'no new key was made');

      await rename(`${file}.away`, file);
      const again = await place.start();
      assert.equal((await again.send('/readyz')).status, 200);
      await again.kill();
    } finally {
      await place.remove();
    }
  });
});
