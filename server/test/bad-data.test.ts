// Hostile and mistaken requests to the data planes, sent by somebody who may do everything: vaults, blobs, runs, images, the
// directory. Each is refused in its protocol's own words, and what was there is what is there.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Reply, Sent } from './client.fixture.ts';
import { type Bench, idsIn, openServer, type Principal } from './server.fixture.ts';
import { mannerOf } from './surfaces.fixture.ts';
import { makeWorkspace } from './work.fixture.ts';

let bench: Bench;
let mighty: Principal;
let workspace: string;

before(async () => {
  bench = await openServer();
  workspace = await makeWorkspace(bench, 'Rooms', 'Shared');
  const ids = idsIn(await bench.group('Rooms'));
  const token = await bench.ownerToken();
  const { location } = bench;
  for (const [id, body] of [
    [ids.vault('data-vault'), { location, properties: {} }],
    [ids.account('dataaccount'), { location, sku: { name: 'Standard_LRS' }, kind: 'StorageV2' }],
    [ids.registry('dataregistry'), { location, sku: { name: 'Premium' }, properties: {} }],
  ] as const) {
    const made = await bench.armDone(token, 'PUT', id, body);
    assert.ok(made.status < 300, made.text);
  }
  mighty = await bench.principal(['Owner', 'Key Vault Administrator', 'Storage Blob Data Owner', 'AcrPush']);
});
after(() => bench.close());

type Case = {
  readonly what: string;
  readonly path: string;
  readonly sent: Sent;
  readonly status: number;
  readonly code: string;
};

/** Runs the cases of a surface; `list` says what is there, before and after each. */
async function refuses(
  surface: string,
  list: () => Promise<Reply>,
  cases: readonly Case[],
  at: Sent = {},
): Promise<void> {
  const token = await bench.token(mighty, bench.audience(surface));
  const present = async () => {
    const { status, text } = await list();
    assert.equal(status, 200, text);
    return text.replace(/<(Date|RequestId)>[^<]*/g, '');
  };
  const wrong: string[] = [];
  for (const { what, path, sent, status, code } of cases) {
    const before = await present();
    const reply = await bench.send(path, { token, ...at, ...sent });
    const manner = mannerOf(surface);
    const got = manner.codeOf(reply);
    if (reply.status !== status || got !== code)
      wrong.push(`${what}: ${reply.status} ${got} ${reply.text.slice(0, 300)}`);
    else manner.envelope(reply);
    if ((await present()) !== before) wrong.push(`${what}: something changed`);
  }
  assert.deepEqual(wrong, []);
}

describe('a vault', () => {
  const host = 'data-vault.vault.localhost';
  const list = async (collection: string) =>
    bench.send(`/${collection}?api-version=7.4`, {
      host,
      token: await bench.token(mighty, bench.audience('keyvault')),
    });
  const put = (body: unknown): Sent => ({ method: 'PUT', body });
  const post = (body: unknown): Sent => ({ method: 'POST', body });

  test('refuses secrets and keys that are none', async () => {
    const secret = (what: string, name: string, sent: Sent, code: string, status = 400): Case => ({
      what,
      path: `/secrets/${name}?api-version=7.4`,
      sent,
      status,
      code,
    });
    await refuses(
      'keyvault',
      () => list('secrets'),
      [
        secret('a value that is too large', 'large', put({ value: 'x'.repeat(26_000) }), 'BadParameter'),
        secret('no value', 'none', put({}), 'BadParameter'),
        secret('a value that is no text', 'typed', put({ value: 7 }), 'BadParameter'),
        secret('a name with an underscore', 'a_b', put({ value: 'x' }), 'BadParameter'),
        secret('a name that is too long', 'n'.repeat(128), put({ value: 'x' }), 'BadParameter'),
        secret('times that are none', 'times', put({ value: 'x', attributes: { exp: 'tomorrow' } }), 'BadParameter'),
        secret(
          'too many tags',
          'tags',
          put({ value: 'x', tags: Object.fromEntries(Array.from({ length: 16 }, (_, at) => [`t${at}`, ''])) }),
          'BadParameter',
        ),
        secret('one that is not there', 'absent', {}, 'SecretNotFound', 404),
        secret('one to change that is not there', 'absent', { method: 'PATCH', body: {} }, 'SecretNotFound', 404),
        secret('one to delete that is not there', 'absent', { method: 'DELETE' }, 'SecretNotFound', 404),
        {
          what: 'an api-version that is none',
          path: '/secrets/a?api-version=new',
          sent: put({ value: 'x' }),
          status: 400,
          code: 'BadParameter',
        },
        { what: 'no such collection', path: '/storage/a?api-version=7.4', sent: {}, status: 404, code: 'NotFound' },
      ],
      { host },
    );
    const key = (what: string, sent: Sent, code = 'BadParameter'): Case => ({
      what,
      path: '/keys/k/create?api-version=7.4',
      sent,
      status: 400,
      code,
    });
    await refuses(
      'keyvault',
      () => list('keys'),
      [
        key('a key type that is none', post({ kty: 'none' })),
        key('a short key', post({ kty: 'RSA', key_size: 1024 })),
        key('an odd size', post({ kty: 'RSA', key_size: 2049 })),
        key('no type', post({})),
        key('an exportable key', post({ kty: 'RSA', attributes: { exportable: true } })),
        key('operations that are none', post({ kty: 'RSA', key_ops: ['fly'] })),
      ],
      { host },
    );
  });
});

