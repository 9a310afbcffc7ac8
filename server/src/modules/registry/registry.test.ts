import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { failNth } from '#kernel/files/faults';
import { testGrant } from '#kernel/testing/authority';
import { mediaTypes, repositoryScope } from './index.ts';
import { code, customerKey, descriptor, digestOf, everythingIn, manifestOf, registryId, setUp } from './testing.ts';

test('an image that was pushed in process comes back byte for byte', async (t) => {
  const { registry, id } = await setUp(t);
  const grant = testGrant({ scope: id });
  const layer = Buffer.alloc(3_000_000, 7);
  const pushed = await registry.pushBlob(
    grant,
    id,
    'team/image',
    Readable.from([layer.subarray(0, 10), layer.subarray(10)]),
  );
  assert.deepEqual(pushed, { digest: digestOf(layer), size: layer.length });
  await registry.pushBlob(grant, id, 'team/image', Buffer.from('{}'), digestOf('{}'));
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, config: descriptor('{}'), layers: [descriptor(layer)] }),
  );
  const { digest } = await registry.putManifest(grant, id, 'team/image', 'v1', mediaTypes.ociManifest, bytes);
  const manifest = await registry.getManifest(grant, id, 'team/image', 'v1');
  assert.deepEqual(
    { ...manifest, bytes: Buffer.from(manifest.bytes) },
    { digest, mediaType: mediaTypes.ociManifest, bytes },
  );
  const { stream, size } = await registry.openBlob(grant, id, 'team/image', pushed.digest, {
    start: 5,
    end: 2_000_000,
  });
  assert.equal(size, layer.length);
  assert.deepEqual(Buffer.concat(await stream.toArray()), layer.subarray(5, 2_000_001));
  assert.deepEqual(await registry.listTags(grant, id, 'team/image'), ['v1']);
});

test('content with another digest than announced is thrown away, and its file with it', async (t) => {
  const { registry, id, folder } = await setUp(t);
  const grant = testGrant({ scope: id });
  const wrong = digestOf('something else');
  await assert.rejects(registry.pushBlob(grant, id, 'a', Buffer.from('content'), wrong), code('DIGEST_INVALID'));
  assert.equal(await registry.hasBlob(grant, id, 'a', wrong), false);
  assert.equal(await registry.hasBlob(grant, id, 'a', digestOf('content')), false);
  const files = (await everythingIn(folder)).filter((file) => file.path.includes('/blobs/'));
  assert.deepEqual(files, []);
});

test('a blob is stored once a registry, and goes with the last repository that reaches it', async (t) => {
  const { registry, id, folder } = await setUp(t);
  const grant = testGrant({ scope: id });
  const blobs = async () => (await everythingIn(folder)).filter((file) => file.path.includes('/blobs/')).length;
  await registry.pushBlob(grant, id, 'a', Buffer.from('same'));
  await registry.pushBlob(grant, id, 'b', Buffer.from('same'));
  assert.equal(await blobs(), 1);
  assert.equal(await registry.hasBlob(grant, id, 'c', digestOf('same')), false);
});

test('a blob that no manifest came for goes a day after it was last asked for, and not before', async (t) => {
  const { registry, module, id, folder, clock } = await setUp(t);
  const grant = testGrant({ scope: id });
  const files = async () => (await everythingIn(folder)).filter((file) => file.path.includes('/blobs/')).length;
  const sweep = () => module.sweepBlobs(new AbortController().signal);
  const has = (content: string, repository = 'a') => registry.hasBlob(grant, id, repository, digestOf(content));
  for (const content of ['config', 'layer', 'shared', 'loose'])
    await registry.pushBlob(grant, id, 'a', Buffer.from(content));
  await registry.pushBlob(grant, id, 'b', Buffer.from('shared'));
  const manifest = manifestOf('config', ['layer']);
  const { digest } = await registry.putManifest(grant, id, 'a', 'v1', mediaTypes.ociManifest, manifest);
  clock.jump(23 * 3_600_000);
  await sweep();
  assert.equal(await files(), 4);
  // Told that it is there, a client may take its time until the manifest.
  assert.equal(await has('shared', 'b'), true);
  clock.jump(2 * 3_600_000);
  await sweep();
  assert.deepEqual([await has('loose'), await has('shared'), await has('shared', 'b')], [false, false, true]);
  assert.deepEqual([await has('config'), await has('layer'), await files()], [true, true, 3]);
  clock.jump(13 * 3_600_000);
  assert.equal(await has('shared', 'b'), true);
  clock.jump(13 * 3_600_000);
  await sweep();
  assert.equal(await has('shared', 'b'), true);
  await registry.removeManifest(grant, id, 'a', digest);
  clock.jump(25 * 3_600_000);
  await sweep();
  assert.equal(await files(), 0);
  // Nothing stands in the way of the same content coming again.
  await registry.pushBlob(grant, id, 'a', Buffer.from('layer'));
  assert.equal(await has('layer'), true);
});

