import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { testGrant } from '#kernel/testing/authority';
import { mediaTypes } from './index.ts';
import { codesIn, descriptor, digestOf, everythingIn, manifestOf, openDoor, pushBlob, type Send } from './testing.ts';
import { uploadLimits } from './uploads.service.ts';

const config = '{"os":"linux"}';
const layer = 'the content of a layer';
const manifestType = { 'content-type': mediaTypes.ociManifest };

async function pushImage(send: Send, name: string, tag: string, more: object = {}) {
  await pushBlob(send, name, config);
  await pushBlob(send, name, layer);
  const bytes = manifestOf(config, [layer], more);
  const reply = await send('PUT', `/v2/${name}/manifests/${tag}`, { headers: manifestType, body: bytes });
  assert.equal(reply.status, 201, reply.body.toString());
  return { bytes, digest: digestOf(bytes), reply };
}

async function begin(send: Send, name: string): Promise<string> {
  const reply = await send('POST', `/v2/${name}/blobs/uploads/`);
  assert.equal(reply.status, 202);
  assert.equal(reply.headers.range, '0-0');
  return reply.headers.location ?? '';
}

test('a blob that was pushed at once is pulled whole, in ranges, and asked for by HEAD', async (t) => {
  const { send } = await openDoor(t);
  const digest = await pushBlob(send, 'reg01/team/image', layer);
  const path = `/v2/reg01/team/image/blobs/${digest}`;
  const whole = await send('GET', path);
  assert.equal(whole.status, 200);
  assert.equal(whole.body.toString(), layer);
  assert.equal(whole.headers['docker-content-digest'], digest);
  const head = await send('HEAD', path);
  assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, String(layer.length), 0]);
  const part = await send('GET', path, { headers: { range: 'bytes=4-6' } });
  assert.deepEqual(
    [part.status, part.body.toString(), part.headers['content-range']],
    [206, layer.slice(4, 7), `bytes 4-6/${layer.length}`],
  );
  const rest = await send('GET', path, { headers: { range: 'bytes=4-' } });
  assert.equal(rest.body.toString(), layer.slice(4));
  const behind = await send('GET', path, { headers: { range: `bytes=${layer.length}-` } });
  assert.deepEqual([behind.status, behind.headers['content-range']], [416, `bytes */${layer.length}`]);
  const other = await send('GET', `/v2/reg01/team/other/blobs/${digest}`);
  assert.deepEqual([other.status, codesIn(other)], [404, ['BLOB_UNKNOWN']]);
});

test('a blob arrives by POST and PUT, empty blobs too', async (t) => {
  const { send } = await openDoor(t);
  for (const content of [layer, '']) {
    const location = await begin(send, 'reg01/a');
    const done = await send('PUT', `${location}?digest=${digestOf(content)}`, { body: content });
    assert.equal(done.status, 201);
    const pulled = await send('GET', done.headers.location ?? '');
    assert.deepEqual([pulled.status, pulled.body.toString()], [200, content]);
    assert.equal((await send('GET', location)).status, 404);
  }
});

test('a blob arrives in chunks, in order only, and its digest is that of the whole', async (t) => {
  const { send } = await openDoor(t);
  const location = await begin(send, 'reg01/a');
  const chunk = (start: number, end: number, headers = {}) =>
    send('PATCH', location, {
      body: layer.slice(start, end + 1),
      headers: { 'content-range': `${start}-${end}`, ...headers },
    });
  const early = await chunk(5, 9);
  assert.deepEqual([early.status, codesIn(early)], [416, ['BLOB_UPLOAD_INVALID']]);
  const first = await chunk(0, 4);
  assert.deepEqual([first.status, first.headers.range], [202, '0-4']);
  const again = await chunk(0, 4);
  assert.deepEqual([again.status, again.headers.range], [416, '0-4']);
  const short = await chunk(5, 9, { 'content-range': '5-30' });
  assert.deepEqual([short.status, codesIn(short)], [400, ['SIZE_INVALID']]);
  assert.equal((await chunk(5, 9)).status, 202);
  const status = await send('GET', location);
  assert.deepEqual([status.status, status.headers.range, status.headers.location], [204, '0-9', location]);
  const body = layer.slice(10);
  const done = await send('PUT', `${location}?digest=${digestOf(layer)}`, {
    body,
    headers: { 'content-range': `10-${layer.length - 1}` },
  });
  assert.equal(done.status, 201);
  const pulled = await send('GET', done.headers.location ?? '', { headers: { range: 'bytes=3-12' } });
  assert.equal(pulled.body.toString(), layer.slice(3, 13));
});

