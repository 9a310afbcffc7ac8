// Artifacts over the real door and sealed storage: reading, writing, listing, ranges, and every hostile path.

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { testGrant } from '#kernel/testing/authority';
import { containerScope } from '#storage';
import { everythingIn } from '../../storage/testing.ts';
import { client, grant, setUp, trackingPath, workspaceId } from '../testing.ts';
import { requireArtifactPath } from './paths.rules.ts';

after(() => closeScanPool());

async function opened(t: Parameters<typeof setUp>[0]) {
  const set = await setUp(t);
  const { url } = await set.openDoor();
  await set.runs.createRun(grant, workspaceId, { runId: 'r1', experimentId: '0' });
  const base = `${url}${trackingPath}/api/2.0/mlflow-artifacts`;
  const send = (
    method: string,
    path: string,
    body?: string | Uint8Array<ArrayBuffer>,
    headers: Record<string, string> = {},
  ) =>
    fetch(`${base}${path}`, {
      method,
      headers: { authorization: 'Bearer alice', ...headers },
      ...(body === undefined ? {} : { body }),
    });
  const list = async (path: string) =>
    ((await (await send('GET', `/artifacts?path=${encodeURIComponent(path)}`)).json()) as { files: unknown[] }).files;
  return { ...set, url, send, list, mlflow: client(url) };
}
const at = (path: string) => `/artifacts/0/r1/artifacts/${path}`;

test('a file is written, read, listed and removed, and is sealed on disk', async (t) => {
  const { send, list, mlflow, folder, audit } = await opened(t);
  const canary = 'canary-6c1f0f2e';
  assert.deepEqual(await (await send('PUT', at('model/data%20file.txt'), canary)).json(), {});
  assert.equal(audit.entries.at(-1)?.level, 'access');
  assert.equal(audit.entries.at(-1)?.intent.parameters['path'], '0/r1/artifacts/model/data file.txt');
  await send('PUT', at('top.txt'), 'x');
  const answer = await send('GET', at('model/data%20file.txt'));
  assert.equal(await answer.text(), canary);
  assert.equal(answer.headers.get('content-type'), 'application/octet-stream');
  assert.match(answer.headers.get('content-disposition') ?? '', /^attachment; filename\*=UTF-8''data%20file\.txt$/);
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');

  assert.deepEqual(await list('0/r1/artifacts'), [
    { path: 'model', is_dir: true },
    { path: 'top.txt', is_dir: false, file_size: 1 },
  ]);
  assert.deepEqual(await list('0/r1/artifacts/model'), [
    { path: 'data file.txt', is_dir: false, file_size: canary.length },
  ]);
  assert.deepEqual(await list('0/r1/artifacts/nothing'), []);
  const listed = await mlflow.get('/artifacts/list', { run_id: 'r1', path: 'model' });
  assert.deepEqual(listed.body, {
    root_uri: 'mlflow-artifacts:/0/r1/artifacts',
    files: [{ path: 'model/data file.txt', is_dir: false, file_size: canary.length }],
  });
  assert.ok((await everythingIn(folder)).every(({ bytes }) => !bytes.includes(canary)));

  assert.equal((await send('DELETE', at('model'))).status, 200);
  const gone = await send('GET', at('model/data%20file.txt'));
  assert.equal(gone.status, 404);
  assert.equal(((await gone.json()) as { error_code: string }).error_code, 'RESOURCE_DOES_NOT_EXIST');
  assert.equal((await list('0/r1/artifacts')).length, 1);
});

test('one range of bytes is served', async (t) => {
  const { send } = await opened(t);
  await send('PUT', at('f'), '0123456789');
  const range = async (value: string) => {
    const answer = await send('GET', at('f'), undefined, { range: value });
    return [answer.status, await answer.text(), answer.headers.get('content-range')];
  };
  assert.deepEqual(await range('bytes=2-4'), [206, '234', 'bytes 2-4/10']);
  assert.deepEqual(await range('bytes=7-'), [206, '789', 'bytes 7-9/10']);
  assert.deepEqual(await range('bytes=7-99'), [206, '789', 'bytes 7-9/10']);
  assert.equal((await range('bytes=-3'))[0], 200);
  assert.equal((await range('bytes=99-'))[0], 416);
  assert.equal((await range('bytes=5-2'))[0], 416);
});

test('an empty file and an upload of unknown length are kept as they are', async (t) => {
  const { send } = await opened(t);
  assert.equal((await send('PUT', at('empty'), '')).status, 200);
  const answer = await send('GET', at('empty'));
  assert.equal(answer.status, 200);
  assert.equal((await answer.arrayBuffer()).byteLength, 0);
});

test('multipart and presigned transfers are refused with 501, upon which clients send one piece', async (t) => {
  const { send } = await opened(t);
  const type = { 'content-type': 'application/json' };
  for (const verb of ['create', 'complete', 'abort'])
    assert.equal((await send('POST', `/mpu/${verb}/0/r1/artifacts/f`, '{}', type)).status, 501);
  const presigned = await send('GET', '/presigned/0/r1/artifacts/f');
  assert.equal(presigned.status, 501);
  assert.equal(((await presigned.json()) as { error_code: string }).error_code, 'NOT_IMPLEMENTED');
});