test('a blob that goes while it is pulled is pulled to its end', async (t) => {
  const { registry, module, id, folder, clock } = await setUp(t);
  const grant = testGrant({ scope: id });
  const layer = Buffer.alloc(9_000_000, 5);
  const { digest } = await registry.pushBlob(grant, id, 'a', layer);
  const { stream } = await registry.openBlob(grant, id, 'a', digest);
  clock.jump(25 * 3_600_000);
  await module.sweepBlobs(new AbortController().signal);
  assert.deepEqual(Buffer.concat(await stream.toArray()), layer);
  await module.stop?.();
  assert.deepEqual(
    (await everythingIn(folder)).filter((file) => file.path.includes('/blobs/')),
    [],
  );
});

test('of many pages of blobs only what is loose goes, also when a removal fails half way', async (t) => {
  const { registry, module, id, clock, seam } = await setUp(t);
  const grant = testGrant({ scope: id });
  const layers = Array.from({ length: 230 }, (_, i) => `layer ${i}`);
  for (const content of ['config', ...layers]) await registry.pushBlob(grant, id, 'a', Buffer.from(content));
  const kept = layers.filter((_, i) => i % 3 === 0);
  await registry.putManifest(grant, id, 'a', 'v1', mediaTypes.ociManifest, manifestOf('config', kept));
  clock.jump(25 * 3_600_000);
  const { faults, seen } = failNth(1, ({ step }) => step === 'commit');
  seam.faults = faults;
  await module.sweepBlobs(new AbortController().signal);
  assert.ok(seen() >= 1);
  const left = async () => {
    const found: string[] = [];
    for (const content of layers) if (await registry.hasBlob(grant, id, 'a', digestOf(content))) found.push(content);
    return found;
  };
  await module.sweepBlobs(new AbortController().signal);
  assert.deepEqual(await left(), kept);
});

test('all manifests of a repository but one are taken away, with their tags', async (t) => {
  const { registry, id } = await setUp(t);
  const grant = testGrant({ scope: id });
  const push = async (repository: string, layer: string) => {
    for (const blob of ['config', layer]) await registry.pushBlob(grant, id, repository, Buffer.from(blob));
    const manifest = manifestOf('config', [layer]);
    return (await registry.putManifest(grant, id, repository, layer, mediaTypes.ociManifest, manifest)).digest;
  };
  const [first, second, elsewhere] = [await push('a', 'one'), await push('a', 'two'), await push('b', 'one')];
  await registry.keepOnly(grant, id, 'a', second);
  await assert.rejects(registry.getManifest(grant, id, 'a', first), code('MANIFEST_UNKNOWN'));
  assert.deepEqual(await registry.listTags(grant, id, 'a'), ['two']);
  await registry.keepOnly(grant, id, 'a', undefined);
  await assert.rejects(registry.getManifest(grant, id, 'a', second), code('MANIFEST_UNKNOWN'));
  await registry.getManifest(grant, id, 'b', elsewhere);
});

test('a grant for one repository opens no other, not even one below it', async (t) => {
  const { registry, id } = await setUp(t);
  const grant = testGrant({ scope: repositoryScope({ registry: id, repository: 'team/image' }) });
  await registry.pushBlob(grant, id, 'team/image', Buffer.from('x'));
  for (const other of ['team', 'team/image/more', 'team/imag', 'other'])
    await assert.rejects(registry.pushBlob(grant, id, other, Buffer.from('x')), code('DENIED'), other);
  await assert.rejects(
    registry.hasBlob(testGrant({ scope: registryId('other') }), id, 'team', digestOf('x')),
    code('DENIED'),
  );
});

test('names and digests that none can have are refused', async (t) => {
  const { registry, id } = await setUp(t);
  const grant = testGrant({ scope: id });
  const names = [
    '',
    '/',
    'a//b',
    '../a',
    'a/..',
    'A',
    'a:b',
    'a/',
    '-a',
    'a-',
    'a..b',
    'a___b',
    'a b',
    'é',
    'a'.repeat(256),
  ];
  for (const name of names)
    await assert.rejects(registry.pushBlob(grant, id, name, Buffer.from('x')), code('NAME_INVALID'), name);
  for (const digest of [
    '',
    'sha256:',
    `sha256:${'A'.repeat(64)}`,
    `sha512:${'a'.repeat(128)}`,
    'sha256:../../x',
    'md5:0',
  ])
    await assert.rejects(registry.hasBlob(grant, id, 'a', digest), code('DIGEST_INVALID'), digest);
});

