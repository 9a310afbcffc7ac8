// Images of another registry, copied into a real one of ours: what is taken, what is asked for, and what is left when it goes wrong.

import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, type TestContext, test } from 'node:test';
import { registryActions } from '@strongroom/contract/registry.actions';
import { closeScanPool } from '#kernel/database/database';
import type { Failure } from '#kernel/errors/failure';
import { testGrant } from '#kernel/testing/authority';
import { type RegistryRule, readRegistryRule } from '#workspaces';
import { digestOf, image, ociManifest, type TestImage } from '../../../test/image.fixture.ts';
import { makeAuthority, ociIndex, openUpstreamRegistry, wayTo } from '../../../test/registry.fixture.ts';
import { setUp } from '../registry/testing.ts';
import { createImports } from './imports.service.ts';
import type { UpstreamBounds } from './upstream.service.ts';

after(() => closeScanPool());

const linux = { os: 'linux', architecture: 'amd64' };
/** Of one layer for each name. */
const named = (...names: readonly string[]): TestImage =>
  image(
    names.map((name) => [{ path: name, content: name }]),
    linux,
  );

async function open(
  t: TestContext,
  options: {
    readonly also?: string;
    readonly inside?: readonly string[];
    readonly bounds?: Partial<UpstreamBounds>;
  } = {},
) {
  const upstream = await openUpstreamRegistry(t);
  const { registry, id } = await setUp(t);
  const rule = readRegistryRule(`${upstream.host}${options.also ?? ''}`) as RegistryRule; // written right, just above
  const grants = {
    push: testGrant({ action: registryActions.push.name, scope: id }),
    pull: testGrant({ action: registryActions.pull.name, scope: id }),
  };
  const imports = createImports({
    registry,
    fetch: wayTo(t, [upstream], [upstream.host, ...(options.inside ?? [])]),
    rules: [rule],
    imageBytes: 64 * 1024,
    bounds: { documentMs: 5_000, blobMs: 5_000, bytesPerSecond: 1024 ** 2, ...options.bounds },
  });
  const fix = (reference: string) => imports.fix({ host: upstream.host, repository: 'team/base', reference });
  return {
    upstream,
    registry,
    id,
    grants,
    fix,
    imports,
    async copy(reference: string, repository = 'imported/one', near: readonly string[] = []) {
      const source = await fix(reference);
      const signal = new AbortController().signal;
      return imports.copy(grants, { registryId: id, repository }, source, { near, signal });
    },
    holds: async (digest: string, repository = 'imported/one') =>
      registry.getManifest(grants.pull, id, repository, digest).then(
        () => true,
        () => false,
      ),
  };
}
type Opened = Awaited<ReturnType<typeof open>>;

const failed =
  (words: RegExp, kind = 'invalid') =>
  (thrown: unknown) => {
    const { kind: found, message } = thrown as Failure;
    assert.match(message, words);
    assert.equal(found, kind);
    return true;
  };
/** Answers instead of the registry what is asked at this path. */
const at =
  (path: RegExp, act: (response: ServerResponse, request: IncomingMessage) => unknown) =>
  (request: IncomingMessage, response: ServerResponse) => {
    if (!path.test(request.url ?? '')) return false;
    act(response, request);
    return true;
  };

test('an image is copied whole, by its digest, with a token that everybody gets and that pulls one repository', async (t) => {
  const { upstream, copy, fix, registry, grants, id, imports } = await open(t);
  const made = named('one', 'two');
  const digest = upstream.push('team/base', 'latest', made);
  assert.deepEqual(await fix('latest'), { host: upstream.host, repository: 'team/base', digest });
  const copied = await copy('latest');
  const bytes = [...made.blobs.values()].reduce((sum, blob) => sum + blob.length, 0);
  assert.deepEqual(copied, { digest, bytes: bytes + made.manifest.length, fetchedBytes: bytes });
  const kept = await registry.getManifest(grants.pull, id, 'imported/one', digest);
  assert.deepEqual(Buffer.from(kept.bytes), made.manifest);
  for (const blob of made.blobs.keys()) assert.ok(await registry.hasBlob(grants.pull, id, 'imported/one', blob));
  // The challenge asks for push as well; what is asked for is what is needed.
  const tokens = upstream.asked.filter((each) => each.includes('/token'));
  assert.ok(tokens.length > 0 && tokens.every((each) => each.endsWith('scope=repository:team/base:pull')), tokens[0]);
  upstream.asked.length = 0;
  assert.deepEqual(await imports.fix({ host: upstream.host, repository: 'team/base', reference: digest }), {
    ...{ host: upstream.host, repository: 'team/base', digest },
  });
  assert.deepEqual(upstream.asked, [], 'a digest means itself');
});

