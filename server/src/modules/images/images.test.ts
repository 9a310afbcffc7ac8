// Building images: the same inputs give the same bytes, the bytes are what the OCI format and other readers say they are, and
// what a base image claims is checked.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { Failure } from '#kernel/errors/failure';
import { testGrant } from '#kernel/testing/authority';
import { mediaTypes } from '#registry';
import { setUp } from '../registry/testing.ts';
import { configOf, filesIn } from './images.fixture.ts';
import { builderVersion, type ImageInputs } from './images.service.ts';
import { createImages } from './index.ts';
import { type TarFile, tarOf } from './tar.rules.ts';

const grants = { push: testGrant(), pull: testGrant() };

const fileOf = (path: string, content: string | Buffer): TarFile => {
  const bytes = Buffer.from(content);
  // In pieces, as a sealed blob comes.
  const pieces = [bytes.subarray(0, 3), bytes.subarray(3)].filter(({ length }) => length > 0);
  return { path, size: bytes.length, open: async () => Readable.from(pieces) };
};
const inputs = (more: Partial<ImageInputs> = {}): ImageInputs => ({
  layers: [[fileOf('app/b.py', 'b = 2\n'), fileOf('app/a.py', '1\n')], [fileOf('app/data/model.json', '{"w":[1]}')]],
  environment: ['DATA=/app/data'],
  workingDir: '/app',
  annotations: { 'org.example.of': 'tests' },
  base: undefined,
  ...more,
});
/** A registry, and what is in it after a build. */
async function open(t: TestContext) {
  const { registry, id: registryId } = await setUp(t);
  const { images } = createImages({ registry });
  const collect = async (stream: Readable) => {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  };
  const build = async (given: ImageInputs, repository = 'one') => {
    const image = await images.build(grants, { registryId, repository }, given);
    const { bytes } = await registry.getManifest(grants.pull, registryId, repository, image.digest);
    const blob = async (digest: string) =>
      collect((await registry.openBlob(grants.pull, registryId, repository, digest)).stream);
    return { image, manifest: JSON.parse(Buffer.from(bytes).toString('utf8')), blob };
  };
  return { registry, registryId, build };
}
const refusal = (what: RegExp) => (error: unknown) =>
  error instanceof Failure && error.kind === 'invalid' && what.test(error.message);

test('the same files give the same digest, in whatever order those of a layer come', async (t) => {
  const { build } = await open(t);
  const [first = [], second = []] = inputs().layers as readonly (readonly TarFile[])[];
  const one = await build(inputs());
  const other = await build(inputs({ layers: [[...first].reverse(), second] }));
  assert.equal(one.image.digest, other.image.digest);
  assert.match(one.image.digest, /^sha256:[0-9a-f]{64}$/);
});

test('any difference in files, layers, environment, folder or annotations gives another digest', async (t) => {
  const { build } = await open(t);
  const [first = [], second = []] = inputs().layers as readonly (readonly TarFile[])[];
  const digests: string[] = [];
  for (const each of [
    inputs(),
    inputs({ layers: [[...first, ...second]] }),
    inputs({ layers: [second, first] }),
    inputs({ layers: [first, [fileOf('app/data/model.json', '{"w":[2]}')]] }),
    inputs({ environment: ['DATA=/app'] }),
    inputs({ workingDir: '/' }),
    inputs({ annotations: {} }),
  ])
    digests.push((await build(each)).image.digest);
  assert.equal(new Set(digests).size, digests.length);
});

test('manifest, configuration and layers fit together as the format says', async (t) => {
  const { build } = await open(t);
  const { manifest, blob } = await build(inputs());
  assert.equal(manifest.schemaVersion, 2);
  assert.equal(manifest.mediaType, mediaTypes.ociManifest);
  assert.equal(manifest.layers.length, 2);
  const config = await configOf(manifest, blob);
  assert.deepEqual(config.config, { Env: ['DATA=/app/data'], WorkingDir: '/app' });
  assert.deepEqual(manifest.annotations, { 'io.strongroom.builder': builderVersion, 'org.example.of': 'tests' });
});

test('files of a layer are owned by nobody, and have no times', async (t) => {
  const { build } = await open(t);
  const { manifest, blob } = await build(inputs());
  assert.deepEqual(await filesIn(manifest.layers, blob), ['app/a.py', 'app/b.py', 'app/data/model.json']);
});

test('another reader of tar finds long, non-ASCII and empty files whole', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-tar-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const files = [
    fileOf(`${'deep/'.repeat(30)}name.txt`, 'deep'),
    fileOf(`${'x'.repeat(180)}.txt`, 'long'),
    fileOf('möbel/schön.txt', 'umlaut'),
    fileOf('empty', ''),
    fileOf('block', Buffer.alloc(1024, 7)),
  ];
  const chunks: Uint8Array[] = [];
  for await (const chunk of tarOf(files)) chunks.push(chunk);
  const archive = join(folder, 'a.tar');
  await writeFile(archive, Buffer.concat(chunks));
  const script =
    'import sys,tarfile,json; t=tarfile.open(sys.argv[1]); print(json.dumps({m.name:t.extractfile(m).read().decode("latin1") for m in t if m.isfile()}))';
  const { stdout } = await promisify(execFile)('python3', ['-c', script, archive], { encoding: 'utf8' });
  const read = JSON.parse(stdout) as Record<string, string>;
  for (const file of files) {
    const parts: Buffer[] = [];
    for await (const chunk of (await file.open()) as Readable) parts.push(chunk as Buffer);
    assert.equal(read[file.path], Buffer.concat(parts).toString('latin1'), file.path);
  }
  assert.equal((await readFile(archive)).length % 512, 0);
});

