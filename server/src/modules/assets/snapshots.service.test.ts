// Snapshots over real storage: all or nothing, once for each content, read back to the byte; and what is registered of them.

import assert from 'node:assert/strict';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, type TestContext, test } from 'node:test';
import { randomUuid } from '#kernel/crypto/random';
import { closeScanPool } from '#kernel/database/database';
import { pack } from '../../../test/lab/jobs.fixture.ts';
import { openLab } from '../../../test/lab/lab.fixture.ts';

after(() => closeScanPool());

async function openBench(t: TestContext) {
  const lab = await openLab(t);
  const workspaceId = await lab.workspace('Vision');
  const take = async (files: Readonly<Record<string, string | Buffer>>, query = '', who = lab.owner) =>
    lab.call(who, 'POST', `${workspaceId}/snapshots${query}`, {
      body: await pack(files),
      headers: { 'content-type': 'application/x-tar' },
    });
  const uriOf = async (files: Readonly<Record<string, string | Buffer>>) => String((await take(files)).body.uri);
  const put = (path: string, properties: object, who = lab.owner) =>
    lab.call(who, 'PUT', `${workspaceId}/${path}`, { body: { properties } });
  const get = async (path: string) => (await lab.must(lab.owner, 'GET', `${workspaceId}/${path}`)).body.properties;
  const workspace = await lab.now().workspaces.get(lab.now().system, workspaceId);
  /** Blobs of snapshots, whoever they belong to. */
  const blobs = async () => {
    const at = lab.now().workspaces.container(workspace, 'workspaceblobstore');
    return (await lab.now().blobs.list(lab.now().system, { ...at, prefix: 'snapshots/', limit: 1000 })).blobs;
  };
  /** A run with these artifacts. */
  const artifacts = async (runId: string, files: Readonly<Record<string, string>>) => {
    const { runs, system } = lab.now();
    const experimentId = await runs.ensureExperiment(system, workspaceId, 'Default');
    await runs.createRun(system, workspaceId, { runId, experimentId });
    for (const [path, content] of Object.entries(files))
      await runs.putArtifact(system, workspaceId, runId, path, Buffer.from(content));
  };
  return { lab, workspaceId, workspace, take, uriOf, put, get, blobs, artifacts };
}

test('a folder is taken once, however often it is sent, in whatever order, and by several at once', async (t) => {
  const { take, blobs, lab, workspaceId } = await openBench(t);
  const first = await take({ 'a.py': '1', 'd/b.py': '2' });
  assert.equal(first.status, 201);
  assert.deepEqual([first.body.files, first.body.bytes], [2, 2]);
  const more = await Promise.all([
    take({ 'd/b.py': '2', 'a.py': '1' }),
    take({ 'a.py': '1', 'd/b.py': '2' }),
    take({ './a.py': '1', './d/b.py': '2' }),
  ]);
  for (const { body } of more) assert.equal(body.uri, first.body.uri);
  assert.equal((await blobs()).length, 1, 'small files lie together');
  assert.notEqual((await take({ 'a.py': '1', 'd/c.py': '2' })).body.uri, first.body.uri);
  const read = (path: string, who = lab.owner) =>
    lab.call(who, 'GET', `${workspaceId}/snapshots/${first.body.snapshotId}/files/${path}`);
  assert.equal((await read('d/b.py')).bytes.toString(), '2');
  assert.equal((await read('d/none')).status, 404);
  assert.ok((await read('..%2fa.py')).status >= 400);
  assert.equal((await read('a.py', await lab.person([]))).status, 403);
  assert.equal((await take({ x: 'x' }, '', await lab.person(['Reader']))).status, 403);
});

test('what is refused leaves nothing behind', async (t) => {
  const { take, blobs, lab, workspaceId } = await openBench(t);
  const refused: readonly (readonly [string, Record<string, string>, number])[] = [
    ['InvalidSnapshotPath', { 'ok.py': '1', '../evil': '2' }, 400],
    ['InvalidSnapshotPath', { 'ok.py': '1', 'OK.PY': '2' }, 400],
    ['CredentialInSnapshot', { 'ok.py': '1', 'key.pem': '-----BEGIN RSA PRIVATE KEY-----' }, 400],
    ['EmptySnapshot', {}, 400],
  ];
  for (const [code, files, status] of refused) {
    const { body, ...answer } = await take(files);
    assert.deepEqual([answer.status, body.error.code], [status, code]);
  }
  const cut = (await pack({ 'a.py': 'x'.repeat(5000) })).subarray(0, 3000);
  for (const bytes of [cut, Buffer.from('no archive at all'.repeat(100))]) {
    const answer = await lab.call(lab.owner, 'POST', `${workspaceId}/snapshots`, { body: bytes });
    assert.equal(answer.status, 400);
  }
  assert.equal((await blobs()).length, 0);
});

