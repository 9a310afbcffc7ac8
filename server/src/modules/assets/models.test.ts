// Models as large as models are: beyond what code may be, bounded all the same, with words of their own, and nothing half
// made after a refusal.

import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, type TestContext, test } from 'node:test';
import { sha256Hex } from '#kernel/crypto/digest';
import { closeScanPool } from '#kernel/database/database';
import { openLab } from '../../../test/lab/lab.fixture.ts';
import { codeLimits, inputLimits, modelLimits } from './limits.rules.ts';

after(() => closeScanPool());

const mebibyte = 1024 ** 2;

async function openBench(t: TestContext) {
  const lab = await openLab(t);
  const workspaceId = await lab.workspace('Vision');
  const { runs, system, assets, workspaces, blobs } = lab.now();
  const experimentId = await runs.ensureExperiment(system, workspaceId, 'Default');
  await runs.createRun(system, workspaceId, { runId: 'train', experimentId });
  const leave = (path: string, content: Readable | Uint8Array) =>
    runs.putArtifact(system, workspaceId, 'train', path, content);
  const put = (path: string, properties: object) =>
    lab.call(lab.owner, 'PUT', `${workspaceId}/${path}`, { body: { properties } });
  const at = workspaces.container(await workspaces.get(system, workspaceId), 'workspaceblobstore');
  const kept = async () => (await blobs.list(system, { ...at, prefix: 'snapshots/', limit: 1000 })).blobs.length;
  return { lab, workspaceId, leave, put, kept, assets, system };
}

/** Zeros, a MiB at a time. */
const zeros = (bytes: number) =>
  Readable.from(
    Array.from({ length: bytes / mebibyte }, () => Buffer.alloc(mebibyte)),
    { objectMode: false },
  );

test('a model larger than code may be is registered, listed by folder, and read to its end', async (t) => {
  const { lab, workspaceId, leave, put, assets, system } = await openBench(t);
  const bytes = codeLimits.bytes + mebibyte;
  await leave('model/weights.bin', zeros(bytes));
  const shards = Array.from({ length: 30 }, (_, index) => `model/shards/${index % 7}/${index}.txt`);
  await Promise.all(shards.map((path) => leave(path, Buffer.from(path))));

  const made = await put('models/large/versions/1', { modelUri: 'runs:/train/model' });
  assert.equal(made.status, 201, made.bytes.toString());
  const { properties } = made.body.properties;
  assert.equal(properties['strongroom.files'], String(shards.length + 1));
  assert.ok(Number(properties['strongroom.bytes']) > bytes);

  const { digest } = await assets.model(system, `${workspaceId}/models/large/versions/1`);
  const some = await assets.snapshots.filesBelow(system, workspaceId, digest, 'shards/3/');
  assert.deepEqual(
    some.map(({ path }) => path).sort(),
    shards.flatMap((path) => (path.startsWith('model/shards/3/') ? [path.slice(6)] : [])).sort(),
  );
  const { file, stream } = await assets.snapshots.openFile(system, workspaceId, digest, 'weights.bin');
  let read = 0;
  for await (const chunk of stream) read += chunk.length;
  assert.deepEqual([read, file.size], [bytes, bytes]);

  const again = await put('models/large/versions/2', { modelUri: properties['strongroom.snapshot'] });
  assert.equal(again.status, 201, 'the same content, whatever its size');
  const asCode = await lab.call(lab.owner, 'POST', `${workspaceId}/snapshots`, {
    body: Buffer.alloc(codeLimits.bytes + 17 * mebibyte),
    headers: { 'content-type': 'application/x-tar' },
  });
  assert.ok([400, 413].includes(asCode.status), 'code is bounded as before');
});

test('a model, a job input and code have bounds and words of their own', async (t) => {
  const { workspaceId, leave, kept, assets, system } = await openBench(t);
  for (const name of ['a', 'b', 'c']) await leave(`model/${name}`, Buffer.alloc(100));
  for (const [limits, words] of [
    [modelLimits, /^The model (holds|has) more than.*alone/],
    [inputLimits(3 * 1024 ** 3), /^The input (holds|has) more than.*datastore/],
    [codeLimits, /^The snapshot (holds|has) more than.*amlignore/],
  ] as const) {
    for (const [less, code] of [
      [{ files: 2 }, 'SnapshotTooManyFiles'],
      [{ bytes: 299 }, 'SnapshotTooLarge'],
    ] as const) {
      const taking = assets.named(system, workspaceId, 'runs:/train/model', { ...limits, ...less });
      await assert.rejects(taking, { kind: 'tooLarge', code, message: words });
    }
    if (limits !== codeLimits) assert.doesNotMatch(limits.advice, /amlignore/);
  }
  assert.equal(await kept(), 0, 'nothing of what was refused stays');
  const exactly = { ...modelLimits, files: 3, bytes: 300 };
  assert.equal((await assets.named(system, workspaceId, 'runs:/train/model', exactly))?.files.length, 3);
});

