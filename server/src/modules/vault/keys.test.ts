// Keys over the door: what is generated, what each operation needs, what a disabled or expired key still does, and that the
// private half is never answered. What leaves is checked with the runtime's own cryptography, not with ours.

import assert from 'node:assert/strict';
import { constants, createPublicKey, generateKeyPairSync, publicEncrypt, randomBytes, verify } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { sha256 } from '#kernel/crypto/digest';
import { closeScanPool } from '#kernel/database/database';
import { type Answered, type Call, hostOf, openVaults, rootHost, vaultId } from './testing.ts';

after(() => closeScanPool());

const host = hostOf('rooms');
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
type Caller = (method: string, path: string, call?: Call) => Promise<Answered>;

async function create(call: Caller, name: string, body: object = {}) {
  const made = await call('POST', `/keys/${name}/create`, { host, body: { kty: 'RSA', ...body } });
  assert.equal(made.status, 200, JSON.stringify(made.body));
  return made.body;
}
const versionOf = (bundle: { key: { kid: string } }) => bundle.key.kid.split('/').pop() ?? '';
const publicKey = ({ n, e }: { n: string; e: string }) => createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' });

test('a key is created, read, listed and updated, and shows its public half only', async (t) => {
  const { call } = await openVaults(t, 'rooms');
  const made = await create(call, 'Data-Key', { key_size: 3072, tags: { a: 'b' } });
  assert.match(made.key.kid, /^https:\/\/rooms\.vault\.localhost:8443\/keys\/Data-Key\/[0-9a-f]{32}$/);
  assert.deepEqual(Object.keys(made.key).sort(), ['e', 'key_ops', 'kid', 'kty', 'n']);
  assert.equal(Buffer.from(made.key.n, 'base64url').length, 384);
  assert.equal(made.attributes.exportable, false);
  const read = await call('GET', `/keys/data-key/${versionOf(made)}`, { host });
  assert.deepEqual(read.body, made);
  const updated = await call('PATCH', '/keys/data-key', {
    host,
    body: { attributes: { exp: 1893456000 }, key_ops: ['wrapKey', 'unwrapKey'] },
  });
  assert.deepEqual([updated.body.attributes.exp, updated.body.key.key_ops], [1893456000, ['wrapKey', 'unwrapKey']]);
  assert.equal(updated.body.key.n, made.key.n);
  const rotated = await call('POST', '/keys/data-key/rotate', { host });
  assert.notEqual(versionOf(rotated.body), versionOf(made));
  assert.deepEqual(
    [rotated.body.key.key_ops, rotated.body.key.n.length],
    [['wrapKey', 'unwrapKey'], made.key.n.length],
  );
  const listed = await call('GET', '/keys', { host });
  assert.deepEqual(
    listed.body.value.map((item: { kid: string }) => item.kid),
    ['https://rooms.vault.localhost:8443/keys/Data-Key'],
  );
  assert.equal((await call('GET', '/keys/data-key/versions', { host })).body.value.length, 2);
});

test('what is not served is refused by name', async (t) => {
  const { call } = await openVaults(t, 'rooms');
  const wrong = [
    { kty: 'toString' },
    { key_size: 1024 },
    { key_size: 2049 },
    { public_exponent: 3 },
    { key_ops: ['export'] },
    { attributes: { exportable: true } },
    { release_policy: { data: 'x' } },
  ];
  for (const body of wrong) {
    const answer = await call('POST', '/keys/k/create', { host, body: { kty: 'RSA', ...body } });
    assert.deepEqual([answer.status, answer.body.error.code], [400, 'BadParameter'], JSON.stringify(body));
  }
  for (const [kty, named] of [
    ['EC', /Elliptic-curve/],
    ['EC-HSM', /hardware/],
    ['RSA-HSM', /hardware/],
    ['oct', /Symmetric/],
  ] as const) {
    const { status, body } = await call('POST', '/keys/k/create', { host, body: { kty } });
    assert.deepEqual([status, body.error.code], [501, 'KeyTypeNotServed'], kty);
    assert.match(body.error.message, named);
  }
  assert.equal((await call('GET', '/keys/k', { host })).body.error.code, 'KeyNotFound');
});

