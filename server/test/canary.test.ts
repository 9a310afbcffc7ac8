// One word, planted in everything that a user can say to the server, must be found nowhere at rest: not in the data folder,
// not in a write-ahead log, a temporary folder, an argument or an environment; not while all of it is in use, not after the
// server was killed, not after it stopped. The same searcher finds it where it does stand in clear.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Find, findInFile, findInFolder, findInProcesses } from './canary.fixture.ts';
import { type Child, openPlace, type Place } from './child.fixture.ts';
import type { Reply, Sent } from './client.fixture.ts';
import { makeCluster, makeCode, printed, submit } from './work.fixture.ts';

/** Letters and digits only, so that every kind of name takes it. */
const word = `kanarie${randomBytes(6).toString('hex')}`;

describe('the searcher finds the word where it stands in clear', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'strongroom-canary-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const planted: readonly (readonly [string, (text: string) => Uint8Array | string])[] = [
    ['text', (text) => text],
    ['capitals', (text) => text.toUpperCase()],
    ['UTF-16', (text) => Buffer.from(text, 'utf16le')],
    ['UTF-16, swapped', (text) => Buffer.from(text, 'utf16le').swap16()],
    ['hexadecimal', (text) => Buffer.from(text).toString('hex')],
    ['base64', (text) => Buffer.from(text).toString('base64')],
    ['base64url of JSON', (text) => Buffer.from(JSON.stringify({ text })).toString('base64url')],
    ['base64, one further', (text) => Buffer.from(`.${text}.`).toString('base64')],
    ['base64, two further', (text) => Buffer.from(`..${text}..`).toString('base64')],
  ];
  for (const [how, write] of planted)
    test(`as ${how}, anywhere in a file and across its pieces`, async () => {
      const file = join(folder, 'planted');
      for (const before of [0, 100, 4_090, 4_096]) {
        const noise = Buffer.alloc(before, 'x');
        // The capitals of UTF-16 bytes would be another word: what is written is written as it is.
        await writeFile(file, Buffer.concat([noise, Buffer.from(write(`>${word}<`))]));
        assert.ok((await findInFile(file, word, 4_096)).length > 0, `${before} bytes in`);
      }
    });

  test('in the name of a file, and in the arguments and the environment of a process', async () => {
    await mkdir(join(folder, 'inner'));
    await writeFile(join(folder, 'inner', `${word}.txt`), '');
    assert.ok((await findInFolder(folder, word)).found.some(({ where }) => where.startsWith('the name')));
    const { spawn } = await import('node:child_process');
    const child = spawn('sleep', ['60'], { argv0: `sleep-${word}`, env: { PLANTED: word, PATH: process.env['PATH'] } });
    try {
      const { found } = await findInProcesses(process.pid, word);
      assert.ok(found.some(({ where }) => where.startsWith('arguments')));
      assert.ok(found.some(({ where }) => where.startsWith('environment')));
    } finally {
      child.kill();
    }
  });
});