test('a path says the experiment that the run really belongs to, and a run or model that is there', async (t) => {
  const { send, mlflow } = await opened(t);
  await mlflow.post('/experiments/create', { name: 'other' });
  for (const path of ['1/r1/artifacts/f', '0/r2/artifacts/f', '0/models/m-1/artifacts/f'])
    assert.equal((await send('PUT', `/artifacts/${path}`, 'x')).status, 404, path);
  for (const path of ['0/r1/f', 'r1/artifacts/f', '00/r1/artifacts/f', '-1/r1/artifacts/f', '0/traces/t/artifacts/f'])
    assert.equal((await send('PUT', `/artifacts/${path}`, 'x')).status, 400, path);
  await mlflow.post('/runs/delete', { run_id: 'r1' });
  assert.equal((await send('PUT', at('f'), 'x')).status, 400);
});

test('a model that was logged has artifacts of its own', async (t) => {
  const { send, mlflow } = await opened(t);
  const made = await mlflow.post('/logged-models', { experiment_id: '0', name: 'm', source_run_id: 'r1' });
  const { model_id, artifact_uri } = (made.body['model'] as { info: Record<string, string> }).info;
  assert.equal(artifact_uri, `mlflow-artifacts:/0/models/${model_id}/artifacts`);
  const path = `/artifacts/0/models/${model_id}/artifacts/MLmodel`;
  assert.equal((await send('PUT', path, 'flavors: {}')).status, 200);
  assert.equal(await (await send('GET', path)).text(), 'flavors: {}');
  const listed = await mlflow.get(`/logged-models/${model_id}/artifacts/directories`);
  assert.deepEqual(listed.body, {
    root_uri: artifact_uri,
    files: [{ path: 'MLmodel', is_dir: false, file_size: 11 }],
  });
});

/** Decoded forms that lead elsewhere; each is also sent encoded once and twice. */
const hostile = [
  '../r2/f',
  'a/../../r2/f',
  '..',
  '.',
  'a/./b',
  '/etc/passwd',
  '//host/share',
  '//proc/self/root/etc/passwd',
  '..\\..\\f',
  'C:\\windows',
  'C:/windows',
  'file:///etc/passwd',
  'http://169.254.169.254/latest',
  'runs:/x',
  '~root/x',
  '... /x'.replace('...', '..'),
  'a/.. /b',
  'a/..../../b',
  '．．/x',
  'a／..／b',
  '..＼..＼f',
  '‥/x',
  '%2e%2e/x',
  '%252e%252e/x',
  '%2525252e%2525252e%2525252fx',
  `%${'25'.repeat(20)}2e`,
  '...',
  'x'.repeat(901),
  '\ud800',
];

/** Refused as they are; behind percent signs they are no more than names. */
const unfit = ['a//b', 'a\\b', 'a#b', 'a\u0000b', 'a\nb', 'a\tb', 'a\u007fb', 'a\u0085b', 'a\u202eb', 'a\ufeffb'];

test('every hostile path is refused where paths are read', () => {
  for (const path of [...hostile, ...unfit])
    assert.throws(() => requireArtifactPath(path), /Invalid path/, JSON.stringify(path));
});

test('plain paths are kept as they are', () => {
  const plain = [
    ...['a', 'a/b.c', 'a b/ü', 'a..b', '.hidden', '100%', '50%25', 'a?b;c=d&e', 'x/~y', 'x/model:v1', 'c:f', 'C:x.txt'],
    ...['ファイル＃１.csv', '全角：１／２', 'a＼b', '％', 'ﬁ.bin', '😀'.repeat(900)],
    // As `log_image` of clients before 2025 names its files, whatever their random part begins with.
    ...['00', '0a', '1f', '2f', '5c', '7f', '85', '25'].map((hex) => `loss%step%10%timestamp%17%${hex}d3e9.png`),
    ...unfit.map((path) => encodeURIComponent(path)),
  ];
  for (const path of plain) assert.equal(requireArtifactPath(path), path);
  assert.equal(requireArtifactPath('folder/'), 'folder');
});