describe('a storage account', () => {
  const host = 'dataaccount.blob.storage.localhost';
  const put = (body: unknown, headers: Record<string, string> = {}): Sent => ({
    method: 'PUT',
    body,
    headers: { 'x-ms-blob-type': 'BlockBlob', ...headers },
  });

  test('refuses blobs, blocks and lists that are wrong', async () => {
    const token = await bench.token(mighty, bench.audience('blob'));
    const made = await bench.send('/box?restype=container', { host, token, method: 'PUT' });
    assert.equal(made.status, 201, made.text);
    const kept = await bench.send('/box/kept.txt', { host, token, ...put('0123456789') });
    assert.equal(kept.status, 201, kept.text);
    const block = encodeURIComponent(Buffer.from('one').toString('base64'));
    const blob = (what: string, path: string, sent: Sent, status: number, code: string): Case => ({
      what,
      path: `/box/${path}`,
      sent,
      status,
      code,
    });
    const xml = '<?xml version="1.0" encoding="utf-8"?>';
    await refuses(
      'blob',
      () => bench.send('/box?restype=container&comp=list&include=metadata,uncommittedblobs', { host, token }),
      [
        blob('no type', 'a', { method: 'PUT', body: 'x' }, 400, 'InvalidBlobType'),
        blob('a page blob', 'a', put('', { 'x-ms-blob-type': 'PageBlob' }), 400, 'InvalidBlobType'),
        blob('another digest', 'a', put('x', { 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' }), 400, 'Md5Mismatch'),
        blob('a digest that is none', 'a', put('x', { 'content-md5': 'none' }), 400, 'InvalidMd5'),
        blob('a version that is none', 'a', put('x', { 'x-ms-version': 'new' }), 400, 'InvalidHeaderValue'),
        { ...blob('no such container', '', put('x'), 404, 'ContainerNotFound'), path: '/absent/a' },
        blob('a block id that is none', 'a?comp=block&blockid=!', put('x'), 400, 'InvalidBlockId'),
        blob('a list that is cut off', 'a?comp=blocklist', put(`${xml}<BlockList><Latest>`), 400, 'InvalidXmlDocument'),
        blob(
          'a list of what was not sent',
          'a?comp=blocklist',
          put(`${xml}<BlockList><Latest>${decodeURIComponent(block)}</Latest></BlockList>`),
          400,
          'InvalidBlockList',
        ),
        blob(
          'a list with entities',
          'a?comp=blocklist',
          put(`<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><BlockList><Latest>&e;</Latest></BlockList>`),
          400,
          'InvalidXmlDocument',
        ),
        blob('a range behind the end', 'kept.txt', { headers: { range: 'bytes=100-200' } }, 416, 'InvalidRange'),
        blob('one that is not there', 'absent', {}, 404, 'BlobNotFound'),
        blob(
          'a signature that is none, beside a token',
          'kept.txt?sig=x&se=2030-01-01',
          {},
          403,
          'AuthenticationFailed',
        ),
        blob(
          'over what is there, if nothing is',
          'kept.txt',
          put('y', { 'if-none-match': '*' }),
          409,
          'BlobAlreadyExists',
        ),
        blob('if it were another', 'kept.txt', put('y', { 'if-match': '"0x1"' }), 412, 'ConditionNotMet'),
      ],
      { host },
    );
  });

  test('cuts off nothing when a body is cut off: the blob that was there stays', async () => {
    const token = await bench.token(mighty, bench.audience('blob'));
    const { request } = await import('node:https');
    const sending = request(
      bench.options('/box/kept.txt', {
        host,
        token,
        method: 'PUT',
        headers: { 'x-ms-blob-type': 'BlockBlob', 'content-length': '1000000' },
      }),
    );
    const closed = new Promise<void>((resolve) => sending.on('error', () => resolve()).on('close', () => resolve()));
    await new Promise<void>((resolve) => sending.write(Buffer.alloc(200_000, 'z'), () => resolve()));
    sending.destroy();
    await closed;
    const kept = await bench.send('/box/kept.txt', { host, token });
    assert.equal(kept.text, '0123456789');
  });
});

describe('runs', () => {
  test('refuse names, values and paths that are wrong', async () => {
    const token = await bench.token(mighty, bench.audience('mlflow'));
    const api = `/mlflow/v1.0${workspace}/api/2.0`;
    const post = (path: string, body: unknown) => bench.send(`${api}/mlflow/${path}`, { method: 'POST', token, body });
    const { experiment_id } = (await post('experiments/create', { name: 'kept' })).body;
    const run = (await post('runs/create', { experiment_id })).body.run.info;
    const run_id = String(run.run_id);
    await post('runs/log-parameter', { run_id, key: 'p', value: 'first' });
    const wrong = (
      what: string,
      path: string,
      body: unknown,
      code = 'INVALID_PARAMETER_VALUE',
      status = 400,
    ): Case => ({
      what,
      path: `${api}/mlflow/${path}`,
      sent: { method: 'POST', body },
      status,
      code,
    });
    const many = (count: number, make: (at: number) => object) => Array.from({ length: count }, (_, at) => make(at));
    const artifact = (what: string, path: string): Case => ({
      what,
      path: `${api}/mlflow-artifacts/artifacts/${experiment_id}/${run_id}/artifacts/${path}`,
      sent: { method: 'PUT', body: 'x' },
      status: 400,
      code: 'INVALID_PARAMETER_VALUE',
    });
    await refuses(
      'mlflow',
      () =>
        bench.send(`${api}/mlflow/runs/search`, { method: 'POST', token, body: { experiment_ids: [experiment_id] } }),
      [
        wrong('an experiment without a name', 'experiments/create', {}),
        wrong('an experiment that exists', 'experiments/create', { name: 'kept' }, 'RESOURCE_ALREADY_EXISTS'),
        wrong('a run of no experiment', 'runs/create', { experiment_id: '999999' }, 'RESOURCE_DOES_NOT_EXIST', 404),
        wrong('a param with another value', 'runs/log-parameter', { run_id, key: 'p', value: 'second' }),
        wrong('a metric that is no number', 'runs/log-metric', { run_id, key: 'm', value: 'high', timestamp: 1 }),
        wrong(
          'a metric of no run',
          'runs/log-metric',
          { run_id: 'absent', key: 'm', value: 1, timestamp: 1 },
          'RESOURCE_DOES_NOT_EXIST',
          404,
        ),
        wrong('too many metrics at once', 'runs/log-batch', {
          run_id,
          metrics: many(1_001, (at) => ({ key: `m${at}`, value: 1, timestamp: 1, step: 0 })),
        }),
        wrong('a batch of which one is wrong', 'runs/log-batch', {
          run_id,
          metrics: [{ key: 'good', value: 1, timestamp: 1, step: 0 }],
          params: [{ key: 'p', value: 'third' }],
        }),
        wrong('a name that climbs', 'runs/log-metric', { run_id, key: '../../etc', value: 1, timestamp: 1 }),
        wrong('a filter that is none', 'runs/search', {
          experiment_ids: [experiment_id],
          filter: 'metrics.m > 1; DROP TABLE runs',
        }),
        wrong('an endless list', 'runs/search', { experiment_ids: [experiment_id], max_results: 10_000_000 }),
        artifact('a path that climbs by a backslash', '..%5c..%5cx'),
        artifact('a path that is encoded twice', '%252e%252e/x'),
        artifact('an absolute path', '%2fetc%2fpasswd'),
      ],
    );
  });
});

describe('a registry', () => {
  test('refuses names, digests and manifests that are wrong', async () => {
    const token = await bench.token(mighty, bench.audience('oci'));
    const digest = `sha256:${'0'.repeat(64)}`;
    const type = 'application/vnd.oci.image.manifest.v1+json';
    const manifest = {
      schemaVersion: 2,
      mediaType: type,
      config: { mediaType: 'application/vnd.oci.empty.v1+json', digest, size: 2 },
      layers: [],
    };
    const wrong = (what: string, path: string, sent: Sent, status: number, code: string): Case => ({
      what,
      path: `/v2/dataregistry/${path}`,
      sent,
      status,
      code,
    });
    const put = (body: unknown): Sent => ({ method: 'PUT', body, headers: { 'content-type': type } });
    await refuses('oci', () => bench.send('/v2/_catalog', { token }), [
      wrong('a name in capitals', 'Team/Image/manifests/1', {}, 400, 'NAME_INVALID'),
      wrong('a digest that is none', 'team/blobs/sha256:xyz', {}, 400, 'DIGEST_INVALID'),
      wrong('another digest algorithm', `team/blobs/sha512:${'0'.repeat(128)}`, {}, 400, 'DIGEST_INVALID'),
      wrong('a blob that is not there', `team/blobs/${digest}`, {}, 404, 'BLOB_UNKNOWN'),
      wrong(
        'a blob that has another digest',
        `team/blobs/uploads/?digest=${digest}`,
        { method: 'POST', body: 'other' },
        400,
        'DIGEST_INVALID',
      ),
      wrong(
        'an upload that is not there',
        'team/blobs/uploads/absent',
        { method: 'PATCH', body: 'x' },
        404,
        'BLOB_UPLOAD_UNKNOWN',
      ),
      wrong('a manifest that is no JSON', 'team/manifests/1', put('{'), 400, 'MANIFEST_INVALID'),
      wrong(
        'a manifest of what is not there',
        'team/manifests/1',
        put(JSON.stringify(manifest)),
        404,
        'MANIFEST_BLOB_UNKNOWN',
      ),
      wrong('a manifest that is not there', 'team/manifests/1', {}, 404, 'MANIFEST_UNKNOWN'),
    ]);
  });
});

describe('the directory', () => {
  test('refuses users and applications that are none', async () => {
    const token = await bench.token(mighty, bench.audience('graph'));
    const wrong = (what: string, path: string, body: unknown, status: number, code: string): Case => ({
      what,
      path: `/msgraph/v1.0/${path}`,
      sent: { method: 'POST', body },
      status,
      code,
    });
    const user = {
      userPrincipalName: 'new@strongroom.local',
      displayName: 'New',
      passwordProfile: { password: 'Long-enough-password-1' },
    };
    const { body: users } = await bench.send('/msgraph/v1.0/users', { token });
    const taken = String(users.value[0].userPrincipalName).toUpperCase();
    await refuses('graph', () => bench.send('/msgraph/v1.0/users', { token }), [
      wrong('no name', 'users', { ...user, userPrincipalName: undefined }, 400, 'InvalidRequestContent'),
      wrong('a name that is no address', 'users', { ...user, userPrincipalName: 'new' }, 400, 'InvalidUserName'),
      wrong(
        'a password that is too short',
        'users',
        { ...user, passwordProfile: { password: 'x' } },
        400,
        'InvalidPassword',
      ),
      wrong('a name that is taken, in capitals', 'users', { ...user, userPrincipalName: taken }, 409, 'UserExists'),
      wrong('an application without a name', 'applications', {}, 400, 'InvalidRequestContent'),
    ]);
  });
});

test('a path with dot segments is refused on every surface before anything is decided, in its own words', async () => {
  const token = await bench.ownerToken();
  for (const [surface, host, path] of [
    ['mlflow', 'localhost', `/mlflow/v1.0${workspace}/api/2.0/mlflow-artifacts/artifacts/a/%2e%2e/%2e%2e/x`],
    ['blob', 'dataaccount.blob.storage.localhost', '/box/../../kept.txt'],
    ['keyvault', 'data-vault.vault.localhost', '/secrets/%2e%2e/keys'],
    ['oci', 'localhost', '/v2/dataregistry/../x/manifests/1'],
    ['scoring', 'localhost', '/endpoints/a/../../healthz'],
  ] as const) {
    const reply = await bench.send(path, { host, token });
    assert.equal(reply.status, 400, `${path}: ${reply.text}`);
    assert.match(reply.text, /dot segment/);
    mannerOf(surface).envelope(reply);
  }
});