test('of a list of platforms the one of the nodes is taken, and a list that has it not is refused', async (t) => {
  const { upstream, copy, fix, holds }: Opened = await open(t);
  const [ours, theirs] = [named('ours'), image([[{ path: 'theirs' }]], { os: 'linux', architecture: 'arm64' })];
  const attestation = { os: 'unknown', architecture: 'unknown' };
  const arm = { os: 'linux', architecture: 'arm64' };
  const list = upstream.list('team/base', 'many', [
    [named('proof'), attestation],
    [theirs, arm],
    [ours, linux],
  ]);
  assert.equal((await fix('many')).digest, list);
  assert.equal((await copy('many')).digest, ours.digest);
  assert.ok(await holds(ours.digest));
  upstream.list('team/base', 'arm', [[theirs, arm]]);
  await assert.rejects(fix('arm'), failed(/no platform of the nodes \(linux\/amd64\): .* is for linux\/arm64/));
  upstream.push('team/base', 'single-arm', theirs);
  await assert.rejects(copy('single-arm'), failed(/it is for linux\/arm64, and the nodes are linux\/amd64/));
});

test('a list in a list is none, so that nothing goes round', async (t) => {
  const { upstream, fix, copy }: Opened = await open(t);
  const inner = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests: [] }));
  const listed = { mediaType: ociIndex, digest: digestOf(inner), size: inner.length, platform: linux };
  const outer = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests: [listed] }));
  upstream.put('/v2/team/base/manifests/loop', ociIndex, outer);
  upstream.put(`/v2/team/base/manifests/${digestOf(inner)}`, ociIndex, inner);
  await assert.rejects(fix('loop'), failed(/no platform of the nodes/));
  // Named as a manifest, and a list all the same.
  const lying = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests: [{ ...listed, mediaType: ociManifest }] }),
  );
  for (const reference of ['lying', digestOf(lying)])
    upstream.put(`/v2/team/base/manifests/${reference}`, ociIndex, lying);
  await assert.rejects(copy('lying'), failed(/names as a manifest is none/));
});

test('content that has not its digest is not kept, be it a manifest, a configuration or a layer', async (t) => {
  const { upstream, copy, holds }: Opened = await open(t);
  const made = named('one');
  const digest = upstream.push('team/base', 'v1', made);
  const [layer = '', config = ''] = [...made.blobs.keys()];
  const other = named('other').manifest;
  const wrongSize = (blob: string) => Buffer.concat([made.blobs.get(blob) ?? Buffer.alloc(0), Buffer.from('x')]);
  for (const [path, bytes] of [
    [`manifests/${digest}`, other],
    [`blobs/${config}`, Buffer.from('{}')],
    [`blobs/${layer}`, Buffer.alloc(made.blobs.get(layer)?.length ?? 0)],
    [`blobs/${layer}`, wrongSize(layer)],
    [`blobs/${layer}`, Buffer.from('short')],
  ] as const) {
    upstream.misbehave = at(new RegExp(`${path}$`), (response, request) =>
      request.headers.authorization === undefined
        ? response.writeHead(401, { 'www-authenticate': `Bearer realm="https://${upstream.host}/token"` }).end()
        : response.writeHead(200, { 'content-type': ociManifest }).end(bytes),
    );
    await assert.rejects(copy(digest), failed(/sent something else .* Nothing of it is kept/), path);
    assert.equal(await holds(digest), false, path);
  }
  upstream.misbehave = () => false;
  assert.equal((await copy(digest)).digest, digest, 'none of it stands in the way');
});

const endless = (response: ServerResponse) => {
  response.writeHead(200);
  const more = () => {
    while (!response.destroyed && response.write(Buffer.alloc(64 * 1024)));
  };
  response.on('drain', more);
  more();
};