test('a version that is refused leaves no model behind that was made for it, and takes none away that was there', async (t) => {
  const { lab, workspaceId, put, kept, leave } = await openBench(t);
  const status = async (path: string) => (await lab.call(lab.owner, 'GET', `${workspaceId}/${path}`)).status;
  const refused = { modelUri: 'runs:/train/nothing' };
  assert.equal((await put('models/half/versions/1', refused)).status, 400);
  assert.equal(await status('models/half'), 404);

  assert.equal((await put('models/there', { description: 'mine' })).status, 201);
  assert.equal((await put('models/there/versions/1', refused)).status, 400);
  assert.equal(await status('models/there'), 200);

  await leave('model/x', Buffer.from('x'));
  const good = { modelUri: 'runs:/train/model' };
  const atOnce = await Promise.all([put('models/both/versions/1', refused), put('models/both/versions/2', good)]);
  assert.equal(atOnce[0]?.status, 400);
  // Either it stands with its model, or it was told to try again: never a success that is gone.
  const stands = atOnce[1]?.status === 201;
  assert.equal(await status('models/both/versions/2'), stands ? 200 : 404);
  assert.equal((await put('models/both/versions/3', good)).status, 201);
  assert.equal(await kept(), 1);
});

test('what could never lie on a disk is not taken: one name for a file and for a folder', async (t) => {
  const { lab, workspaceId, kept, assets } = await openBench(t);
  const { blobs, system, workspaces } = lab.now();
  const at = workspaces.container(await workspaces.get(system, workspaceId), 'workspaceblobstore');
  for (const name of ['made/out/plots', 'made/out/plots/a.txt'])
    await blobs.put(system, { ...at, name }, Buffer.from('x'), { maxBytes: 10 });
  const taking = assets.named(system, workspaceId, 'azureml://datastores/workspaceblobstore/paths/made', modelLimits);
  await assert.rejects(taking, {
    code: 'InvalidSnapshotPath',
    message: /'out\/plots' is the name of a file and of a folder/,
  });
  assert.equal(await kept(), 0);
});

test('what a job left is registered without its bytes being there twice, and what becomes of the one does not touch the other', async (t) => {
  const { lab, workspaceId, leave, put, assets, system } = await openBench(t);
  const onDisk = async () => {
    let bytes = 0;
    for (const entry of await readdir(join(lab.dataDir, 'storage'), { recursive: true, withFileTypes: true }))
      if (entry.isFile() && entry.parentPath.endsWith('blobs'))
        bytes += (await stat(join(entry.parentPath, entry.name))).size;
    return bytes;
  };
  const first = Buffer.alloc(20 * mebibyte, 'first');
  await leave('outputs/model/weights.bin', first);
  await leave('outputs/model/small.json', Buffer.from('{}'));
  const before = await onDisk();
  const uris = ['runs:/train/outputs/model', 'azureml://jobs/train/outputs/artifacts/paths/outputs/model'];
  for (const [index, modelUri] of uris.entries()) {
    const made = await put(`models/shared/versions/${index + 1}`, { modelUri });
    assert.equal(made.status, 201, made.bytes.toString());
  }
  assert.ok((await onDisk()) - before < mebibyte, 'only what is small is copied');
  const read = async (version: string) => {
    const { digest } = await assets.model(system, `${workspaceId}/models/shared/versions/${version}`);
    const { stream } = await assets.snapshots.openFile(system, workspaceId, digest, 'weights.bin');
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part as Buffer);
    return Buffer.concat(parts);
  };
  // The source becomes another one, and what is registered of it then is that.
  const second = Buffer.alloc(20 * mebibyte, 'second');
  await leave('outputs/model/weights.bin', second);
  await put('models/shared/versions/3', { modelUri: uris[0] });
  for (const version of ['1', '2']) assert.ok((await read(version)).equals(first), version);
  assert.ok((await read('3')).equals(second));
  // The artifacts go, by the run that is purged or by hand; the models stay.
  const path = `/mlflow/v1.0${workspaceId}/api/2.0/mlflow-artifacts/artifacts/0/train/artifacts/outputs`;
  const removed = await lab.call(lab.owner, 'DELETE', path);
  assert.ok(removed.status < 300, removed.bytes.toString());
  assert.ok((await read('1')).equals(first));
  assert.ok((await read('3')).equals(second));
  // And the other way round.
  await leave('again/weights.bin', first);
  await put('models/other/versions/1', { modelUri: 'runs:/train/again' });
  await lab.must(lab.owner, 'DELETE', `${workspaceId}/models/other/versions/1`);
  const { runs } = lab.now();
  const { stream } = await runs.openArtifact(system, workspaceId, 'train', 'again/weights.bin');
  let bytes = 0;
  for await (const chunk of stream) bytes += chunk.length;
  assert.equal(bytes, first.length);
});

