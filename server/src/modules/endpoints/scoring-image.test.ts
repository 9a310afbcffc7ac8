// The image of a deployment: the same inputs give the same bytes, files lie where the runner looks for them, and no snapshot can
// write anything but its own folder.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import tar from 'tar-stream';
import { createImages, type TarFile } from '#images';
import { Failure } from '#kernel/errors/failure';
import { testGrant } from '#kernel/testing/authority';
import { mediaTypes } from '#registry';
import { registryId, setUp } from '../../../test/lab/endpoints.fixture.ts';
import { configOf, filesIn } from '../images/images.fixture.ts';
import { makeWheel } from '../images/wheels.fixture.ts';
import { checkInputs, mlflowModelOf, type ScoringInputs, scoringImageOf } from './scoring-image.rules.ts';

const at = { registryId, repository: 'deployments/one' };
const grants = { push: testGrant(), pull: testGrant() };

const fileOf = (path: string, content: string | Buffer): TarFile => {
  const bytes = Buffer.from(content);
  // In pieces, as a sealed blob comes.
  const pieces = [bytes.subarray(0, 3), bytes.subarray(3)].filter(({ length }) => length > 0);
  return { path, size: bytes.length, open: async () => Readable.from(pieces) };
};
const code = {
  digest: 'sha256:code',
  files: [fileOf('score.py', 'def run(d): return d\n'), fileOf('lib/a.py', '1\n')],
};
const scriptWith = (files: readonly TarFile[]) => ({ script: { code: { ...code, files }, path: 'score.py' } });
const inputs = (more: Partial<ScoringInputs> = {}): ScoringInputs => ({
  ...scriptWith(code.files),
  model: { id: '/m/1', name: 'credit', version: '1', folder: undefined, files: [fileOf('model.json', '{"w":[1]}')] },
  base: undefined,
  ...more,
});
/** A registry, and what is in it after a build. */
async function open(t: TestContext) {
  const { registry } = await setUp(t);
  const { images } = createImages({ registry });
  const collect = async (stream: Readable) => {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  };
  const build = async (given: ScoringInputs, repository = at.repository) => {
    const image = await images.build(grants, { ...at, repository }, scoringImageOf(given));
    const { bytes } = await registry.getManifest(grants.pull, registryId, repository, image.digest);
    const blob = async (digest: string) =>
      collect((await registry.openBlob(grants.pull, registryId, repository, digest)).stream);
    return { image, manifest: JSON.parse(Buffer.from(bytes).toString('utf8')), blob };
  };
  return { build };
}
const refusal = (what: RegExp) => (error: unknown) =>
  error instanceof Failure && error.kind === 'invalid' && what.test(error.message);

test('the same inputs give the same digest, in whatever order the files come', async (t) => {
  const { build } = await open(t);
  const one = await build(inputs());
  const other = await build(inputs(scriptWith([...code.files].reverse())));
  assert.equal(one.image.digest, other.image.digest);
  assert.match(one.image.digest, /^sha256:[0-9a-f]{64}$/);
});

test('any difference in code, model, names or script gives another digest', async (t) => {
  const { build } = await open(t);
  const { model } = inputs();
  const digests: string[] = [];
  for (const each of [
    inputs(),
    inputs({ model: { ...model, version: '2' } }),
    inputs({ model: { ...model, files: [fileOf('model.json', '{"w":[2]}')] } }),
    inputs(scriptWith([...code.files, fileOf('z.py', '')])),
    inputs({ script: { code, path: 'lib/a.py' } }),
    inputs({ script: undefined }),
  ])
    digests.push((await build(each)).image.digest);
  assert.equal(new Set(digests).size, digests.length);
});

test('manifest, configuration and layers fit together as the format says', async (t) => {
  const { build } = await open(t);
  const { manifest, blob } = await build(inputs());
  assert.equal(manifest.schemaVersion, 2);
  assert.equal(manifest.mediaType, mediaTypes.ociManifest);
  assert.equal(manifest.layers.length, 3);
  const config = await configOf(manifest, blob);
  assert.ok(config.config.Env.includes('AZUREML_MODEL_DIR=/var/azureml-app/azureml-models/credit/1'));
});

test('layers hold the files where the runner looks for them, owned by nobody, without times', async (t) => {
  const { build } = await open(t);
  const { manifest, blob } = await build(inputs());
  assert.deepEqual(await filesIn(manifest.layers, blob), [
    'var/azureml-app/.strongroom/runtime.json',
    'var/azureml-app/lib/a.py',
    'var/azureml-app/score.py',
    'var/azureml-app/azureml-models/credit/1/model.json',
  ]);
});