describe('the word, planted in everything,', () => {
  let place: Place;
  let child: Child;
  let workspace: string;
  let job: string;

  before(async () => {
    place = await openPlace({ embedded: true });
    child = await place.start();
    ({ workspace, job } = await plant(child));
  });
  after(() => place.remove());

  /** Folders that the server and its agent made for themselves, on disk and in memory. */
  async function nowhereAtRest(): Promise<readonly string[]> {
    const seen: string[] = [];
    const found: Find[] = [];
    const search = async (folder: string) => {
      const result = await findInFolder(folder, word);
      seen.push(...result.files);
      found.push(...result.found);
    };
    for (const folder of [place.dataDir, place.temporary]) await search(folder);
    for (const parent of ['/dev/shm', '/tmp'])
      for (const name of await readdir(parent).catch(() => []))
        if (name.startsWith('strongroom-agent-')) await search(join(parent, name));
    assert.deepEqual(found, []);
    return seen;
  }

  test('is found nowhere while it is in use', async () => {
    const seen = await nowhereAtRest();
    for (const expected of [
      /control\.db$/,
      /control\.db-wal$/,
      /audit\.db$/,
      /audit\.db-wal$/,
      /workspaces\/[^/]+\.db$/,
      /keyring\.json$/,
    ])
      assert.ok(
        seen.some((path) => expected.test(path)),
        `${expected} was searched`,
      );
    assert.ok(seen.length > 15, `only ${seen.length} files`);
  });

  test('is in no argument and no environment of the server, the agent or the sandbox', async () => {
    const { lines, found } = await findInProcesses(child.pid, word);
    for (const expected of [/server\.child\.ts/, /agent\/src\/main\.ts/, /bwrap/])
      assert.ok(
        lines.some((line) => expected.test(line)),
        `${expected} was searched: ${lines.join('\n')}`,
      );
    assert.deepEqual(found, []);
  });

  test('is found nowhere after a kill', async () => {
    await child.kill();
    await nowhereAtRest();
  });

  test('is all there after a restart, and found nowhere after a clean stop', async () => {
    const second = await place.start();
    const token = await second.ownerToken();
    const log = await second.arm(token, 'GET', `${job}/log?offset=0`);
    assert.ok(log.text.includes(`line ${word}`), log.text);
    const resource = await second.arm(token, 'GET', workspace);
    assert.equal(resource.body.tags[word], word);
    await nowhereAtRest();
    const how = await second.terminate();
    assert.equal(how.code, 0, how.output);
    assert.ok(!how.output.includes(word), 'the log of the server does not say it');
    await nowhereAtRest();
  });
});

/** Says the word wherever the server listens, and checks that it was heard: an unheard canary proves nothing. */
async function plant(world: Child): Promise<{ readonly workspace: string; readonly job: string }> {
  const must = (reply: Reply, what: string): Reply => {
    assert.ok(reply.status < 300 && reply.body?.status !== 'Failed', `${what}: ${reply.status} ${reply.text}`);
    return reply;
  };
  const token = await world.ownerToken();
  const { location } = world;
  const put = async (path: string, body: unknown) => must(await world.armDone(token, 'PUT', path, body), `PUT ${path}`);

  const user = await world.send('/msgraph/v1.0/users', {
    method: 'POST',
    token,
    body: {
      userPrincipalName: `${word}@strongroom.local`,
      displayName: `Person ${word}`,
      passwordProfile: { password: `${word}-Long-Enough-1!` },
    },
  });
  must(user, 'a user');

  const group = `/subscriptions/${world.subscriptionId}/resourceGroups/${word}`;
  await put(group, { location, tags: { [word]: word } });
  const workspace = `${group}/providers/Microsoft.MachineLearningServices/workspaces/${word}`;
  await put(workspace, { location, tags: { [word]: word }, properties: { friendlyName: word, description: word } });

  await plantInVault(world, group, must);
  await plantInStorage(world, group, must);

  const mlflow = async (method: string, path: string, body: unknown) =>
    must(
      await world.send(`/mlflow/v1.0${workspace}/api/2.0/mlflow/${path}`, { method, token, body }),
      `mlflow ${path}`,
    );
  const { experiment_id } = (await mlflow('POST', 'experiments/create', { name: word })).body;
  const created = await mlflow('POST', 'runs/create', {
    experiment_id,
    run_name: word,
    tags: [{ key: `tag.${word}`, value: word }],
  });
  const run_id = String(created.body.run.info.run_id);
  await mlflow('POST', 'runs/log-batch', {
    run_id,
    metrics: [{ key: `metric.${word}`, value: 1, timestamp: 1, step: 0 }],
    params: [{ key: `param.${word}`, value: word }],
    tags: [{ key: 'note', value: word }],
  });
  const artifact = `/mlflow/v1.0${workspace}/api/2.0/mlflow-artifacts/artifacts/${experiment_id}/${run_id}/artifacts/${word}.txt`;
  must(await world.send(artifact, { method: 'PUT', token, body: `artifact ${word}` }), 'an artifact');
  assert.equal((await world.send(artifact, { token })).text, `artifact ${word}`);
  const heard = await world.send(`/mlflow/v1.0${workspace}/api/2.0/mlflow/runs/get?run_id=${run_id}`, { token });
  assert.ok(heard.body.run.data.params[0].value === word && heard.body.run.data.metrics[0].key.includes(word));

  const computeId = await makeCluster(world, workspace, 'cluster');
  const codeId = await makeCode(world, workspace, word, {
    [`${word}.py`]: `import os, sys, time\nprint("line ${word}", os.environ["NOTE"], sys.argv, flush=True)\ntime.sleep(600)\n`,
  });
  const job = await submit(world, workspace, word, {
    computeId,
    codeId,
    displayName: word,
    experimentName: word,
    tags: { [word]: word },
    inputs: { note: { jobInputType: 'literal', value: word } },
    environmentVariables: { NOTE: word },
    command: `python3 ${word}.py --note ${word}`,
  });
  await printed(world, job, `line ${word} ${word}`);
  return { workspace, job };
}