test('every hostile path is refused at the door, raw, encoded and doubly encoded, by every verb, and nothing is touched', async (t) => {
  const { url, list, send } = await opened(t);
  await send('PUT', at('kept'), 'x');
  const { hostname, port } = new URL(url);
  // Straight to the socket: fetch would tidy the path first.
  const raw = (method: string, path: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const sent = request({ hostname, port, method, path, headers: { authorization: 'Bearer alice' } }, (answer) => {
        answer.resume();
        answer.on('end', () => resolve(answer.statusCode ?? 0));
      });
      sent.on('error', reject);
      sent.end(method === 'PUT' ? 'evil' : undefined);
    });
  const prefix = `${trackingPath}/api/2.0/mlflow-artifacts`;
  for (const path of unfit) {
    const form = encodeURIComponent(path);
    for (const method of ['GET', 'PUT', 'DELETE'])
      assert.equal(await raw(method, `${prefix}/artifacts/0/r1/artifacts/${form}`), 400, `${method} ${form}`);
    assert.equal(await raw('GET', `${prefix}/artifacts?path=0/r1/artifacts/${form}`), 400, form);
  }
  const well = hostile.filter((path) => path.isWellFormed());
  for (const path of well) {
    const once = encodeURIComponent(path);
    for (const form of new Set([once, encodeURIComponent(once), once.replaceAll('%2F', '/')])) {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const status = await raw(method, `${prefix}/artifacts/0/r1/artifacts/${form}`);
        // A name that ends in nothing leaves the path of the folder: 400 as well.
        assert.ok(status === 400 || status === 404, `${method} ${form}: ${status}`);
      }
      const listed = await raw('GET', `${prefix}/artifacts?path=0/r1/artifacts/${form}`);
      assert.equal(listed, 400, `list ${form}`);
      assert.equal(await raw('GET', `${trackingPath}/api/2.0/mlflow/artifacts/list?run_id=r1&path=${form}`), 400, form);
    }
  }
  assert.deepEqual(await list('0/r1/artifacts'), [{ path: 'kept', is_dir: false, file_size: 1 }]);
});

test('names are data: what they could be read as elsewhere is kept and comes back as it was sent', async (t) => {
  const { send, list } = await opened(t);
  const names = ['ファイル＃１.csv', 'C:x.txt', 'loss%step%10%timestamp%17%8d.png', 'a%00b', 'é', 'e\u0301'];
  for (const name of names) assert.equal((await send('PUT', at(encodeURIComponent(name)), name)).status, 200, name);
  for (const name of names) assert.equal(await (await send('GET', at(encodeURIComponent(name)))).text(), name);
  assert.deepEqual(
    (await list('0/r1/artifacts')).map((file) => (file as { path: string }).path).toSorted(),
    names.toSorted(),
  );
});

test("a file never takes a folder's name nor a folder a file's, one after the other or at once", async (t) => {
  const { send, list, runs } = await opened(t);
  const put = async (path: string) => (await send('PUT', at(path), path)).status;
  assert.equal(await put('out/plots/a.txt'), 200);
  const refused = await send('PUT', at('out/plots'), 'x');
  assert.equal(refused.status, 400);
  assert.match(((await refused.json()) as { message: string }).message, /'out\/plots' is a folder/);
  assert.equal(await put('out'), 400);
  assert.equal(await put('out/plots/a.txt/b/c.txt'), 400);
  assert.equal(await put('out/plots/a.txt'), 200, 'a file is written again');
  assert.equal(await put('out/plots-2'), 200);
  // As jobs and other modules put them.
  const inProcess = (path: string) => runs.putArtifact(grant, workspaceId, 'r1', path, Buffer.from('x'));
  await assert.rejects(inProcess('out/plots'), /is a folder/);
  await assert.rejects(inProcess('out/plots/a.txt/b'), /is a file/);
  assert.deepEqual(await list('0/r1/artifacts/out'), [
    { path: 'plots', is_dir: true },
    { path: 'plots-2', is_dir: false, file_size: 11 },
  ]);

  for (let round = 0; round < 10; round++) {
    const both = await Promise.all([put(`race${round}`), put(`race${round}/below`), put(`race${round}/deep/er`)]);
    assert.ok(both.filter((status) => status === 200).length >= 1, String(both));
    const found = (await list('0/r1/artifacts')).filter((file) => (file as { path: string }).path === `race${round}`);
    assert.equal(found.length, 1, `${both}: ${JSON.stringify(found)}`);
  }
  assert.equal((await send('DELETE', at('out/plots'))).status, 200);
  assert.equal(await put('out/plots'), 200, 'what is gone holds no name');
});

test('data from before names were kept apart can still be downloaded, file and folder', async (t) => {
  const { send, list, blobs, container } = await opened(t);
  const as = testGrant({ scope: containerScope(container) });
  const old = (path: string) =>
    blobs.put(as, { ...container, name: `ExperimentRun/dcid.r1/${path}` }, Buffer.from(path), { maxBytes: 100 });
  for (const path of ['out/plots', 'out/plots/a.txt', 'out/plots.csv']) await old(path);
  assert.deepEqual(await list('0/r1/artifacts/out'), [
    { path: 'plots', is_dir: true },
    { path: 'plots.csv', is_dir: false, file_size: 13 },
  ]);
  assert.equal(await (await send('GET', at('out/plots'))).text(), 'out/plots');
  assert.equal(await (await send('GET', at('out/plots/a.txt'))).text(), 'out/plots/a.txt');
  // The folder sorts a page behind the file.
  await old('many/x');
  for (let index = 0; index < 1001; index += 91)
    await Promise.all(Array.from({ length: 91 }, (_, more) => old(`many/x-${String(index + more).padStart(4, '0')}`)));
  await old('many/x/y');
  const many = (await list('0/r1/artifacts/many')) as { path: string; is_dir: boolean }[];
  assert.deepEqual(
    many.filter(({ path }) => path === 'x'),
    [{ path: 'x', is_dir: true }],
  );
});