test('an upload that ends with another digest, is cancelled, or is left for an hour leaves nothing', async (t) => {
  const { send, clock, module } = await openDoor(t);
  const wrong = await begin(send, 'reg01/a');
  const refused = await send('PUT', `${wrong}?digest=${digestOf('other')}`, { body: layer });
  assert.deepEqual([refused.status, codesIn(refused)], [400, ['DIGEST_INVALID']]);
  const cancelled = await begin(send, 'reg01/a');
  assert.equal((await send('DELETE', cancelled)).status, 204);
  const left = await begin(send, 'reg01/a');
  assert.equal((await send('PATCH', left, { body: layer })).status, 202);
  await clock.advance(61 * 60 * 1000);
  await module.sweepUploads();
  for (const location of [wrong, cancelled, left]) {
    const reply = await send('GET', location);
    assert.deepEqual([reply.status, codesIn(reply)], [404, ['BLOB_UPLOAD_UNKNOWN']]);
  }
  assert.equal((await send('HEAD', `/v2/reg01/a/blobs/${digestOf(layer)}`)).status, 404);
});

test('an upload of one repository is unknown in another', async (t) => {
  const { send } = await openDoor(t);
  const location = await begin(send, 'reg01/a');
  const reply = await send('PATCH', location.replace('/reg01/a/', '/reg01/b/'), { body: layer });
  assert.deepEqual([reply.status, codesIn(reply)], [404, ['BLOB_UPLOAD_UNKNOWN']]);
});

test('a blob is mounted from a repository that the caller may pull, and uploaded otherwise', async (t) => {
  const allowed = (action: string, scope: string) => !(action.endsWith('/pull/read') && scope.endsWith(':secret'));
  const { send, addRegistry } = await openDoor(t, allowed);
  await addRegistry('Reg02');
  const digest = await pushBlob(send, 'reg01/team/open', layer);
  const hidden = await pushBlob(send, 'reg01/team/secret', 'hidden');
  const mount = (to: string, from: string, what: string) =>
    send('POST', `/v2/${to}/blobs/uploads/?mount=${what}&from=${from}`);
  const mounted = await mount('reg01/b', 'reg01/team/open', digest);
  assert.deepEqual([mounted.status, mounted.headers.location], [201, `/v2/reg01/b/blobs/${digest}`]);
  assert.equal((await send('GET', `/v2/reg01/b/blobs/${digest}`)).body.toString(), layer);
  for (const [to, from, what] of [
    ['reg01/b', 'reg01/team/secret', hidden],
    ['reg01/b', 'reg01/nothing', digest],
    ['reg02/b', 'reg01/team/open', digest],
    ['reg01/b', 'reg09/a', digest],
  ] as const)
    assert.equal((await mount(to, from, what)).status, 202, `${to} from ${from}`);
  assert.equal((await send('HEAD', `/v2/reg01/b/blobs/${hidden}`)).status, 404);
});