test('what has no end is read no further than it may be: a layer, a configuration, a manifest, a token', async (t) => {
  const { upstream, copy }: Opened = await open(t);
  const made = named('one');
  const digest = upstream.push('team/base', 'v1', made);
  const [layer = '', config = ''] = [...made.blobs.keys()];
  for (const [path, words] of [
    [`blobs/${layer}`, /sent something else/],
    [`blobs/${config}`, /larger than 512 KiB/],
    [`manifests/${digest}`, /larger than 512 KiB/],
    ['/token', /larger than 64 KiB/],
  ] as const) {
    upstream.misbehave = at(new RegExp(path), endless);
    await assert.rejects(copy(digest), failed(words), path);
  }
});

test('what drips, or says nothing, ends in words', async (t) => {
  const { upstream, copy }: Opened = await open(t, {
    bounds: { documentMs: 1_000, blobMs: 1_000, bytesPerSecond: 1024 ** 3 },
  });
  const made = named('one');
  const digest = upstream.push('team/base', 'v1', made);
  const [layer = ''] = [...made.blobs.keys()];
  const drip = (response: ServerResponse) => {
    response.writeHead(200, { 'content-type': ociManifest });
    // Not so much, within the time, that it comes to what was announced.
    const timer = setInterval(() => response.write('x'), 100);
    response.on('close', () => clearInterval(timer));
  };
  const silent = () => undefined;
  for (const [path, act, words] of [
    [`manifests/${digest}`, drip, /did not (arrive|answer) in time/],
    [`blobs/${layer}`, drip, /arrives too slowly|did not answer in time/],
    [`manifests/${digest}`, silent, /did not answer in time/],
    ['/token', silent, /did not answer in time/],
    [`blobs/${layer}`, silent, /did not answer in time/],
  ] as const) {
    upstream.misbehave = at(new RegExp(path), act);
    await assert.rejects(copy(digest), (thrown) => words.test((thrown as Failure).message), `${path} ${words}`);
  }
});

test('so much is asked at once while requests wait, and whoever finds no room is told to come again', async (t) => {
  const { upstream, fix }: Opened = await open(t);
  const held: ServerResponse[] = [];
  const asked = Promise.withResolvers<void>();
  upstream.misbehave = at(/./, (response) => {
    held.push(response);
    if (held.length === 8) asked.resolve();
  });
  const all = Array.from({ length: 16 }, () => fix('v1').catch((thrown: unknown) => thrown));
  await asked.promise;
  await assert.rejects(fix('v1'), failed(/too much at once/, 'throttled'));
  assert.equal(held.length, 8);
  upstream.misbehave = at(/./, (response) => response.writeHead(500).end());
  for (const response of held) response.writeHead(500).end();
  for (const thrown of await Promise.all(all)) assert.match((thrown as Failure).message, /answered 500/);
});

test('a layer that is cut off goes on where it was, and one that never comes forward does not go on for ever', async (t) => {
  const { upstream, copy }: Opened = await open(t);
  const noise = Array.from({ length: 100 }, (_, n) => digestOf(Buffer.from(String(n)))).join('');
  const made = image([[{ path: 'noise', content: noise }]], linux);
  const digest = upstream.push('team/base', 'v1', made);
  const [layer = ''] = [...made.blobs.keys()];
  const bytes = made.blobs.get(layer) ?? Buffer.alloc(0);
  const ranges: (string | undefined)[] = [];
  let each = 400;
  upstream.misbehave = at(new RegExp(`blobs/${layer}`), (response, request) => {
    const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    ranges.push(request.headers.range);
    const end = each === 0 ? start : ranges.length < 4 ? start + each : bytes.length;
    response.writeHead(start === 0 ? 200 : 206, {
      'content-length': bytes.length - start,
      'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}`,
    });
    response.write(bytes.subarray(start, end), () => (end < bytes.length ? response.destroy() : response.end()));
  });
  assert.equal((await copy(digest)).digest, digest);
  assert.deepEqual(ranges, [undefined, 'bytes=400-', 'bytes=800-', 'bytes=1200-']);
  each = 0;
  ranges.length = 0;
  await assert.rejects(copy(digest, 'imported/two'), failed(/could not be asked for/, 'dependency'));
  assert.ok(ranges.length < 10);
});