test('operations of the protocol that are not served say so, to whoever is signed in, and a key may still be called like one', async (t) => {
  const { call } = await openVaults(t, 'rooms');
  const calls = [
    ['GET', '/certificates'],
    ['POST', '/certificates/c/create'],
    ['GET', '/deletedcertificates/c'],
    ['POST', '/keys/k/backup'],
    ['GET', '/keys/k/rotationpolicy'],
    ['PUT', '/keys/k/rotationpolicy'],
    ['POST', `/keys/k/${'0'.repeat(32)}/release`],
    ['POST', '/rng'],
    ['POST', '/secrets/s/backup'],
    ['POST', '/secrets/restore'],
    ['POST', '/keys/restore'],
  ] as const;
  for (const [method, path] of calls) {
    const answer = await call(method, path, { host, ...(method === 'GET' ? {} : { body: {} }) });
    assert.deepEqual([answer.status, answer.body.error.code], [501, 'OperationNotSupported'], path);
  }
  await create(call, 'backup');
  assert.equal((await call('GET', '/keys/backup', { host })).status, 200);
});

test('what anybody encrypts with the public half the vault decrypts and unwraps, by version and by the latest', async (t) => {
  const { call } = await openVaults(t, 'rooms', 'main');
  const made = await create(call, 'k');
  const plain = randomBytes(32);
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  for (const [alg, oaepHash] of [
    ['RSA-OAEP', 'sha1'],
    ['RSA-OAEP-256', 'sha256'],
  ] as const) {
    const sealed = publicEncrypt({ key: publicKey(made.key), padding, oaepHash }, plain);
    for (const path of [
      `/keys/k/${versionOf(made)}/decrypt`,
      '/keys/k//decrypt',
      `/keys/k/${versionOf(made)}/unwrapkey`,
    ]) {
      const answer = await call('POST', path, { host, body: { alg, value: text(sealed) } });
      assert.deepEqual(answer.body, { kid: made.key.kid, value: text(plain) });
    }
    const wrapped = await call('POST', '/keys/k/wrapkey', { host, body: { alg, value: text(plain) } });
    const back = await call('POST', '/keys/k/unwrapkey', { host, body: { alg, value: wrapped.body.value } });
    assert.equal(back.body.value, text(plain));
  }
  const rooted = await call('POST', '/keys/k/create', { host: rootHost, body: { kty: 'RSA' } });
  assert.match(rooted.body.key.kid, /^https:\/\/localhost:8443\/keys\/k\//);
});

test('signatures over digests verify with the runtime and with the vault', async (t) => {
  const { call } = await openVaults(t, 'rooms');
  const made = await create(call, 'k');
  const message = Buffer.from('to be signed');
  const digest = text(sha256(message));
  for (const [alg, padding] of [
    ['RS256', constants.RSA_PKCS1_PADDING],
    ['PS256', constants.RSA_PKCS1_PSS_PADDING],
  ] as const) {
    const { body } = await call('POST', '/keys/k/sign', { host, body: { alg, value: digest } });
    assert.ok(verify('sha256', message, { key: publicKey(made.key), padding }, Buffer.from(body.value, 'base64url')));
    const check = async (value: string, over = digest) =>
      (await call('POST', '/keys/k/verify', { host, body: { alg, digest: over, value } })).body.value;
    assert.equal(await check(body.value), true);
    assert.equal(await check(body.value, text(sha256('else'))), false);
    assert.equal(await check(text(randomBytes(256))), false);
    assert.equal(await check(text(randomBytes(5))), false);
  }
});

test('what needs the public half alone opens no private one, and is refused for a disabled or expired key as before', async (t) => {
  const { server, call, clock } = await openVaults(t, 'rooms');
  await create(call, 'k');
  const digest = text(randomBytes(32));
  const wrap = { alg: 'RSA-OAEP-256', value: text(randomBytes(32)) };
  const { value: wrapped } = (await call('POST', '/keys/k/encrypt', { host, body: wrap })).body;
  const { value: signature } = (await call('POST', '/keys/k/sign', { host, body: { alg: 'PS256', value: digest } }))
    .body;
  const bodies = {
    encrypt: wrap,
    wrapkey: wrap,
    verify: { alg: 'PS256', digest, value: signature },
    decrypt: { alg: 'RSA-OAEP-256', value: wrapped },
    unwrapkey: { alg: 'RSA-OAEP-256', value: wrapped },
    sign: { alg: 'PS256', value: digest },
  };
  /** The answer's status, and how often anything that is sealed was opened for it. */
  const asked = async (word: keyof typeof bodies) => {
    const before = server.opened.length;
    const { status } = await call('POST', `/keys/k/${word}`, { host, body: bodies[word] });
    return [word, status, server.opened.length - before];
  };
  const words = Object.keys(bodies) as (keyof typeof bodies)[];
  const all = async () => {
    const answers = [];
    for (const word of words) answers.push(await asked(word));
    return answers;
  };
  assert.deepEqual(await all(), [
    ['encrypt', 200, 0],
    ['wrapkey', 200, 0],
    ['verify', 200, 0],
    ['decrypt', 200, 1],
    ['unwrapkey', 200, 1],
    ['sign', 200, 1],
  ]);
  const attributes = (changed: object) => call('PATCH', '/keys/k', { host, body: { attributes: changed } });
  assert.equal((await attributes({ exp: Math.floor(clock.epochMs() / 1000) - 1 })).status, 200);
  assert.deepEqual(await all(), [
    ['encrypt', 403, 0],
    ['wrapkey', 403, 0],
    ['verify', 200, 0],
    ['decrypt', 200, 1],
    ['unwrapkey', 200, 1],
    ['sign', 403, 0],
  ]);
  assert.equal((await attributes({ enabled: false })).status, 200);
  assert.deepEqual(
    await all(),
    words.map((word) => [word, 403, 0]),
  );
});

test('wrong algorithms, values that do not fit and values that do not open are the caller’s mistake', async (t) => {
  const { call } = await openVaults(t, 'rooms');
  await create(call, 'k');
  for (const [word, body] of [
    ['encrypt', { alg: 'RSA1_5', value: 'AAAA' }],
    ['encrypt', { alg: 'RS256', value: 'AAAA' }],
    ['sign', { alg: 'RSA-OAEP', value: text(randomBytes(32)) }],
    ['sign', { alg: 'none', value: text(randomBytes(32)) }],
    ['sign', { alg: 'RS256', value: text(randomBytes(20)) }],
    ['verify', { alg: 'HS256', digest: text(randomBytes(32)), value: 'AAAA' }],
    ['encrypt', { alg: 'RSA-OAEP-256', value: text(randomBytes(191)) }],
    ['decrypt', { alg: 'RSA-OAEP-256', value: text(randomBytes(256)) }],
    ['unwrapkey', { alg: 'RSA-OAEP', value: text(randomBytes(7)) }],
    ['encrypt', { alg: '__proto__', value: 'AAAA' }],
    ['encrypt', { alg: 'RSA-OAEP' }],
    ['encrypt', { alg: 'RSA-OAEP', value: 'not base64!' }],
    ['encrypt', { alg: 'RSA-OAEP', value: 'A'.repeat(4096) }],
  ] as const) {
    const answer = await call('POST', `/keys/k/${word}`, { host, body });
    assert.deepEqual([answer.status, answer.body.error.code], [400, 'BadParameter'], `${word} ${body.alg}`);
  }
  assert.equal((await call('POST', '/keys/k/attest', { host, body: {} })).status, 405);
});

test('a disabled key does nothing; one outside its times still reads; key_ops bind', async (t) => {
  const { call, clock } = await openVaults(t, 'rooms');
  const made = await create(call, 'k');
  const now = clock.epochMs() / 1000;
  const alg = 'RSA-OAEP-256';
  const value = text(randomBytes(32));
  const wrapped = (await call('POST', '/keys/k/wrapkey', { host, body: { alg, value } })).body.value;
  const digest = text(sha256('x'));
  const signature = (await call('POST', '/keys/k/sign', { host, body: { alg: 'RS256', value: digest } })).body.value;
  const outcomes = async () => {
    const uses = [
      ['encrypt', { alg, value }],
      ['decrypt', { alg, value: wrapped }],
      ['wrapkey', { alg, value }],
      ['unwrapkey', { alg, value: wrapped }],
      ['sign', { alg: 'RS256', value: digest }],
      ['verify', { alg: 'RS256', digest, value: signature }],
    ] as const;
    const answers = await Promise.all(uses.map(([word, body]) => call('POST', `/keys/k/${word}`, { host, body })));
    return answers.map(({ status, body }) => (status === 200 ? 200 : body.error.innererror.code));
  };
  const patch = (body: object) => call('PATCH', `/keys/k/${versionOf(made)}`, { host, body });
  assert.deepEqual(await outcomes(), Array(6).fill(200));
  await patch({ attributes: { enabled: false } });
  assert.deepEqual(await outcomes(), Array(6).fill('KeyDisabled'));
  assert.equal((await call('GET', '/keys/k', { host })).status, 200);
  await patch({ attributes: { enabled: true, exp: now } });
  assert.deepEqual(await outcomes(), ['KeyExpired', 200, 'KeyExpired', 200, 'KeyExpired', 200]);
  await patch({ attributes: { exp: null, nbf: now + 60 } });
  assert.deepEqual(await outcomes(), ['KeyNotYetValid', 200, 'KeyNotYetValid', 200, 'KeyNotYetValid', 200]);
  await patch({ attributes: { nbf: null }, key_ops: ['unwrapKey'] });
  const no = 'KeyOperationNotPermitted';
  assert.deepEqual(await outcomes(), [no, no, no, 200, no, no]);
});

test('each use needs its own action at the key', async (t) => {
  const { call, caller } = await openVaults(t, 'rooms');
  const seen: string[] = [];
  caller.allows = (action, scope) => {
    seen.push(`${action.replace('Microsoft.KeyVault/vaults/keys/', '')} ${scope.replace(vaultId('rooms'), '')}`);
    return false;
  };
  const version = 'a'.repeat(32);
  for (const word of ['encrypt', 'decrypt', 'wrapkey', 'unwrapkey', 'sign', 'verify'])
    assert.equal((await call('POST', `/keys/k/${version}/${word}`, { host, body: {} })).status, 403);
  for (const [method, path] of [
    ['POST', '/keys/k/create'],
    ['PUT', '/keys/k'],
    ['POST', '/keys/k/rotate'],
    ['GET', '/keys/k'],
    ['PATCH', '/keys/k'],
    ['DELETE', '/keys/k'],
    ['GET', '/keys'],
    ['POST', '/deletedkeys/k/recover'],
    ['DELETE', '/deletedkeys/k'],
  ] as const)
    assert.equal((await call(method, path, { host })).status, 403);
  assert.deepEqual(seen, [
    'encrypt/action /keys/k',
    'decrypt/action /keys/k',
    'wrap/action /keys/k',
    'unwrap/action /keys/k',
    'sign/action /keys/k',
    'verify/action /keys/k',
    'create/action /keys/k',
    'import/action /keys/k',
    'rotate/action /keys/k',
    'read /keys/k',
    'update/action /keys/k',
    'delete /keys/k',
    'read ',
    'recover/action /keys/k',
    'purge/action /keys/k',
  ]);
});

test('an imported key is the same key, however its numbers are padded; parts that do not belong together are refused', async (t) => {
  const { call } = await openVaults(t, 'rooms');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = privateKey.export({ format: 'jwk' });
  const padded = (part: string | undefined) =>
    text(Buffer.concat([Buffer.of(0), Buffer.from(part ?? '', 'base64url')]));
  const { n, e, d, p, q, dp, dq, qi } = jwk;
  const key = { kty: 'RSA', n: padded(n), e, d, p: padded(p), q, dp, dq, qi, key_ops: ['sign'] };
  const made = await call('PUT', '/keys/k', { host, body: { key } });
  assert.equal(made.status, 200, JSON.stringify(made.body));
  assert.deepEqual([made.body.key.n, made.body.key.key_ops, made.body.key.d], [n, ['sign'], undefined]);
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
  for (const wrong of [
    { ...key, d: undefined },
    { ...key, dp: other.dp },
    { ...key, n: other.n },
    { ...key, kty: 'none' },
  ])
    assert.equal((await call('PUT', '/keys/k', { host, body: { key: wrong } })).status, 400);
  assert.equal((await call('PUT', '/keys/k', { host, body: { key, Hsm: true } })).status, 400);
});

test('a deleted key cannot be used until it is recovered, and a purged one never again', async (t) => {
  const { call } = await openVaults(t, 'rooms');
  await create(call, 'k');
  const use = () => call('POST', '/keys/k/encrypt', { host, body: { alg: 'RSA-OAEP', value: 'AAAA' } });
  const deleted = await call('DELETE', '/keys/k', { host });
  assert.equal(deleted.body.recoveryId, 'https://rooms.vault.localhost:8443/deletedkeys/k');
  assert.equal((await use()).body.error.code, 'KeyNotFound');
  assert.equal((await call('GET', '/deletedkeys', { host })).body.value[0].recoveryId, deleted.body.recoveryId);
  assert.equal((await call('POST', '/deletedkeys/k/recover', { host })).body.key.kid, deleted.body.key.kid);
  assert.equal((await use()).status, 200);
  await call('DELETE', '/keys/k', { host });
  assert.equal((await call('DELETE', '/deletedkeys/k', { host })).status, 204);
  assert.equal((await call('GET', '/deletedkeys/k', { host })).status, 404);
  assert.equal((await use()).status, 404);
});

test('private halves and what they protect are not on disk and not in the audit log', async (t) => {
  const { call, folder, server } = await openVaults(t, 'rooms');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { n, e, d, p, q, dp, dq, qi } = privateKey.export({ format: 'jwk' });
  await call('PUT', '/keys/k', { host, body: { key: { kty: 'RSA', n, e, d, p, q, dp, dq, qi } } });
  const canary = Buffer.from('CANARY-9c33-wrapped');
  const wrapped = await call('POST', '/keys/k/wrapkey', { host, body: { alg: 'RSA-OAEP', value: text(canary) } });
  await call('POST', '/keys/k/unwrapkey', { host, body: { alg: 'RSA-OAEP', value: wrapped.body.value } });
  const prime = Buffer.from(p ?? '', 'base64url').subarray(8, 40);
  for (const name of await readdir(folder)) {
    const bytes = await readFile(join(folder, name));
    for (const part of [prime, Buffer.from(d ?? '').subarray(0, 40), canary])
      assert.equal(bytes.indexOf(part), -1, name);
  }
  const recorded = JSON.stringify(server.audit.entries);
  assert.ok(!recorded.includes(text(canary)) && !recorded.includes(wrapped.body.value) && !recorded.includes(d ?? '-'));
  assert.ok(server.audit.entries.some(({ intent }) => intent.operation === 'Keys_unwrapkeyWithLatest'));
});