test("what a crash left of a snapshot is swept, and nothing that is named, being taken, or a user's own", async (t) => {
  const { take, blobs, lab, workspace, workspaceId } = await openBench(t);
  const { system } = lab.now();
  const at = lab.now().workspaces.container(workspace, 'workspaceblobstore');
  const put = (name: string, from = lab.now()) =>
    from.blobs.put(from.system, { ...at, name }, Buffer.from('x'), { maxBytes: 10 });
  const kept = await take({ 'a.py': '1', 'b.py': '2' });
  // As a server that died between the blobs and their row leaves them.
  const abandoned = `snapshots/${randomUuid()}`;
  for (const name of [`${abandoned}/0`, `${abandoned}/1`]) await put(name);
  const usersOwn = ['snapshots/readme.txt', 'snapshots/2024/0', `snapshots/${randomUuid()}/0.txt`];
  for (const name of usersOwn) await put(name);

  // One is being taken: its first file is there, the row is not.
  const archive = await pack({ '1': Buffer.alloc(300_000, 1), '2': Buffer.alloc(2_000_000, 2) });
  const source = new PassThrough();
  const before = (await blobs()).length;
  const taking = lab.now().assets.snapshots.take(system, workspaceId, source, { allowCredentials: false });
  source.write(archive.subarray(0, 400_000));
  while ((await blobs()).length === before) await new Promise((turn) => setImmediate(turn));
  await lab.now().sweepAssets(new AbortController().signal);
  const names = (await blobs()).map(({ name }) => name);
  assert.deepEqual(
    names.filter((name) => name.startsWith(abandoned)),
    [],
  );
  assert.deepEqual(
    usersOwn.filter((name) => !names.includes(name)),
    [],
  );
  source.end(archive.subarray(400_000));
  const taken = await taking;

  await (await lab.restart()).sweepAssets(new AbortController().signal);
  assert.equal((await blobs()).length, 1 + 2 + usersOwn.length);
  for (const digest of [taken.digest, kept.body.snapshotId])
    assert.equal(
      (
        await lab.call(
          lab.owner,
          'GET',
          `${workspaceId}/snapshots/${digest}/files/${digest === taken.digest ? '2' : 'a.py'}`,
        )
      ).status,
      200,
    );
});

test('credentials are taken on request only, and the record says so', async (t) => {
  const { take, lab } = await openBench(t);
  const files = { '.env': `AWS=AKIA${'A'.repeat(16)}` };
  assert.equal((await take(files)).body.error.code, 'CredentialInSnapshot');
  assert.equal((await take(files, '?allowCredentials=maybe')).status, 400);
  assert.equal((await take(files, '?allowCredentials=true')).status, 201);
  const recorded = lab.now().audit.entries.filter(({ intent }) => intent.operation === 'Snapshots_Create');
  assert.match(JSON.stringify(recorded.at(-1)), /"allowCredentials":"true"/);
});

test('a file that was changed on the disk fails what reads it, and nothing else', async (t) => {
  const { take, lab, workspaceId, workspace } = await openBench(t);
  const { body } = await take({ 'big.bin': Buffer.alloc(3_000_000, 1) });
  const path = `${workspaceId}/snapshots/${body.snapshotId}/files/big.bin`;
  assert.equal((await lab.must(lab.owner, 'GET', path)).bytes.length, 3_000_000);
  const store = await lab.now().resources.get(lab.now().system, workspace.storageAccount);
  const folder = join(lab.dataDir, 'storage', store.uniqueId, 'blobs');
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    if (!entry.isFile() || (await stat(file)).size < 3_000_000) continue;
    const handle = await open(file, 'r+');
    await handle.write(Buffer.from([0x55, 0xaa, 0x55]), 0, 3, 2_500_000);
    await handle.close();
  }
  const damaged = await lab.call(lab.owner, 'GET', path).catch(() => undefined);
  assert.ok(damaged === undefined || damaged.status >= 500 || damaged.bytes.length < 3_000_000);
  assert.equal((await take({ 'a.py': 'goes on' })).status, 201);
});

test('a reader that leaves in the middle harms nobody', async (t) => {
  const { take, lab, workspaceId } = await openBench(t);
  const { body } = await take({ 'big.bin': Buffer.alloc(8_000_000, 1) });
  const path = `${workspaceId}/snapshots/${body.snapshotId}/files/big.bin`;
  for (let i = 0; i < 5; i++) {
    const leaving = new AbortController();
    const reading = lab.call(lab.owner, 'GET', path, { signal: leaving.signal }).catch(() => undefined);
    setImmediate(() => leaving.abort());
    await reading;
  }
  assert.equal((await lab.must(lab.owner, 'GET', path)).bytes.length, 8_000_000);
});