test('a manifest is put and got by tag and by digest, with its type', async (t) => {
  const { send } = await openDoor(t);
  const { bytes, digest, reply } = await pushImage(send, 'reg01/a', 'v1');
  assert.equal(reply.headers.location, `/v2/reg01/a/manifests/${digest}`);
  for (const reference of ['v1', digest]) {
    const got = await send('GET', `/v2/reg01/a/manifests/${reference}`);
    assert.deepEqual(
      [got.status, got.headers['content-type'], got.headers['docker-content-digest']],
      [200, mediaTypes.ociManifest, digest],
    );
    assert.deepEqual(got.body, bytes);
    const head = await send('HEAD', `/v2/reg01/a/manifests/${reference}`);
    assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, String(bytes.length), 0]);
  }
  for (const reference of ['v2', '.INVALID', digestOf('none')]) {
    const missing = await send('GET', `/v2/reg01/a/manifests/${reference}`);
    assert.deepEqual([missing.status, codesIn(missing)], [404, ['MANIFEST_UNKNOWN']]);
  }
});

test('a manifest is refused when what it names is missing, or it is not what it says', async (t) => {
  const { send } = await openDoor(t);
  await pushBlob(send, 'reg01/a', config);
  const put = (body: Buffer | string, reference = 'v1', type: string = mediaTypes.ociManifest) =>
    send('PUT', `/v2/reg01/a/manifests/${reference}`, { headers: { 'content-type': type }, body });
  const cases: readonly (readonly [
    string,
    Promise<{ status: number; body: Buffer; headers: object }>,
    number,
    string,
  ])[] = [
    ['missing layer', put(manifestOf(config, [layer])), 404, 'MANIFEST_BLOB_UNKNOWN'],
    ['not JSON', put('{'), 400, 'MANIFEST_INVALID'],
    ['not an object', put('[]'), 400, 'MANIFEST_INVALID'],
    ['version 1', put(manifestOf(config, [], { schemaVersion: 1 })), 400, 'MANIFEST_INVALID'],
    ['two kinds at once', put(manifestOf(config, [], { manifests: [] })), 400, 'MANIFEST_INVALID'],
    [
      'another type inside',
      put(manifestOf(config, [], { mediaType: mediaTypes.dockerManifest })),
      400,
      'MANIFEST_INVALID',
    ],
    [
      'another size',
      put(manifestOf(config, [], { config: { ...descriptor(config), size: 1 } })),
      400,
      'MANIFEST_INVALID',
    ],
    [
      'sha512',
      put(manifestOf(config, [], { config: { ...descriptor(config), digest: `sha512:${'0'.repeat(128)}` } })),
      400,
      'MANIFEST_INVALID',
    ],
    ['unknown type', put(manifestOf(config, []), 'v1', 'application/json'), 415, 'MANIFEST_INVALID'],
    ['another digest', put(manifestOf(config, []), digestOf('other')), 400, 'DIGEST_INVALID'],
    ['sha512 reference', put(manifestOf(config, []), `sha512:${'0'.repeat(128)}`), 400, 'DIGEST_INVALID'],
    ['no tag', put(manifestOf(config, []), '-v1'), 400, 'MANIFEST_INVALID'],
    ['prototype', put(`{"__proto__":{},${manifestOf(config, []).toString().slice(1)}`), 400, 'MANIFEST_INVALID'],
    ['too many layers', put(manifestOf(config, Array<string>(1001).fill(config))), 400, 'MANIFEST_INVALID'],
    ['deep', put(`${'['.repeat(100_000)}${']'.repeat(100_000)}`), 400, 'MANIFEST_INVALID'],
    ['large', put(Buffer.alloc(4 * 1024 * 1024 + 1, 32)), 413, 'SIZE_INVALID'],
    [
      'missing child',
      put(indexOf([descriptor('none', mediaTypes.ociManifest)]), 'v1', mediaTypes.ociIndex),
      404,
      'MANIFEST_BLOB_UNKNOWN',
    ],
  ];
  for (const [name, answer, status, expected] of cases) {
    const reply = await answer;
    assert.deepEqual([reply.status, codesIn(reply as never)], [status, [expected]], name);
  }
  assert.equal((await send('GET', '/v2/reg01/a/tags/list')).status, 404);
});