test('nothing of an image is on disk in the clear', async (t) => {
  const { registry, id, folder, module } = await setUp(t);
  const grant = testGrant({ scope: id });
  const canary = 'CANARY-4f1d0e';
  const config = JSON.stringify({ canary });
  await registry.pushBlob(grant, id, 'canary-4f1d0e', Buffer.from(config));
  await registry.pushBlob(grant, id, 'canary-4f1d0e', Buffer.from(canary.repeat(10)));
  const bytes = manifestOf(config, [canary.repeat(10)], { annotations: { canary } });
  const { digest } = await registry.putManifest(grant, id, 'canary-4f1d0e', canary, mediaTypes.ociManifest, bytes);
  await module.stop?.();
  for (const file of await everythingIn(folder)) {
    const text = `${file.path}${file.bytes.toString('latin1')}`.toLowerCase();
    for (const secret of [canary.toLowerCase(), digest.slice(7), digestOf(config).slice(7)])
      assert.ok(!text.includes(secret), `${file.path} holds ${secret}`);
  }
});

test("a customer's key closes the registry when it is refused, and opens it again", async (t) => {
  const { registry, id, module, vault, clock, stored, dataKeys } = await setUp(t);
  const grant = testGrant({ scope: id });
  await registry.pushBlob(grant, id, 'a', Buffer.from('x'));
  await module.protect(grant, id, customerKey);
  assert.deepEqual(stored.get(id)?.properties['encryption'], {
    status: 'enabled',
    keyVaultProperties: { keyIdentifier: customerKey.keyIdentifier, identity: customerKey.principal.objectId },
  });
  assert.equal(await registry.hasBlob(grant, id, 'a', digestOf('x')), true);
  vault.refusal = new Failure({ kind: 'forbidden', code: 'KeyDisabled', message: 'The key is disabled.' });
  await clock.advance(31_000);
  await dataKeys.open(stored.get(id)?.uniqueId ?? '', 'registry-index').catch(() => {});
  await assert.rejects(registry.hasBlob(grant, id, 'a', digestOf('x')), code('KeyDisabled'));
  await assert.rejects(registry.pushBlob(grant, id, 'a', Buffer.from('y')), code('KeyDisabled'));
  vault.refusal = undefined;
  assert.equal(await registry.hasBlob(grant, id, 'a', digestOf('x')), true);
  await module.protect(grant, id, { kind: 'root' });
  vault.refusal = new Failure({ kind: 'forbidden', code: 'KeyDisabled', message: 'The key is disabled.' });
  await clock.advance(31_000);
  assert.equal(await registry.hasBlob(grant, id, 'a', digestOf('x')), true);
});

test('a registry is refused what would weaken it, and a name that is in use', async (t) => {
  const { kind, addRegistry, id } = await setUp(t);
  await addRegistry('reg02');
  const elsewhere = registryId('REG02').replace('/resourceGroups/rg/', '/resourceGroups/other/');
  await assert.rejects(
    async () => kind.validate?.(testGrant(), draftOf({}), undefined, elsewhere),
    code('AlreadyInUse'),
  );
  for (const properties of [
    { adminUserEnabled: true },
    { anonymousPullEnabled: true },
    { publicNetworkAccess: 'Disabled' },
    { networkRuleSet: { defaultAction: 'Deny' } },
    { encryption: { status: 'enabled', keyVaultProperties: { keyIdentifier: customerKey.keyIdentifier } } },
  ]) {
    const draft = draftOf(properties);
    const whole = { ...draft, properties: kind.normalise?.(draft, undefined) ?? {} };
    await assert.rejects(
      async () => kind.validate?.(testGrant(), whole, undefined, id),
      code('InvalidRequestPropertyValue'),
    );
  }
  for (const name of ['abcd', 'a-b-c', 'a'.repeat(51), 'reg/01']) assert.ok(!kind.namePattern.test(name), name);

  function draftOf(properties: Readonly<Record<string, unknown>>) {
    const bare = { location: 'local', tags: {}, kind: undefined, sku: undefined, identity: undefined };
    return { ...bare, properties: { ...properties } };
  }
});

test('a registry that is made anew under the same name holds nothing of the old one', async (t) => {
  const { registry, id, kind, entry, addRegistry, folder } = await setUp(t);
  const grant = testGrant({ scope: id });
  await registry.pushBlob(grant, id, 'a', Buffer.from('x'));
  await kind.remove?.(testGrant(), entry);
  await assert.rejects(registry.hasBlob(grant, id, 'a', digestOf('x')), code('NAME_UNKNOWN'));
  assert.deepEqual(
    (await everythingIn(folder)).filter((file) => file.path.includes(entry.uniqueId)),
    [],
  );
  await addRegistry('Reg01');
  assert.equal(await registry.hasBlob(grant, id, 'a', digestOf('x')), false);
});
