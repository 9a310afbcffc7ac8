import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Reply, Send } from '../storage/ground.fixture.ts';
import { mediaTypes } from './index.ts';
import { codesIn, digestOf, manifestOf, openDoor, pushBlob } from './testing.ts';

const config = '{"os":"linux"}';
const layer = 'the content of a layer';

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at member by member.
const bodyOf = (reply: Reply): any => JSON.parse(reply.body.toString());

async function push(send: Send, name: string, tag: string, note = tag): Promise<string> {
  await pushBlob(send, name, config);
  await pushBlob(send, name, layer);
  const body = manifestOf(config, [layer], { annotations: { note } });
  const reply = await send('PUT', `/v2/${name}/manifests/${tag}`, {
    body,
    headers: { 'content-type': mediaTypes.ociManifest },
  });
  assert.equal(reply.status, 201, reply.body.toString());
  return digestOf(body);
}

const open = { deleteEnabled: true, writeEnabled: true, readEnabled: true, listEnabled: true };

/** Every page, by its links. */
async function pagesOf(send: Send, path: string): Promise<readonly unknown[]> {
  const pages: unknown[] = [];
  for (let next: string | undefined = path; next !== undefined; ) {
    const reply = await send('GET', next);
    assert.equal(reply.status, 200, reply.body.toString());
    pages.push(bodyOf(reply));
    next = /^<([^>]+)>; rel="next"$/.exec(String(reply.headers['link'] ?? ''))?.[1];
  }
  return pages;
}

test('a repository, its tags and its manifests are told with their times, sizes and counts', async (t) => {
  const { send, clock } = await openDoor(t);
  const first = new Date(clock.epochMs()).toISOString();
  const one = await push(send, 'reg01/team/app', 'v1');
  await push(send, 'reg01/team/app', 'again', 'v1');
  await clock.advance(60_000);
  const later = new Date(clock.epochMs()).toISOString();
  const two = await push(send, 'reg01/team/app', 'v2');
  await push(send, 'reg01/team/app', 'again', 'v2');
  const named = { registry: 'localhost:8443', imageName: 'reg01/team/app' };
  assert.deepEqual(bodyOf(await send('GET', '/acr/v1/reg01/team/app')), {
    ...named,
    createdTime: first,
    lastUpdateTime: later,
    manifestCount: 2,
    tagCount: 3,
    changeableAttributes: open,
  });
  const tag = (name: string, digest: string, createdTime: string, lastUpdateTime: string) => ({
    ...{ name, digest, createdTime, lastUpdateTime, signed: false, changeableAttributes: open },
  });
  const tags = [tag('again', two, first, later), tag('v1', one, first, first), tag('v2', two, later, later)];
  assert.deepEqual(bodyOf(await send('GET', '/acr/v1/reg01/team/app/_tags')), { ...named, tags });
  assert.deepEqual(bodyOf(await send('GET', '/acr/v1/reg01/team/app/_tags/again')), { ...named, tag: tags[0] });
  const ofOne = bodyOf(await send('GET', `/acr/v1/reg01/team/app/_tags?digest=${two}`)) as { tags: unknown[] };
  assert.deepEqual(ofOne.tags, [tags[0], tags[2]]);
  const manifest = {
    digest: two,
    imageSize: config.length + layer.length,
    createdTime: later,
    lastUpdateTime: later,
    mediaType: mediaTypes.ociManifest,
    tags: ['again', 'v2'],
    changeableAttributes: open,
  };
  for (const reference of [two, 'v2'])
    assert.deepEqual(bodyOf(await send('GET', `/acr/v1/reg01/team/app/_manifests/${reference}`)), {
      ...named,
      manifest,
    });
  const listed = bodyOf(await send('GET', '/acr/v1/reg01/team/app/_manifests')) as { manifests: { digest: string }[] };
  assert.deepEqual(
    listed.manifests.map(({ digest }) => digest),
    [one, two].sort(),
  );
});

test('lists come by name and by time, in pages that meet', async (t) => {
  const { send, clock } = await openDoor(t);
  const names = ['c', 'a', 'e', 'b', 'd'];
  const digests: string[] = [];
  for (const [at, name] of names.entries()) {
    digests.push(await push(send, 'reg01/a', name));
    // Two at one moment: their names decide.
    if (at !== 1) await clock.advance(1000);
  }
  const orders = {
    '': [...names].sort(),
    none: [...names].sort(),
    timeasc: ['c', 'a', 'b', 'e', 'd'],
    timedesc: ['d'],
  };
  const asc = ['c', 'a', 'e', 'b', 'd'];
  orders.timeasc = asc;
  orders.timedesc = [...asc].reverse();
  for (const [orderby, expected] of Object.entries(orders)) {
    const query = `n=2${orderby === '' ? '' : `&orderby=${orderby}`}`;
    const pages = (await pagesOf(send, `/acr/v1/reg01/a/_tags?${query}`)) as { tags: { name: string }[] }[];
    assert.deepEqual(
      pages.map(({ tags }) => tags.length),
      [2, 2, 1],
    );
    assert.deepEqual(
      pages.flatMap(({ tags }) => tags.map(({ name }) => name)),
      expected,
      orderby,
    );
  }
  const byTime = (await pagesOf(send, '/acr/v1/reg01/a/_manifests?n=2&orderby=timedesc')) as {
    manifests: { digest: string; createdTime: string }[];
  }[];
  const seen = byTime.flatMap(({ manifests }) => manifests);
  assert.equal(new Set(seen.map(({ digest }) => digest)).size, digests.length);
  assert.deepEqual(
    seen.map(({ createdTime }) => createdTime),
    seen
      .map(({ createdTime }) => createdTime)
      .sort()
      .reverse(),
  );
  for (const query of ['orderby=size', 'orderby=timeasc&last=c', 'n=x', 'orderby=__proto__'])
    assert.equal((await send('GET', `/acr/v1/reg01/a/_tags?${query}`)).status, 400, query);
});