const indexOf = (manifests: readonly object[], more: object = {}) =>
  Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests, ...more }));

test('an index lists manifests that are there, of any of the four types', async (t) => {
  const { send } = await openDoor(t);
  const { bytes } = await pushImage(send, 'reg01/a', 'v1');
  const index = indexOf([descriptor(bytes, mediaTypes.ociManifest)]);
  const put = (type: string, body: Buffer, tag: string) =>
    send('PUT', `/v2/reg01/a/manifests/${tag}`, { headers: { 'content-type': type }, body });
  assert.equal((await put(mediaTypes.ociIndex, index, 'all')).status, 201);
  const docker = manifestOf(config, [layer], { mediaType: mediaTypes.dockerManifest });
  assert.equal((await put(mediaTypes.dockerManifest, docker, 'docker')).status, 201);
  const list = indexOf([descriptor(docker, mediaTypes.dockerManifest)], { mediaType: mediaTypes.dockerList });
  assert.equal((await put(mediaTypes.dockerList, list, 'list')).status, 201);
  const child = await send('DELETE', `/v2/reg01/a/manifests/${digestOf(bytes)}`);
  assert.deepEqual([child.status, codesIn(child)], [405, ['UNSUPPORTED']]);
  assert.equal((await send('DELETE', `/v2/reg01/a/manifests/${digestOf(index)}`)).status, 202);
  assert.equal((await send('DELETE', `/v2/reg01/a/manifests/${digestOf(bytes)}`)).status, 202);
});

test('tags are listed in order and in pages', async (t) => {
  const { send } = await openDoor(t);
  for (const tag of ['v2', 'v10', 'latest', 'A']) await pushImage(send, 'reg01/team/image', tag);
  const list = async (query: string) => {
    const reply = await send('GET', `/v2/reg01/team/image/tags/list${query}`);
    assert.equal(reply.status, 200);
    const { name, tags } = JSON.parse(reply.body.toString()) as { name: string; tags: string[] };
    assert.equal(name, 'reg01/team/image');
    return { tags, link: reply.headers.link };
  };
  assert.deepEqual(await list(''), { tags: ['A', 'latest', 'v10', 'v2'], link: undefined });
  const first = await list('?n=3');
  assert.deepEqual(first.tags, ['A', 'latest', 'v10']);
  assert.equal(first.link, '</v2/reg01/team/image/tags/list?n=3&last=v10>; rel="next"');
  assert.deepEqual(await list('?n=3&last=v10'), { tags: ['v2'], link: undefined });
  assert.deepEqual((await list('?n=0')).tags, []);
  assert.equal((await send('GET', '/v2/reg01/team/image/tags/list?n=-1')).status, 400);
  const missing = await send('GET', '/v2/reg01/none/tags/list');
  assert.deepEqual([missing.status, codesIn(missing)], [404, ['NAME_UNKNOWN']]);
});

test('deleting a tag leaves the manifest, deleting the manifest takes its tags, and blobs go after it', async (t) => {
  const { send } = await openDoor(t);
  const { digest } = await pushImage(send, 'reg01/a', 'v1');
  await pushImage(send, 'reg01/a', 'v2');
  assert.equal((await send('DELETE', '/v2/reg01/a/manifests/v1')).status, 202);
  assert.equal((await send('GET', '/v2/reg01/a/manifests/v1')).status, 404);
  assert.equal((await send('GET', `/v2/reg01/a/manifests/${digest}`)).status, 200);
  const blob = `/v2/reg01/a/blobs/${digestOf(layer)}`;
  const needed = await send('DELETE', blob);
  assert.deepEqual([needed.status, codesIn(needed)], [405, ['UNSUPPORTED']]);
  assert.equal((await send('DELETE', `/v2/reg01/a/manifests/${digest}`)).status, 202);
  assert.equal((await send('GET', '/v2/reg01/a/manifests/v2')).status, 404);
  assert.equal((await send('DELETE', `/v2/reg01/a/manifests/${digest}`)).status, 404);
  assert.equal((await send('DELETE', blob)).status, 202);
  assert.equal((await send('GET', blob)).status, 404);
  assert.equal((await send('DELETE', blob)).status, 404);
});