test('a way that leads elsewhere is not taken: redirects, tokens, addresses inside', async (t) => {
  const { upstream, copy }: Opened = await open(t);
  const stranger = await openUpstreamRegistry(t);
  const digest = upstream.push('team/base', 'v1', named('one'));
  for (const to of [
    'http://169.254.169.254/latest/meta-data',
    'https://169.254.169.254/latest',
    `https://${stranger.host}/v2/`,
    `http://${upstream.host}/v2/`,
    `https://user:pass@${upstream.host}/v2/`,
    'file:///etc/passwd',
  ]) {
    upstream.misbehave = at(/./, (response) => response.writeHead(307, { location: to }).end());
    await assert.rejects(copy(digest), failed(/is not fetched: .*(another host|without TLS|password)/), to);
    upstream.misbehave = at(/^\/v2/, (response) =>
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${to}",service="x"` }).end(),
    );
    await assert.rejects(copy(digest), failed(/is not fetched: .*(another host|without TLS|password)/), to);
  }
  assert.deepEqual(stranger.asked, []);
});

test('a host that the rule names is followed without what was said to the registry, and inside only where that was said', async (t) => {
  const stranger = await openUpstreamRegistry(t);
  const made = named('one');
  stranger.misbehave = at(/^\/blob/, (response, request) =>
    response.writeHead(200).end(made.blobs.get(request.url?.split('/').at(-1) ?? '')),
  );
  const sending = async (inside: readonly string[]) => {
    const opened: Opened = await open(t, { also: `=${stranger.host}`, inside });
    opened.upstream.push('team/base', 'v1', made);
    opened.upstream.misbehave = (request, response) => {
      const blob = /blobs\/(sha256:.*)$/.exec(request.url ?? '')?.[1];
      if (blob === undefined || request.headers.authorization === undefined) return false;
      response.writeHead(307, { location: `https://${stranger.host}/blob/${blob}` }).end();
      return true;
    };
    return opened;
  };
  const closed = await sending([]);
  await assert.rejects(closed.copy('v1'), failed(/127\.0\.0\.1 is an address of this machine/));
  assert.deepEqual(stranger.asked, []);
  const opened = await sending([stranger.host]);
  assert.equal((await opened.copy('v1')).digest, made.digest);
  assert.equal(stranger.asked.length, made.blobs.size);
  assert.deepEqual([...new Set(stranger.credentials)], ['none']);
});

test('what is no image that runs here is refused with what it is', async (t) => {
  const { upstream, fix, copy }: Opened = await open(t);
  const layer = (mediaType: string, size = 3) => ({ mediaType, size, digest: digestOf(Buffer.from(mediaType)) });
  const config = layer('application/vnd.oci.image.config.v1+json');
  const gzip = 'application/vnd.oci.image.layer.v1.tar+gzip';
  const manifest = (more: object) => ({
    schemaVersion: 2,
    mediaType: ociManifest,
    config,
    layers: [layer(gzip)],
    ...more,
  });
  for (const [content, words, type = ociManifest] of [
    [manifest({ layers: [] }), /0 layers/],
    [manifest({ layers: Array(129).fill(layer(gzip)) }), /129 layers, and 1 to 128/],
    [
      manifest({ layers: [layer(gzip, 65_000), layer(gzip, 65_000)] }),
      /MiB, and the operator .*environments\.imageBytes/,
    ],
    [
      manifest({ layers: [layer('application/vnd.oci.image.layer.v1.tar+zstd')] }),
      /skopeo copy --dest-compress-format gzip/,
    ],
    [manifest({ layers: [layer('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip')] }), /layer of the type/],
    [manifest({ config: layer('application/vnd.cncf.helm.config.v1+json') }), /no image but/],
    [manifest({ config: { ...config, size: 600 * 1024 } }), /configuration is larger/],
    [manifest({ manifests: [] }), /is none/],
    [manifest({ config: { ...config, digest: 'sha512:00' } }), /is none/],
    [manifest({ layers: [layer(gzip, -1)] }), /is none/],
    [manifest({ mediaType: ociIndex }), /is none/],
    [manifest({}), /is none/, 'text/html'],
    [manifest({}), /is none/, 'application/vnd.docker.distribution.manifest.v1+prettyjws'],
    [{ schemaVersion: 2, mediaType: ociIndex, manifests: 'x' }, /is none/, ociIndex],
    [{ schemaVersion: 2, mediaType: ociIndex, manifests: [] }, /names none/, ociIndex],
  ] as const) {
    upstream.put('/v2/team/base/manifests/odd', type, Buffer.from(JSON.stringify(content)));
    await assert.rejects(fix('odd'), failed(words), String(words));
  }
  upstream.put('/v2/team/base/manifests/odd', ociManifest, Buffer.from('{"schemaVersion":'));
  await assert.rejects(fix('odd'), failed(/is none/));
  await assert.rejects(fix('none'), failed(/has no image/));
  const holed = named('hole');
  const digest = upstream.push('team/base', 'v1', holed);
  const [blob = ''] = holed.blobs.keys();
  upstream.misbehave = at(new RegExp(`blobs/${blob}`), (response) => response.writeHead(404).end());
  await assert.rejects(copy(digest), failed(/does not have its blob/));
});