test('a tag goes alone, and a repository goes whole', async (t) => {
  const { send } = await openDoor(t);
  const one = await push(send, 'reg01/a', 'v1');
  const two = await push(send, 'reg01/a', 'v2');
  await push(send, 'reg01/a/b', 'v1');
  assert.equal((await send('DELETE', '/acr/v1/reg01/a/_tags/v1')).status, 202);
  assert.equal((await send('GET', `/v2/reg01/a/manifests/${one}`)).status, 200);
  const gone = await send('DELETE', '/acr/v1/reg01/a/_tags/v1');
  assert.deepEqual([gone.status, codesIn(gone)], [404, ['MANIFEST_UNKNOWN']]);
  const removed = await send('DELETE', '/acr/v1/reg01/a');
  assert.equal(removed.status, 202);
  assert.deepEqual(bodyOf(removed), { manifestsDeleted: [one, two].sort(), tagsDeleted: ['v2'] });
  for (const path of ['/acr/v1/reg01/a', '/acr/v1/reg01/a/_tags', '/acr/v1/reg01/a/_manifests']) {
    const reply = await send('GET', path);
    assert.deepEqual([reply.status, codesIn(reply)], [404, ['NAME_UNKNOWN']], path);
  }
  assert.equal((await send('GET', '/v2/reg01/a/b/manifests/v1')).status, 200);
});

test('a repository of more manifests than one transaction takes goes whole, indexes with what they list', async (t) => {
  const { send } = await openDoor(t);
  for (let at = 0; at < 60; at += 1) await push(send, 'reg01/a', `v${at}`);
  const child = await push(send, 'reg01/a', 'child');
  const size = manifestOf(config, [layer], { annotations: { note: 'child' } }).length;
  const body = JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: [{ mediaType: mediaTypes.ociManifest, digest: child, size }],
  });
  const headers = { 'content-type': mediaTypes.ociIndex };
  assert.equal((await send('PUT', '/v2/reg01/a/manifests/index', { body, headers })).status, 201);
  const removed = bodyOf(await send('DELETE', '/acr/v1/reg01/a')) as { manifestsDeleted: unknown[] };
  assert.equal(removed.manifestsDeleted.length, 62);
  assert.equal((await send('GET', '/acr/v1/reg01/a')).status, 404);
});

test('who may only pull deletes nothing, and nobody locks anything', async (t) => {
  const may = { push: true };
  const { send } = await openDoor(t, (action) => may.push || action.endsWith('/pull/read'));
  const digest = await push(send, 'reg01/a', 'v1');
  for (const path of ['', '/_tags/v1', `/_manifests/${digest}`]) {
    const reply = await send('PATCH', `/acr/v1/reg01/a${path}`, { body: '{"writeEnabled":false}' });
    assert.deepEqual([reply.status, codesIn(reply)], [405, ['UNSUPPORTED']]);
    assert.match(reply.body.toString(), /cannot be locked/);
  }
  may.push = false;
  for (const path of ['', '/_tags/v1']) {
    const reply = await send('DELETE', `/acr/v1/reg01/a${path}`);
    assert.deepEqual([reply.status, codesIn(reply)], [403, ['DENIED']]);
  }
  assert.equal((await send('GET', '/acr/v1/reg01/a/_tags/v1')).status, 200);
});

test('names that none can have, references of other shapes and what is not kept are refused', async (t) => {
  const { send } = await openDoor(t);
  await push(send, 'reg01/a', 'v1');
  for (const [path, status] of [
    ['/acr/v1/reg01', 400],
    ['/acr/v1/reg01/A', 400],
    ['/acr/v1/reg01/a%2F..%2Fb', 400],
    ['/acr/v1/reg01/a/_manifests/sha512:00', 400],
    ['/acr/v1/reg01/a/_tags/%20', 404],
    ['/acr/v1/reg01/a/_tags/v1/more', 404],
    ['/acr/v1/reg01/a/_other', 404],
    ['/acr/v1/_deleted/_catalog', 404],
    ['/acr/v1/_tags', 404],
    ['/acr/v1/absent/a', 404],
    ['/acr/v1', 404],
  ] as const)
    assert.equal((await send('GET', path)).status, status, path);
});