test('referrers are listed with their type and annotations, and none is an empty index', async (t) => {
  const { send } = await openDoor(t);
  const { bytes, digest } = await pushImage(send, 'reg01/a', 'v1');
  const subject = descriptor(bytes, mediaTypes.ociManifest);
  const refer = async (artifactType: string, note: string) => {
    const body = manifestOf(config, [], { subject, artifactType, annotations: { note } });
    const reply = await send('PUT', `/v2/reg01/a/manifests/${digestOf(body)}`, { headers: manifestType, body });
    assert.deepEqual([reply.status, reply.headers['oci-subject']], [201, digest]);
    return { ...descriptor(body, mediaTypes.ociManifest), artifactType, annotations: { note } };
  };
  const made = [await refer('application/a.one', 'x'), await refer('application/b.two', 'y')];
  const list = async (query: string) => {
    const reply = await send('GET', `/v2/reg01/a/referrers/${query}`);
    assert.deepEqual([reply.status, reply.headers['content-type']], [200, mediaTypes.ociIndex]);
    return { ...(JSON.parse(reply.body.toString()) as { manifests: { digest: string }[] }), headers: reply.headers };
  };
  const sorted = [...made].sort((a, b) => (a.digest < b.digest ? -1 : 1));
  assert.deepEqual((await list(digest)).manifests, sorted);
  const filtered = await list(`${digest}?artifactType=application/b.two`);
  assert.deepEqual([filtered.manifests, filtered.headers['oci-filters-applied']], [[made[1]], 'artifactType']);
  const page = await list(`${digest}?n=1`);
  assert.equal(page.manifests.length, 1);
  assert.deepEqual(
    (await list(/<\/v2\/reg01\/a\/referrers\/(.*)>/.exec(String(page.headers.link))?.[1] ?? '')).manifests,
    sorted.slice(1),
  );
  assert.deepEqual((await list(digestOf('none'))).manifests, []);
  assert.equal((await send('GET', '/v2/reg01/a/referrers/none')).status, 400);
});

test('the catalog shows what the caller may pull, over all registries and in pages', async (t) => {
  const { send, addRegistry } = await openDoor(t, (_action, scope) => scope !== '/' && !scope.includes('secret'));
  await addRegistry('Other');
  for (const name of ['reg01/b', 'reg01/a/c', 'other/z']) await pushImage(send, name, 'v1');
  const list = async (query = '') =>
    JSON.parse((await send('GET', `/v2/_catalog${query}`)).body.toString()) as { repositories: string[] };
  assert.deepEqual((await list()).repositories, ['other/z', 'reg01/a/c', 'reg01/b']);
  assert.deepEqual((await list('?n=2')).repositories, ['other/z', 'reg01/a/c']);
  assert.deepEqual((await list('?n=2&last=reg01/a/c')).repositories, ['reg01/b']);
});