test('what is here already is registered, and taken as an input, without being read', async (t) => {
  const { lab, workspaceId, leave, put, assets, system } = await openBench(t);
  const { workspaces, blobs } = lab.now();
  const at = workspaces.container(await workspaces.get(system, workspaceId), 'workspaceblobstore');
  const content = Buffer.alloc(20 * mebibyte, 'weights');
  await leave('outputs/model/weights.bin', content);
  await blobs.put(system, { ...at, name: 'data/rows.bin' }, content, { maxBytes: content.length });
  /** Bytes of sealed files that were read meanwhile. */
  const read = async (act: () => Promise<unknown>) => {
    const before = lab.seam.readBytes;
    await act();
    return lab.seam.readBytes - before;
  };
  const model = async () =>
    assert.equal((await put('models/m/versions/1', { modelUri: 'runs:/train/outputs/model' })).status, 201);
  assert.equal(await read(model), 0);
  const input = (path: string) =>
    assets.named(
      system,
      workspaceId,
      `azureml://datastores/workspaceblobstore/paths/${path}`,
      inputLimits(64 * mebibyte),
    );
  // The first of it is looked at for credentials, and what lies behind is read ahead.
  const first = 3 * mebibyte;
  assert.ok((await read(() => input('data/'))) <= first);
  // And it is those bytes, by the digest that whoever reads them verifies.
  const taken = await input('data/rows.bin');
  assert.deepEqual(
    taken?.files.map(({ path, size, sha256 }) => [path, size, sha256]),
    [['rows.bin', content.length, sha256Hex(content)]],
  );
  const { stream } = await assets.snapshots.openFile(system, workspaceId, taken?.digest ?? '', 'rows.bin');
  assert.ok(Buffer.concat(await stream.toArray()).equals(content));
});

test('a file is verified against its digest when it is read, to its end, however long it is', async (t) => {
  const { lab, workspaceId, leave, assets, system } = await openBench(t);
  const { workspaces, blobs } = lab.now();
  const at = workspaces.container(await workspaces.get(system, workspaceId), 'workspaceblobstore');
  for (const size of [100, 5 * mebibyte]) {
    await leave(`out/${size}/file`, Buffer.alloc(size, 'right'));
    const taken = await assets.named(system, workspaceId, `runs:/train/out/${size}`, modelLimits);
    const read = async () => {
      const { stream } = await assets.snapshots.openFile(system, workspaceId, taken?.digest ?? '', 'file');
      return Buffer.concat(await stream.toArray());
    };
    assert.ok((await read()).equals(Buffer.alloc(size, 'right')));
    // Whole and sealed, of as many bytes, and not what was taken: no seal tells that.
    const wrong = Buffer.alloc(size, 'right');
    wrong.write('!', size - 1);
    await blobs.put(system, { ...at, name: taken?.files[0]?.blob ?? '' }, wrong, { maxBytes: size });
    await assert.rejects(read(), { code: 'SnapshotDamaged' }, `${size}`);
  }
});

test('a model that is refused for what it holds leaves its source whole', async (t) => {
  const { lab, workspaceId, put, kept } = await openBench(t);
  const { workspaces, blobs, system } = lab.now();
  const at = workspaces.container(await workspaces.get(system, workspaceId), 'workspaceblobstore');
  const content = Buffer.concat([
    Buffer.from('-----BEGIN RSA PRIVATE KEY-----\n'),
    Buffer.alloc(mebibyte / 2, 'x y\n'),
  ]);
  await blobs.put(system, { ...at, name: 'm/large.pem' }, content, { maxBytes: content.length });
  const refused = await put('models/leaky/versions/1', { modelUri: 'azureml://datastores/workspaceblobstore/paths/m' });
  assert.equal(refused.body.error.code, 'CredentialInSnapshot', refused.bytes.toString());
  assert.equal(await kept(), 0);
  const { stream } = await blobs.open(system, { ...at, name: 'm/large.pem' });
  let bytes = 0;
  for await (const chunk of stream) bytes += chunk.length;
  assert.equal(bytes, content.length);
});