test('what the registry says of tokens is believed no further than a token: passwords, nonsense, refusals, errors', async (t) => {
  const { upstream, fix }: Opened = await open(t);
  upstream.push('team/base', 'v1', named('one'));
  const challenge = (header: string) => (response: ServerResponse) =>
    response.writeHead(401, header === '' ? {} : { 'www-authenticate': header }).end();
  const bearer = `Bearer realm="https://${upstream.host}/token"`;
  const token = (status: number, body: string) => (request: IncomingMessage, response: ServerResponse) => {
    if (request.url?.startsWith('/token')) response.writeHead(status).end(body);
    else challenge(bearer)(response);
    return true;
  };
  for (const [misbehave, words, kind = 'invalid'] of [
    [at(/./, challenge('Basic realm="x"')), /to nobody without a password/],
    [at(/./, challenge('')), /did not say what it wants/, 'dependency'],
    [at(/./, challenge('Bearer service="x"')), /to nobody without a password/],
    [at(/./, challenge('Bearer realm="nowhere"')), /no address for its tokens/, 'dependency'],
    [token(401, ''), /to nobody without a password/],
    [token(200, '<html>'), /answered no token/, 'dependency'],
    [token(200, '{"token":"a\\r\\nx: y"}'), /answered no token/, 'dependency'],
    [token(200, '{"token":["a"]}'), /answered no token/, 'dependency'],
    [token(200, '{"token":"refused"}'), /has no image|shows it to nobody/],
    [token(500, ''), /answered 500/, 'dependency'],
    [at(/./, (response) => response.writeHead(429).end()), /asked too often/, 'dependency'],
    [at(/./, (response) => response.writeHead(503).end()), /answered 503/, 'dependency'],
    [at(/./, (response) => response.destroy()), /could not be asked for/, 'dependency'],
  ] as const) {
    upstream.misbehave = misbehave;
    await assert.rejects(fix('v1'), failed(words, kind), String(words));
  }
  upstream.close();
  await assert.rejects(fix('v1'), failed(/could not be asked for/, 'dependency'));
});

test('what has arrived is not asked for again: after a failure, and by another image of the same registry', async (t) => {
  const { upstream, copy }: Opened = await open(t);
  const made = named('base', 'first');
  const digest = upstream.push('team/base', 'v1', made);
  const [base = '', first = ''] = [...made.blobs.keys()];
  upstream.misbehave = at(new RegExp(`blobs/${first}`), (response) => response.writeHead(500).end());
  await assert.rejects(copy(digest), failed(/answered 500/, 'dependency'));
  upstream.misbehave = () => false;
  upstream.asked.length = 0;
  await copy(digest);
  assert.ok(!upstream.asked.some((each) => each.includes(base)), 'the layer that was whole');
  upstream.asked.length = 0;
  await copy(digest);
  assert.ok(!upstream.asked.some((each) => each.includes(base) || each.includes(first)));
  const next = upstream.push('team/base', 'v2', named('base', 'second'));
  upstream.asked.length = 0;
  await copy(next, 'imported/two', ['imported/one']);
  assert.ok(!upstream.asked.some((each) => each.includes(base)), 'a layer that another image has brought');
});

test('a certificate of an authority that nobody named is not believed', async (t) => {
  const { upstream, registry } = await open(t);
  upstream.push('team/base', 'v1', named('one'));
  const { certificatePem } = await makeAuthority();
  const imports = createImports({
    registry,
    fetch: wayTo(t, [{ host: upstream.host, authorityPem: certificatePem }]),
    rules: [readRegistryRule(upstream.host) as RegistryRule],
    imageBytes: 1024,
  });
  await assert.rejects(
    imports.fix({ host: upstream.host, repository: 'team/base', reference: 'v1' }),
    failed(/certificate/, 'dependency'),
  );
  assert.deepEqual(upstream.asked, []);
});