test('paths with names that none can have are refused before anything is decided', async (t) => {
  const { send, audit } = await openDoor(t);
  for (const name of [
    'reg01/A',
    'reg01/a:b',
    'reg01/a%2F..%2Fb',
    'reg01/a%252Fb',
    'reg01/a%5Cb',
    'REG01/a',
    'reg01',
    `reg01/${'a'.repeat(255)}`,
    'reg01/a..b',
    'reg01/%E2%82%AC',
  ]) {
    const reply = await send('GET', `/v2/${name}/manifests/v1`);
    assert.deepEqual([reply.status, codesIn(reply)], [400, ['NAME_INVALID']], name);
  }
  assert.ok(audit.entries.every((entry) => entry.level === 'refused'));
  // Azure's clients encode the slashes of a name, and mean slashes.
  await pushImage(send, 'reg01/team/image', 'v1');
  assert.equal((await send('GET', '/v2/reg01%2Fteam%2Fimage/manifests/v1')).status, 200);
  const blob = await send('GET', '/v2/reg01/a/blobs/sha512:00');
  assert.deepEqual([blob.status, codesIn(blob)], [400, ['DIGEST_INVALID']]);
  for (const path of ['/v2/reg01', '/v2/reg01/a/unknown', '/v2/reg01/a/tags/more'])
    assert.equal((await send('GET', path)).status, 404);
  const method = await send('PUT', `/v2/reg01/a/blobs/${digestOf('x')}`);
  assert.deepEqual([method.status, codesIn(method)], [405, ['UNSUPPORTED']]);
});

test('a repository may be called like a word of the protocol', async (t) => {
  const { send } = await openDoor(t);
  for (const name of ['reg01/blobs', 'reg01/manifests/tags', 'reg01/blobs/uploads', 'reg01/tags/list', 'reg01/token']) {
    await pushImage(send, name, 'v1');
    assert.equal((await send('GET', `/v2/${name}/manifests/v1`)).status, 200, name);
    assert.equal((await send('GET', `/v2/${name}/tags/list`)).status, 200, name);
  }
});

test('a registry that there is not is unknown to those who may ask, and every request is recorded', async (t) => {
  const { send, audit } = await openDoor(t);
  const reply = await send('POST', '/v2/none1/a/blobs/uploads/');
  assert.deepEqual([reply.status, codesIn(reply)], [404, ['NAME_UNKNOWN']]);
  const entry = audit.entries.at(-1);
  assert.equal(entry?.intent.scope, '/providers/Microsoft.ContainerRegistry/registries/none1/repositories/a');
  assert.equal(entry?.outcome?.status, 404);
});

test('an upload that a crash cut off leaves no file behind, and what was committed stays', async (t) => {
  const { send, restart, id, folder } = await openDoor(t);
  const { digest } = await pushImage(send, 'reg01/a', 'v1');
  const location = await begin(send, 'reg01/a');
  assert.equal((await send('PATCH', location, { body: 'a piece' })).status, 202);
  const files = async () => (await everythingIn(folder)).filter((file) => file.path.includes('/blobs/')).length;
  assert.equal(await files(), 3);
  const { registry } = await restart();
  const grant = testGrant({ scope: id });
  assert.equal((await registry.getManifest(grant, id, 'a', 'v1')).digest, digest);
  const { stream } = await registry.openBlob(grant, id, 'a', digestOf(layer));
  assert.equal(Buffer.concat(await stream.toArray()).toString(), layer);
  assert.equal(await files(), 2);
});

test('an upload does not go on in a registry that was made anew', async (t) => {
  const { send, kind, entry, addRegistry } = await openDoor(t);
  const location = await begin(send, 'reg01/a');
  assert.equal((await send('PATCH', location, { body: layer })).status, 202);
  await kind.remove?.(testGrant(), entry);
  await addRegistry('Reg01');
  const reply = await send('PUT', `${location}?digest=${digestOf(layer)}`);
  assert.deepEqual([reply.status, codesIn(reply)], [404, ['BLOB_UPLOAD_UNKNOWN']]);
  await pushBlob(send, 'reg01/a', layer);
});

