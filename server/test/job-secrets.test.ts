// A secret of a vault in a real job, on a real node: the command has it, and it is found nowhere else: not on the disk, not in
// an argument or an environment that anybody outside can read, not in the log although the job prints it in every way that it
// might by accident.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Find, findInBytes, findInFolder, findInProcesses } from './canary.fixture.ts';
import { type Child, openPlace, type Place } from './child.fixture.ts';
import { ended, makeCluster, makeCode, makeWorkspace, printed, submit } from './work.fixture.ts';

const word = `kanarie${randomBytes(8).toString('hex')}`;
const lines = `-----BEGIN-----\n${word}first-line\n${word}second-line\n-----END-----\n`;

const script = `
import os, subprocess, sys, time, hashlib
one, many = os.environ["ONE"], os.environ["MANY"]
print("length", len(one), "digest", hashlib.sha256(one.encode()).hexdigest(), flush=True)
print("whole", one, flush=True)
for piece in (one[:7], one[7:11], one[11:]):
    sys.stdout.write(piece); sys.stdout.flush(); time.sleep(0.05)
print()
sys.stderr.write("error " + one + "\\n")
for line in many.splitlines(): print("line", line)
print(dict(os.environ))
subprocess.run(["sh", "-c", "echo child $ONE"])
print("ready", flush=True)
while not os.path.exists("/tmp/never"): time.sleep(1)
`;

describe('a secret that a job got', () => {
  let place: Place;
  let child: Child;
  let workspace: string;
  let job: string;

  before(async () => {
    place = await openPlace({ embedded: true });
    child = await place.start();
    workspace = await makeWorkspace(child, 'secrets', 'vision');
    const token = await child.ownerToken();
    const { keyVault } = (await child.arm(token, 'GET', workspace)).body.properties;
    await child.grant(child.owner.objectId, 'Key Vault Secrets Officer', keyVault);
    const vaultToken = await child.token(child.owner, child.audience('keyvault'));
    const host = `${String(keyVault).split('/').at(-1)}.vault.localhost`;
    for (const [name, value] of [
      ['one', word],
      ['many', lines],
    ]) {
      const sent = { method: 'PUT', body: { value }, token: vaultToken, host };
      assert.equal((await child.send(`/secrets/${name}?api-version=7.4`, sent)).status, 200);
    }
    const computeId = await makeCluster(child, workspace, 'cluster');
    const codeId = await makeCode(child, workspace, 'prints', { 'prints.py': script });
    job = await submit(child, workspace, 'prints', {
      computeId,
      codeId,
      command: 'python3 prints.py',
      secretsConfiguration: {
        ONE: { workspaceSecretName: 'one' },
        MANY: { workspaceSecretName: 'many' },
      },
    });
    await printed(child, job, 'ready');
  });
  after(() => place.remove());

  const log = async () => (await child.arm(await child.ownerToken(), 'GET', `${job}/log?offset=0`)).text;

  test('is blacked out in the log, whole, in pieces and line by line', async () => {
    const text = await log();
    assert.ok(text.includes(`length ${word.length}`), text);
    assert.ok(text.includes('whole [redacted]'), text);
    assert.ok(text.includes('error [redacted]'), text);
    assert.ok(text.includes('child [redacted]'), text);
    assert.ok(text.includes('line [redacted]'), text);
    assert.deepEqual(findInBytes(Buffer.from(text), word, 'the log'), []);
  });

  test('is in no answer about the job, its run and what was recorded', async () => {
    const token = await child.ownerToken();
    for (const path of [job, `${workspace}/jobs`]) {
      const { status, text } = await child.arm(token, 'GET', path);
      assert.equal(status, 200, text);
      assert.deepEqual(findInBytes(Buffer.from(text), word, path), []);
    }
    const run = await child.send(`/mlflow/v1.0${workspace}/api/2.0/mlflow/runs/get?run_id=prints`, { token });
    assert.equal(run.status, 200, run.text);
    assert.deepEqual(findInBytes(Buffer.from(run.text), word, 'the run'), []);
  });

  test('is found nowhere at rest, and in no argument or environment that is seen from outside', async () => {
    const found: Find[] = [];
    for (const folder of [place.dataDir, place.temporary]) found.push(...(await findInFolder(folder, word)).found);
    for (const parent of ['/dev/shm', '/tmp'])
      for (const name of await readdir(parent).catch(() => []))
        if (name.startsWith('strongroom-agent-'))
          found.push(...(await findInFolder(join(parent, name), word).catch(() => ({ found: [] }))).found);
    const { lines: seen, found: inProcesses } = await findInProcesses(child.pid, word);
    assert.ok(
      seen.some((line) => /bwrap/.test(line)),
      'the sandbox was searched',
    );
    assert.deepEqual([...found, ...inProcesses], []);
  });

  test('is found nowhere after the job has ended and the server has stopped', async () => {
    await child.arm(await child.ownerToken(), 'POST', `${job}/cancel`);
    assert.equal(await ended(child, job), 'Canceled');
    assert.deepEqual(findInBytes(Buffer.from(await log()), word, 'the log'), []);
    const how = await child.terminate();
    assert.deepEqual(findInBytes(Buffer.from(how.output), word, 'the log of the server'), []);
    for (const folder of [place.dataDir, place.temporary])
      assert.deepEqual((await findInFolder(folder, word)).found, []);
  });
});