test('wheels of the code become layers where Python looks, each its own, and are not in the code again', async (t) => {
  const { build } = await open(t);
  const wheels = [makeWheel('zwei', { 'zwei/__init__.py': '2\n' }), makeWheel('eins', { 'eins.py': '1\n' })];
  const withWheels = (files: readonly TarFile[]) => inputs(scriptWith([...code.files, ...files]));
  const files = wheels.map(({ file, bytes }) => fileOf(`wheels/${file}`, bytes));
  const one = await build(withWheels(files));
  const other = await build(withWheels([...files].reverse()), 'deployments/two');
  assert.equal(one.image.digest, other.image.digest);
  assert.equal(one.manifest.layers.length, 5);
  const seen: string[] = [];
  for (const { digest } of one.manifest.layers) {
    const reading = Readable.from([gunzipSync(await one.blob(digest))]).pipe(tar.extract());
    for await (const entry of reading) {
      if (entry.header.type === 'file') seen.push(entry.header.name.slice('var/azureml-app/'.length));
      entry.resume();
    }
  }
  assert.deepEqual(seen, [
    '.strongroom/runtime.json',
    ...['dist-info/METADATA', 'dist-info/WHEEL'].map((name) => `.strongroom/python/eins-1.0.${name}`),
    '.strongroom/python/eins.py',
    ...['dist-info/METADATA', 'dist-info/WHEEL'].map((name) => `.strongroom/python/zwei-1.0.${name}`),
    '.strongroom/python/zwei/__init__.py',
    'lib/a.py',
    'score.py',
    'azureml-models/credit/1/model.json',
  ]);
  const config = JSON.parse((await one.blob(one.manifest.config.digest)).toString());
  assert.ok(config.config.Env.includes('PYTHONPATH=/var/azureml-app/.strongroom/python'));
});

test('a wheel that is damaged inside ends the build with its name', async (t) => {
  const { build } = await open(t);
  const { file, bytes } = makeWheel('eins', { 'eins.txt': 'to be damaged '.repeat(100) });
  const at = bytes.indexOf('eins.txt') + 'eins.txt'.length + 5;
  bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  const files = [...code.files, fileOf(`wheels/${file}`, bytes)];
  await assert.rejects(build(inputs(scriptWith(files))), refusal(/The wheel 'eins-1\.0-py3-none-any\.whl' holds/));
});

test('a snapshot cannot reach out of its folder, delete, or stand in for what is not its own', () => {
  const { model } = inputs();
  const withCode = (path: string) => inputs(scriptWith([...code.files, fileOf(path, 'x')]));
  for (const path of [
    '../escape.py',
    '/etc/passwd',
    'a/../../b',
    'a//b',
    './a',
    '',
    'a\\b',
    'a\0b',
    'a\nb',
    '.wh.score.py',
    'lib/.wh..wh..opq',
    'azureml-models/credit/1/model.json',
    '.strongroom/runtime.json',
    `${'d/'.repeat(600)}x`,
  ])
    assert.throws(() => checkInputs(withCode(path)), refusal(/./), JSON.stringify(path));
  assert.throws(
    () => checkInputs(inputs({ model: { ...model, files: [fileOf('../../score.py', 'x')] } })),
    refusal(/dot segment/),
  );
  assert.throws(() => checkInputs(inputs({ model: { ...model, files: [] } })), refusal(/no files/));
});

test('the scoring script must be a Python file of the code', () => {
  for (const [script, why] of [
    ['missing.py', /has no file/],
    ['score.sh', /ends in \.py/],
    ['../score.py', /dot segment/],
    ['/score.py', /absolute/],
    ['', /ends in \.py/],
  ] as const)
    assert.throws(() => checkInputs(inputs({ script: { code, path: script } })), refusal(why), script);
  checkInputs(inputs({ script: { code, path: './score.py' } }));
});

test('without a script there is the model alone, and no variable that names one', async (t) => {
  const { build } = await open(t);
  const { model } = inputs();
  const given = inputs({ script: undefined, model: { ...model, folder: 'iris' } });
  const { manifest, blob } = await build(given);
  assert.deepEqual(await filesIn(manifest.layers, blob), [
    'var/azureml-app/.strongroom/runtime.json',
    'var/azureml-app/azureml-models/credit/1/iris/model.json',
  ]);
  const { config } = await configOf(manifest, blob);
  assert.deepEqual(
    config.Env.map((each: string) => each.split('=')[0]).filter((name: string) => name.startsWith('AZUREML')),
    ['AZUREML_APP_ROOT', 'AZUREML_MODEL_DIR'],
  );
  assert.deepEqual(
    Object.keys(manifest.annotations).filter((name) => /code|script/.test(name)),
    [],
  );
  assert.equal(mlflowModelOf(given), '/var/azureml-app/azureml-models/credit/1/iris');
  assert.equal(mlflowModelOf(inputs()), undefined);
});