test('who reads a blob that is deleted meanwhile reads it to its end', async (t) => {
  const { registry, id, folder } = await openDoor(t);
  const grant = testGrant({ scope: id });
  const large = Buffer.alloc(6_000_000, 5);
  const bytes = manifestOf('{}', [], { layers: [descriptor(large)] });
  await registry.pushBlob(grant, id, 'a', large);
  await registry.pushBlob(grant, id, 'a', Buffer.from('{}'));
  const { digest } = await registry.putManifest(grant, id, 'a', 'v1', mediaTypes.ociManifest, bytes);
  const { stream } = await registry.openBlob(grant, id, 'a', digestOf(large));
  await registry.removeManifest(grant, id, 'a', digest);
  await registry.removeBlob(grant, id, 'a', digestOf(large));
  assert.equal(await registry.hasBlob(grant, id, 'a', digestOf(large)), false);
  assert.deepEqual(Buffer.concat(await stream.toArray()), large);
  assert.equal(
    (await everythingIn(folder)).filter((file) => file.path.includes('/blobs/') && file.bytes.length > 1_000_000)
      .length,
    0,
  );
});

test('a caller has a bounded number of uploads open', async (t) => {
  const { send } = await openDoor(t);
  for (let count = 0; count < uploadLimits.perCaller; count++) await begin(send, 'reg01/a');
  const reply = await send('POST', '/v2/reg01/a/blobs/uploads/');
  assert.deepEqual([reply.status, codesIn(reply)], [429, ['TOOMANYREQUESTS']]);
});

test('a piece that breaks off is forgotten, and the upload goes on where it was', async (t) => {
  const { send, port } = await openDoor(t);
  const location = await begin(send, 'reg01/a');
  assert.equal((await send('PATCH', location, { body: layer.slice(0, 5) })).status, 202);
  const headers = { host: 'localhost:8443', authorization: 'Bearer test', 'content-length': '1000000' };
  const broken = request({ host: '127.0.0.1', port, method: 'PATCH', path: location, headers });
  await new Promise((resolve) => {
    broken.once('error', resolve);
    broken.once('close', resolve);
    broken.write(Buffer.alloc(500_000), () => broken.destroy());
  });
  const rest = layer.slice(5);
  // The server learns of the broken connection when it does; until then the upload is busy.
  let done = await send('PUT', `${location}?digest=${digestOf(layer)}`, { body: rest });
  for (let tries = 0; done.status === 409 && tries < 1000; tries++)
    done = await send('PUT', `${location}?digest=${digestOf(layer)}`, { body: rest });
  assert.equal(done.status, 201, done.body.toString());
  assert.equal((await send('GET', done.headers.location ?? '')).body.toString(), layer);
});

test('pieces of uploads that nobody finishes count against the quota; what is beyond it is DENIED, and deleting gives back', async (t) => {
  const mebibyte = 1024 * 1024;
  const quotas = { limitOf: () => 4.5 * mebibyte, refused: () => {} };
  const { send, module, id } = await openDoor(t, undefined, quotas);
  const used = () => module.used(testGrant({ scope: id }), id);
  let pieces = 0;
  const piece = () => Buffer.alloc(mebibyte, `${++pieces}.`);
  const locations: string[] = [];
  const statuses: number[] = [];
  for (let i = 0; i < 8; i++) {
    const location = await begin(send, 'reg01/a');
    locations.push(location);
    const reply = await send('PATCH', location, { body: piece() });
    statuses.push(reply.status);
    if (reply.status !== 202) assert.deepEqual([reply.status, codesIn(reply)], [507, ['DENIED']]);
  }
  assert.deepEqual(statuses, [202, 202, 202, 202, 507, 507, 507, 507]);
  assert.ok((await used()) <= quotas.limitOf());
  for (const location of locations) assert.equal((await send('DELETE', location)).status, 204);
  assert.ok((await used()) < mebibyte);
  const content = piece();
  const digest = await pushBlob(send, 'reg01/a', content);
  // The same layer in another repository is there once.
  await pushBlob(send, 'reg01/b', content);
  assert.ok((await used()) < 1.5 * mebibyte);
  for (const name of ['a', 'b']) assert.equal((await send('DELETE', `/v2/reg01/${name}/blobs/${digest}`)).status, 202);
  assert.ok((await used()) < mebibyte / 2);
});