test('what a job left becomes a model that no longer changes', async (t) => {
  const { lab, put, get, artifacts, workspaceId } = await openBench(t);
  await artifacts('train', { 'model/weights.bin': 'v1', 'model/sub/meta.json': '{}', 'models-other/x': 'no' });
  const made = await put('models/digits/versions/1', {
    modelUri: 'azureml://jobs/train/outputs/artifacts/paths/model/',
  });
  assert.equal(made.status, 201, made.bytes.toString());
  const shown = made.body.properties;
  assert.equal(shown.jobName, 'train');
  // Where clients that fetch files themselves look, who know of no jobs; and they send back what they read.
  assert.equal(shown.modelUri, 'azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.train/model');
  const { modelUri } = shown;
  assert.equal((await put('models/digits/versions/1', { modelUri, tags: { a: '1' } })).status, 200);
  assert.equal((await put('models/digits/versions/1', { modelUri: `${modelUri}s-other` })).status, 409);
  assert.equal((await put('models/digits/versions/1', { modelUri, modelType: 'mlflow_model' })).status, 409);
  assert.equal(shown.properties['strongroom.files'], '2');
  assert.equal(shown.snapshot, undefined);
  const { runs, assets, system } = lab.now();
  await runs.putArtifact(system, workspaceId, 'train', 'model/weights.bin', Buffer.from('v2'));
  const content = await assets.model(system, `${workspaceId}/models/digits/versions/1`);
  assert.deepEqual([content.name, content.version], ['digits', '1']);
  assert.deepEqual(content.files.map(({ path }) => path).sort(), ['sub/meta.json', 'weights.bin']);
  const { stream } = await assets.snapshots.openFile(system, workspaceId, content.digest, 'weights.bin');
  assert.equal(Buffer.concat(await stream.toArray()).toString(), 'v1');
  const one = await put('models/digits/versions/2', { modelUri: 'runs:/train/model/weights.bin' });
  assert.equal(one.body.properties.properties['strongroom.files'], '1');
  assert.equal((await get('models/digits')).latestVersion, '2');
  assert.equal((await get('models/digits')).nextVersion, '3');
  await lab.must(lab.owner, 'DELETE', `${workspaceId}/models/digits/versions/2`);
  assert.equal((await get('models/digits')).latestVersion, '1');
  for (const modelUri of ['runs:/train/none', 'runs:/nobody/model', 'runs:/train/../other', 'runs:/train/mod'])
    assert.equal((await put('models/bad/versions/1', { modelUri })).status, 400, modelUri);
  for (const modelUri of ['file:///etc/passwd', 'https://evil/x', 'azureml://registries/x'])
    assert.equal((await put('models/bad/versions/1', { modelUri })).body.error.code, 'InvalidAssetUri');
  assert.equal((await lab.call(lab.owner, 'GET', `${workspaceId}/models/bad/versions/1`)).status, 404);
});

test('a model remembers the name of its folder, wherever its files came from; a file and a whole have none', async (t) => {
  const { put, uriOf, artifacts } = await openBench(t);
  await artifacts('train', { 'model/weights.bin': 'v1', 'model/sub/a': '', 'outputs/res/x': '1', 'outputs/one': '2' });
  const folder = async (name: string, modelUri: string, properties?: object) => {
    const made = await put(`models/${name}/versions/1`, { modelUri, ...(properties && { properties }) });
    assert.equal(made.status, 201, made.bytes.toString());
    return made.body.properties.properties['strongroom.folder'];
  };
  const job = 'azureml://jobs/train/outputs';
  assert.equal(await folder('a', `${job}/artifacts/paths/model/`), 'model');
  assert.equal(await folder('b', 'runs:/train/model/sub'), 'sub');
  assert.equal(await folder('c', `${job}/res`), 'res');
  assert.equal(await folder('d', `${job}/res/paths/`), 'res');
  assert.equal(await folder('e', `${job}/one`), undefined);
  assert.equal(await folder('f', `${job}/artifacts`), undefined);
  assert.equal(await folder('g', 'runs:/train/model/weights.bin'), undefined);
  const store = 'azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.train';
  assert.equal(await folder('h', `${store}/outputs/res`), 'res');
  assert.equal(await folder('copy', 'azureml:c:1'), 'res');
  // An archive does not tell; who sends it does.
  const sent = await uriOf({ x: '1' });
  assert.equal(await folder('i', sent), undefined);
  assert.equal(await folder('j', sent, { 'strongroom.folder': 'weights', team: 'a' }), 'weights');
  for (const name of ['', '..', 'a/b', '/a', 'a\\b', 'n'.repeat(300)])
    assert.equal(
      (await put('models/bad/versions/1', { modelUri: sent, properties: { 'strongroom.folder': name } })).status,
      400,
      name,
    );
  for (const modelUri of [`${job}/none`, `${job}/res/paths/../../model`, `${job}/re`, 'azureml:nobody:1'])
    assert.ok((await put('models/bad/versions/1', { modelUri })).status >= 400, modelUri);
});