async function plantInVault(world: Child, group: string, must: (reply: Reply, what: string) => Reply): Promise<void> {
  const vault = `${group}/providers/Microsoft.KeyVault/vaults/v${word}`;
  const made = await world.arm(await world.ownerToken(), 'PUT', vault, {
    location: world.location,
    tags: { [word]: word },
    properties: {},
  });
  must(made, 'a vault');
  await world.grant(world.owner.objectId, 'Key Vault Administrator', vault);
  const token = await world.token(world.owner, world.audience('keyvault'));
  const send = (path: string, sent: Sent) =>
    world.send(`${path}?api-version=7.4`, { ...sent, token, host: `v${word}.vault.localhost` });
  const secret = { value: `secret ${word}`, contentType: word, tags: { [word]: word } };
  must(await send(`/secrets/${word}`, { method: 'PUT', body: secret }), 'a secret');
  must(await send(`/keys/${word}/create`, { method: 'POST', body: { kty: 'RSA', tags: { [word]: word } } }), 'a key');
  assert.equal((await send(`/secrets/${word}`, {})).body.value, `secret ${word}`);
}

async function plantInStorage(world: Child, group: string, must: (reply: Reply, what: string) => Reply): Promise<void> {
  const name = `s${word}`;
  const account = `${group}/providers/Microsoft.Storage/storageAccounts/${name}`;
  const made = await world.armDone(await world.ownerToken(), 'PUT', account, {
    location: world.location,
    sku: { name: 'Standard_LRS' },
    kind: 'StorageV2',
  });
  must(made, 'an account');
  await world.grant(world.owner.objectId, 'Storage Blob Data Owner', account);
  const token = await world.token(world.owner, world.audience('blob'));
  const send = (path: string, sent: Sent) =>
    world.send(path, { ...sent, token, host: `${name}.blob.storage.localhost` });
  must(
    await send(`/${word}?restype=container`, { method: 'PUT', headers: { [`x-ms-meta-${word}`]: word } }),
    'a container',
  );
  const blob = {
    method: 'PUT',
    headers: { 'x-ms-blob-type': 'BlockBlob', [`x-ms-meta-${word}`]: word, 'content-type': `text/${word}` },
    body: `blob ${word} `.repeat(1_000),
  };
  must(await send(`/${word}/folder/${word}.txt`, blob), 'a blob');
  // A block that nobody commits lies there too.
  const block = Buffer.from('one').toString('base64');
  const staged = await send(`/${word}/staged?comp=block&blockid=${encodeURIComponent(block)}`, {
    method: 'PUT',
    body: word,
  });
  must(staged, 'a block');
  assert.ok((await send(`/${word}/folder/${word}.txt`, {})).text.startsWith(`blob ${word}`));
}