test('a file that is not as long as it was said to be ends the build', async (t) => {
  const { build } = await open(t);
  const lying = { path: 'lie.py', size: 5, open: async () => Buffer.from('123') };
  await assert.rejects(build(inputs({ layers: [[lying]] })), /3 bytes, not 5/);
});

test('a base image of the same registry lies below, and is there under the new repository too', async (t) => {
  const { build } = await open(t);
  const base = await build(inputs(), 'base');
  const { manifest, blob } = await build(inputs({ base: { repository: 'base', reference: base.image.digest } }));
  assert.equal(manifest.layers.length, 4);
  const config = JSON.parse((await blob(manifest.config.digest)).toString());
  assert.equal(config.rootfs.diff_ids.length, 4);
  for (const { digest, size } of manifest.layers) assert.equal((await blob(digest)).length, size);
});

test('the environment of a base image stays, but for what the new image says itself', async (t) => {
  const { registry, registryId, build } = await open(t);
  const pushed = await build(inputs(), 'base');
  const { layers } = pushed.manifest;
  const old = JSON.parse((await pushed.blob(pushed.manifest.config.digest)).toString());
  const push = async (tag: string, Env: unknown) => {
    const bytes = Buffer.from(JSON.stringify({ ...old, architecture: 'arm64', config: { Env } }));
    const config = { mediaType: 'application/vnd.oci.image.config.v1+json', ...(await pushBlob(bytes)) };
    const manifest = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers };
    const body = Buffer.from(JSON.stringify(manifest));
    await registry.putManifest(grants.push, registryId, 'base', tag, mediaTypes.ociManifest, body);
  };
  const pushBlob = (bytes: Buffer) => registry.pushBlob(grants.push, registryId, 'base', bytes);
  await push('set', ['PATH=/opt/bin:/usr/bin', 'DATA=/elsewhere']);
  await push('none', null);
  await push('odd', ['PATH']);
  const configOf = async (reference: string) => {
    const { manifest, blob } = await build(inputs({ base: { repository: 'base', reference } }));
    return JSON.parse((await blob(manifest.config.digest)).toString());
  };
  const { config, architecture } = await configOf('set');
  assert.equal(architecture, 'arm64');
  const own = config.Env.filter((variable: string) => variable.startsWith('DATA='));
  assert.deepEqual(own, ['DATA=/app/data']);
  assert.equal(config.Env[0], 'PATH=/opt/bin:/usr/bin');
  assert.equal((await configOf('none')).config.Env.length, 1);
  await assert.rejects(configOf('odd'), refusal(/not readable/));
});

test('a base image that is missing, an index, or does not describe its layers is refused', async (t) => {
  const { registry, registryId, build } = await open(t);
  const put = async (reference: string, mediaType: string, body: unknown) => {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...(body as object) }));
    await registry.putManifest(grants.push, registryId, 'base', reference, mediaType, bytes);
  };
  const built = (reference: string) => build(inputs({ base: { repository: 'base', reference } }));
  const pushed = await registry.pushBlob(grants.push, registryId, 'base', Buffer.from('{"rootfs":{"diff_ids":[]}}'));
  const config = { mediaType: 'application/vnd.oci.image.config.v1+json', ...pushed };
  const layerType = 'application/vnd.oci.image.layer.v1.tar';
  await put('index', 'application/vnd.oci.image.index.v1+json', { manifests: [] });
  await put('none', mediaTypes.ociManifest, { config, layers: [] });
  await put('plain', mediaTypes.ociManifest, { config, layers: [{ mediaType: layerType, ...pushed }] });
  await put('liar', mediaTypes.ociManifest, { config, layers: [{ mediaType: `${layerType}+gzip`, ...pushed }] });
  await assert.rejects(built('absent'), refusal(/not in the workspace's registry/));
  await assert.rejects(built('index'), refusal(/one platform/));
  await assert.rejects(built('none'), refusal(/1 to 60 layers/));
  await assert.rejects(built('plain'), refusal(/gzip'd tar/));
  await assert.rejects(built('liar'), refusal(/does not describe/));
  // What is no hash would stand in the new configuration as if it were one.
  const bytes = Buffer.from('{"rootfs":{"diff_ids":[{"toString":1}]}}');
  const odd = await registry.pushBlob(grants.push, registryId, 'base', bytes);
  await put('odd', mediaTypes.ociManifest, {
    config: { ...config, ...odd },
    layers: [{ mediaType: `${layerType}+gzip`, ...pushed }],
  });
  await assert.rejects(built('odd'), refusal(/does not describe/));
});