test('a version keeps its content for good; its description changes', async (t) => {
  const { lab, put, get, uriOf, workspaceId } = await openBench(t);
  const [one, two] = [await uriOf({ a: '1' }), await uriOf({ a: '2' })];
  assert.equal((await put('models/m/versions/1', { modelUri: one })).status, 201);
  const changed = await put('models/m/versions/1', { modelUri: two });
  assert.deepEqual([changed.status, changed.body.error.code], [409, 'VersionAlreadyExists']);
  assert.equal((await put('models/m/versions/1', { modelUri: one, modelType: 'mlflow_model' })).status, 409);
  assert.equal((await put('models/m/versions/1', { modelUri: one, description: 'd', tags: { a: 'b' } })).status, 200);
  assert.deepEqual((await get('models/m/versions/1')).tags, { a: 'b' });
  const patched = await lab.call(lab.owner, 'PATCH', `${workspaceId}/models/m/versions/1`, {
    body: { properties: { modelUri: two } },
  });
  assert.equal(patched.status, 409);
  assert.equal((await put('codes/c/versions/1', { codeUri: one })).status, 201);
  assert.equal((await put('codes/c/versions/1', { codeUri: two })).status, 409);
  assert.equal(
    (await put('codes/c/versions/2', { codeUri: `azureml://snapshots/sha256:${'0'.repeat(64)}` })).status,
    404,
  );
  assert.equal((await put('codes/c/versions/..', { codeUri: one })).status >= 400, true);
  const { snapshots } = lab.now().assets;
  assert.equal((await snapshots.get(lab.now().system, workspaceId, one)).files.length, 1);
});

test('versions registered at once all stand; the same version registered twice is one of them', async (t) => {
  const { put, get, uriOf, lab, workspaceId } = await openBench(t);
  const uris = await Promise.all(['1', '2', '3'].map((a) => uriOf({ a })));
  const made = await Promise.all(uris.map((modelUri, i) => put(`models/many/versions/${i + 1}`, { modelUri })));
  assert.deepEqual(
    made.map(({ status }) => status),
    [201, 201, 201],
  );
  const listed = await lab.must(lab.owner, 'GET', `${workspaceId}/models/many/versions`);
  assert.equal(listed.body.value.length, 3);
  assert.ok(['1', '2', '3'].includes((await get('models/many')).latestVersion));
  const same = await Promise.all(uris.map((modelUri) => put('models/many/versions/9', { modelUri })));
  assert.deepEqual(same.map(({ status }) => status).sort(), [201, 409, 409]);
});

test('a container goes with its versions, and the last version leaves an empty one', async (t) => {
  const { put, get, uriOf, lab, workspaceId } = await openBench(t);
  const codeUri = await uriOf({ a: '1' });
  for (const version of ['1', '2', '3']) await put(`codes/c/versions/${version}`, { codeUri });
  for (const version of ['1', '3', '2'])
    await lab.must(lab.owner, 'DELETE', `${workspaceId}/codes/c/versions/${version}`);
  assert.equal((await get('codes/c')).latestVersion, null);
  await put('codes/c/versions/1', { codeUri });
  await lab.must(lab.owner, 'DELETE', `${workspaceId}/codes/c`);
  assert.equal((await lab.call(lab.owner, 'GET', `${workspaceId}/codes/c/versions/1`)).status, 404);
});

test('who may not read a workspace takes nothing out of it; a snapshot of another workspace is not there', async (t) => {
  const { lab, uriOf, put } = await openBench(t);
  const uri = await uriOf({ a: '1' });
  const other = await lab.workspace('Twin');
  const answer = await lab.call(lab.owner, 'PUT', `${other}/codes/c/versions/1`, {
    body: { properties: { codeUri: uri } },
  });
  assert.equal(answer.status, 404);
  assert.equal((await put('codes/c/versions/1', { codeUri: uri }, await lab.person(['Reader']))).status, 403);
});
