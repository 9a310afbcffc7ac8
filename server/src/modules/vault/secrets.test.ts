// Secrets over the door with raw requests: the protocol that public clients speak, what is refused and in which order, and
// that no value is anywhere but in the answer to a reading.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { closeScanPool, tables } from '#kernel/database/database';
import { houseGrant } from '#kernel/testing/authority';
import { hostOf, openVaults, rootHost, tenantId, vaultId } from './testing.ts';

after(() => closeScanPool());

const host = hostOf('rooms');
const dayMs = 86_400_000;

test('the first request without a token is told where to get one, and its body is not read', async (t) => {
  const { call } = await openVaults(t, 'rooms', 'main');
  const challenge = async (at: string, path = '/secrets/s') => {
    const answer = await call('PUT', path, { host: at, token: false });
    assert.equal(answer.status, 401);
    assert.equal(answer.body.error.code, 'Unauthorized');
    return answer.headers['www-authenticate'];
  };
  const authorization = `authorization="https://localhost:8443/${tenantId}"`;
  assert.equal(await challenge(host), `Bearer ${authorization}, resource="https://vault.localhost:8443"`);
  // Tokens are made for the configured domain, whatever port or name the request came in by.
  assert.equal(await challenge('rooms.vault.localhost:9999'), await challenge(host));
  assert.equal(await challenge('127.0.0.1:8443'), await challenge(rootHost));
  assert.equal(await challenge(rootHost), `Bearer ${authorization}, resource="https://vault.localhost:8443"`);
  assert.equal(await challenge(host, '/secrets//s/'), await challenge(host));
});

test('a secret is set, read by version and latest, listed without its value, and updated', async (t) => {
  const { call, clock } = await openVaults(t, 'rooms');
  const first = await call('PUT', '/secrets/Db-Password', {
    host,
    body: { value: 'one', contentType: 'text/plain', tags: { a: 'b' }, attributes: { exp: 1893456000 } },
  });
  assert.equal(first.status, 200);
  assert.match(first.body.id, /^https:\/\/rooms\.vault\.localhost:8443\/secrets\/Db-Password\/[0-9a-f]{32}$/);
  assert.deepEqual(first.body.attributes, {
    enabled: true,
    exp: 1893456000,
    created: clock.epochMs() / 1000,
    updated: clock.epochMs() / 1000,
    recoveryLevel: 'Recoverable+Purgeable',
    recoverableDays: 90,
  });
  assert.equal(first.headers['cache-control'], 'no-store');
  assert.equal(typeof first.headers['x-ms-request-id'], 'string');
  const second = await call('PUT', '/secrets/db-password', { host, body: { value: 'zwei ✓' } });
  assert.match(second.body.id, /Db-Password/);
  assert.equal((await call('GET', '/secrets/db-password/', { host })).body.value, 'zwei ✓');
  const version = first.body.id.split('/').pop();
  assert.equal((await call('GET', `/secrets/db-password/${version}`, { host })).body.value, 'one');
  const listed = await call('GET', '/secrets', { host });
  assert.equal(listed.body.value.length, 1);
  assert.equal(listed.body.value[0].id, 'https://rooms.vault.localhost:8443/secrets/Db-Password');
  const versions = await call('GET', '/secrets/db-password/versions', { host });
  assert.equal(versions.body.value.length, 2);
  assert.equal(versions.body.value[0].id, first.body.id);
  assert.ok(!JSON.stringify([listed.body, versions.body]).includes('"value":"'));
  const updated = await call('PATCH', `/secrets/db-password/${version}`, {
    host,
    body: { attributes: { enabled: false }, tags: {} },
  });
  assert.deepEqual(
    [updated.body.attributes.enabled, updated.body.attributes.exp, updated.body.tags, updated.body.value],
    [false, 1893456000, undefined, undefined],
  );
  assert.equal(updated.body.contentType, 'text/plain');
});

test('ids are answered in the form of the host, and a path is answered with the host', async (t) => {
  const { call } = await openVaults(t, 'rooms', 'main');
  const idOf = async (at: string, path: string) =>
    (await call('PUT', path, { host: at, body: { value: 'v' } })).body.id.replace(/[0-9a-f]{32}$/, '');
  assert.equal(await idOf(host, '/secrets/s'), 'https://rooms.vault.localhost:8443/secrets/s/');
  assert.equal(await idOf('ROOMS.vault.localhost', '/secrets/s'), 'https://rooms.vault.localhost/secrets/s/');
  assert.equal(await idOf(rootHost, '/secrets/s'), 'https://localhost:8443/secrets/s/');
  assert.equal(await idOf('127.0.0.1:8443', '/secrets/s'), 'https://127.0.0.1:8443/secrets/s/');
  assert.equal(await idOf(rootHost, '/vaults/rooms/secrets/s'), 'https://rooms.vault.localhost:8443/secrets/s/');
  assert.equal((await call('GET', '/secrets/s/versions')).body.value.length, 2);
  assert.equal((await call('GET', '/secrets/s/versions', { host })).body.value.length, 3);
});

test('without a default vault, and below other hosts of the domain, the root serves no vault', async (t) => {
  const { call } = await openVaults(t, 'rooms');
  assert.equal((await call('GET', '/secrets')).status, 404);
  assert.equal((await call('GET', '/secrets', { host: 'acct.blob.storage.localhost:8443' })).status, 404);
  assert.equal((await call('GET', '/secrets', { host: 'a.b.vault.localhost:8443' })).status, 404);
  assert.equal((await call('GET', '/nothing', { host })).status, 404);
});

test('every other version of the protocol is taken, a malformed one is not', async (t) => {
  const { call } = await openVaults(t, 'rooms');
  for (const version of ['7.0', '7.4', '7.6-preview.2', '2016-10-01', '2025-07-01', '2025-06-01-preview'])
    assert.equal((await call('GET', `/secrets?api-version=${version}`, { host })).status, 200, version);
  for (const version of ['', 'latest', '7', '../7.4', '7.4;x', 'x'.repeat(500)]) {
    const answer = await call('GET', `/secrets?api-version=${encodeURIComponent(version)}`, { host });
    assert.equal(answer.status, 400, version);
    assert.equal(answer.body.error.code, 'BadParameter');
  }
});

test('who has no role is refused the same way at what exists and at what does not', async (t) => {
  const { call, caller } = await openVaults(t, 'rooms');
  await call('PUT', '/secrets/there', { host, body: { value: 'v' } });
  caller.allows = () => false;
  const answers = await Promise.all([
    call('GET', '/secrets/there', { host }),
    call('GET', '/secrets/missing', { host }),
    call('GET', '/secrets/bad_name', { host }),
    call('GET', '/secrets/s', { host: hostOf('nothing') }),
    call('PUT', '/secrets/s', { host: hostOf('nothing'), body: 'not json' }),
    call('DELETE', '/deletedsecrets/there', { host }),
  ]);
  for (const { status, body } of answers) {
    assert.equal(status, 403);
    assert.deepEqual(body, answers[0].body);
    assert.deepEqual(
      [body.error.code, body.error.innererror.code, JSON.stringify(body).includes('/subscriptions/')],
      ['Forbidden', 'ForbiddenByRbac', false],
    );
  }
  caller.allows = () => true;
  assert.equal((await call('GET', '/secrets/missing', { host })).body.error.code, 'SecretNotFound');
  const unknown = await call('GET', '/secrets/s', { host: hostOf('nothing') });
  assert.deepEqual([unknown.status, unknown.body.error.code], [404, 'VaultNotFound']);
});

test('each route needs its own action, at the secret or at the vault', async (t) => {
  const { call, caller } = await openVaults(t, 'rooms');
  await call('PUT', '/secrets/s', { host, body: { value: 'v' } });
  const seen: string[] = [];
  caller.allows = (action, scope) => {
    seen.push(`${action.replace('Microsoft.KeyVault/vaults/', '')} ${scope.replace(vaultId('rooms'), '')}`);
    return false;
  };
  for (const [method, path] of [
    ['PUT', '/secrets/s'],
    ['GET', '/secrets/s'],
    ['PATCH', '/secrets/s'],
    ['DELETE', '/secrets/s'],
    ['GET', '/secrets'],
    ['GET', '/secrets/s/versions'],
    ['GET', '/deletedsecrets'],
    ['GET', '/deletedsecrets/s'],
    ['POST', '/deletedsecrets/s/recover'],
    ['DELETE', '/deletedsecrets/s'],
  ] as const)
    assert.equal((await call(method, path, { host })).status, 403);
  assert.deepEqual(seen, [
    'secrets/setSecret/action /secrets/s',
    'secrets/getSecret/action /secrets/s',
    'secrets/update/action /secrets/s',
    'secrets/delete /secrets/s',
    'secrets/readMetadata/action ',
    'secrets/readMetadata/action /secrets/s',
    'secrets/readMetadata/action ',
    'secrets/readMetadata/action /secrets/s',
    'secrets/recover/action /secrets/s',
    'secrets/purge/action /secrets/s',
  ]);
});

test('a disabled secret does not show its value', async (t) => {
  const { call } = await openVaults(t, 'rooms');
  await call('PUT', '/secrets/s', { host, body: { value: 'v', attributes: { enabled: false } } });
  const refused = await call('GET', '/secrets/s', { host });
  assert.equal(refused.status, 403);
  assert.deepEqual([refused.body.error.code, refused.body.error.innererror.code], ['Forbidden', 'SecretDisabled']);
  await call('PATCH', '/secrets/s', { host, body: { attributes: { enabled: true, nbf: 4102444800, exp: 1 } } });
  assert.equal((await call('GET', '/secrets/s', { host })).body.value, 'v');
  const cleared = await call('PATCH', '/secrets/s', { host, body: { attributes: { nbf: null, exp: null } } });
  assert.deepEqual([cleared.body.attributes.nbf, cleared.body.attributes.exp], [undefined, undefined]);
});

test('a deleted name is blocked until it is recovered or purged, and gone when its retention ends', async (t) => {
  const { call, clock, server } = await openVaults(t, 'rooms');
  const set = (name: string) => call('PUT', `/secrets/${name}`, { host, body: { value: name } });
  for (const name of ['a', 'b', 'c']) await set(name);
  const deleted = await call('DELETE', '/secrets/a', { host });
  assert.equal(deleted.body.recoveryId, 'https://rooms.vault.localhost:8443/deletedsecrets/a');
  assert.equal(deleted.body.scheduledPurgeDate - deleted.body.deletedDate, 90 * 86_400);
  assert.equal(deleted.body.value, undefined);
  assert.equal((await call('GET', '/secrets/a', { host })).status, 404);
  assert.equal((await call('PATCH', '/secrets/a', { host, body: {} })).status, 404);
  assert.equal((await call('GET', '/secrets/a/versions', { host })).status, 404);
  assert.deepEqual((await call('GET', '/secrets/never/versions', { host })).body.value, []);
  assert.equal((await call('DELETE', '/secrets/a', { host })).status, 404);
  const blocked = await set('A');
  assert.deepEqual(
    [blocked.status, blocked.body.error.code, blocked.body.error.innererror.code],
    [409, 'Conflict', 'ObjectIsDeletedButRecoverable'],
  );
  assert.equal((await call('GET', '/deletedsecrets/a', { host })).status, 200);
  assert.equal((await call('GET', '/deletedsecrets/b', { host })).status, 404);
  assert.equal((await call('GET', '/deletedsecrets', { host })).body.value.length, 1);
  assert.equal((await call('GET', '/secrets', { host })).body.value.length, 2);
  assert.equal((await call('POST', '/deletedsecrets/a/recover', { host })).status, 200);
  assert.equal((await call('GET', '/secrets/a', { host })).body.value, 'a');

  await call('DELETE', '/secrets/b', { host });
  assert.equal((await call('DELETE', '/deletedsecrets/b', { host })).status, 204);
  assert.equal((await call('GET', '/deletedsecrets/b', { host })).status, 404);
  assert.equal((await set('b')).status, 200);

  await call('DELETE', '/secrets/c', { host });
  await clock.advance(90 * dayMs);
  assert.equal((await call('GET', '/deletedsecrets/c', { host })).status, 404);
  assert.equal((await call('POST', '/deletedsecrets/c/recover', { host })).status, 404);
  assert.equal((await call('GET', '/deletedsecrets', { host })).body.value.length, 0);
  assert.equal((await set('c')).status, 200);
  assert.equal((await call('GET', '/secrets/c/versions', { host })).body.value.length, 1);
  void server;
});

test('deleted secrets whose retention has ended are swept from the table', async (t) => {
  const { call, clock, server, database } = await openVaults(t, 'rooms');
  await call('PUT', '/secrets/s', { host, body: { value: 'v' } });
  await call('DELETE', '/secrets/s', { host });
  // The days pass before anything is started: three months of every periodic task would take minutes.
  await clock.advance(91 * dayMs);
  await server.tasks.start();
  await clock.advance(3_600_000);
  await server.tasks.stop();
  type Rows = { vault_versions: { name_key: string } };
  const left = await tables<Rows>(database.read).selectFrom('vault_versions').select('name_key').execute();
  assert.deepEqual(left, []);
});

test('purge protection is stronger than every role', async (t) => {
  const { call } = await openVaults(t, 'rooms');
  await call('PATCH', vaultId('rooms'), { body: { properties: { enablePurgeProtection: true } } });
  await call('PUT', '/secrets/s', { host, body: { value: 'v' } });
  await call('DELETE', '/secrets/s', { host });
  const refused = await call('DELETE', '/deletedsecrets/s', { host });
  assert.deepEqual([refused.status, refused.body.error.innererror.code], [403, 'ForbiddenByPolicy']);
  const shown = await call('GET', '/deletedsecrets/s', { host });
  assert.equal(shown.body.attributes.recoveryLevel, 'Recoverable');
});

test('lists come in pages that follow one another to the end', async (t) => {
  const { call } = await openVaults(t, 'rooms');
  const names = Array.from({ length: 30 }, (_, index) => `s${String(index).padStart(2, '0')}`);
  for (const name of names) await call('PUT', `/secrets/${name}`, { host, body: { value: name } });
  const seen: string[] = [];
  let link = `https://${host}/secrets?maxresults=7&api-version=7.4`;
  for (let pages = 0; link !== ''; pages++) {
    assert.ok(pages < 6);
    const { body } = await call('GET', link);
    seen.push(...body.value.map((item: { id: string }) => item.id.split('/').pop()));
    link = body.nextLink ?? '';
    assert.ok(link === '' || link.startsWith(`https://${host}/secrets?`));
  }
  assert.deepEqual(seen, names);
  assert.equal((await call('GET', '/secrets', { host })).body.value.length, 25);
  for (const query of ['maxresults=0', 'maxresults=26', 'maxresults=x', 'maxresults=-1', '$skiptoken=Li4v'])
    assert.equal((await call('GET', `/secrets?${query}`, { host })).status, 400, query);
  // A name that is percent-encoded is the same name.
  assert.equal((await call('GET', '/secrets?%24skiptoken=czI4', { host })).body.value.length, 1);
  for (let version = 0; version < 3; version++) await call('PUT', '/secrets/s00', { host, body: { value: 'x' } });
  const first = await call('GET', '/secrets/s00/versions?maxresults=3', { host });
  const second = await call('GET', first.body.nextLink);
  assert.deepEqual([first.body.value.length, second.body.value.length, second.body.nextLink], [3, 1, null]);
});

test('versions that are set at the same time are all kept, each with its own value', async (t) => {
  const { call } = await openVaults(t, 'rooms');
  const values = Array.from({ length: 12 }, (_, index) => `value ${index}`);
  const set = await Promise.all(values.map((value) => call('PUT', '/secrets/s', { host, body: { value } })));
  for (const [index, { body }] of set.entries()) {
    const read = await call('GET', new URL(body.id).pathname, { host });
    assert.equal(read.body.value, values[index]);
  }
  assert.equal((await call('GET', '/secrets/s/versions', { host })).body.value.length, 12);
});

test('hostile names, versions, bodies and sizes are refused', async (t) => {
  const { call } = await openVaults(t, 'rooms');
  for (const name of [
    'a_b',
    'a.b',
    'a%20b',
    '%00',
    'a%2fb',
    '..',
    '%2e%2e',
    'a%5cb',
    'é',
    'a'.repeat(128),
    "x'--",
    '%',
  ])
    assert.ok(
      [400, 404].includes((await call('PUT', `/secrets/${name}`, { host, body: { value: 'v' } })).status),
      name,
    );
  for (const name of ['__proto__x', 'constructor', 'versions', 'a'.repeat(127)]) {
    const { status } = await call('PUT', `/secrets/${name}`, { host, body: { value: 'v' } });
    assert.equal(status, /^[0-9a-zA-Z-]+$/.test(name) ? 200 : 400, name);
  }
  for (const version of ['x', 'a'.repeat(31), `${'a'.repeat(31)}g`])
    assert.equal((await call('GET', `/secrets/versions/${version}`, { host })).status, 400);
  assert.equal((await call('GET', `/secrets/versions/${'a'.repeat(32)}`, { host })).status, 404);
  const bodies = [
    {},
    { value: 1 },
    { value: null },
    'x',
    '{"value":"v","__proto__":{}}',
    { value: 'v', attributes: { enabled: 'yes' } },
    { value: 'v', attributes: { exp: -1 } },
    { value: 'v', tags: { a: 1 } },
    { value: 'v', tags: Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`t${index}`, ''])) },
    { value: 'v', tags: { a: 'x'.repeat(257) } },
    { value: 'v', contentType: 'x'.repeat(256) },
    { value: '\ud800' },
    { value: 'x'.repeat(25 * 1024 + 1) },
    { value: '✓'.repeat(9000) },
  ];
  for (const body of bodies) {
    const answer = await call('PUT', '/secrets/s', { host, body });
    assert.equal(answer.status, 400, JSON.stringify(body).slice(0, 80));
    assert.equal(answer.body.error.code, 'BadParameter');
  }
  assert.equal((await call('PUT', '/secrets/s', { host, body: { value: 'x'.repeat(300_000) } })).status, 413);
  const largest = '\u0001'.repeat(25 * 1024);
  assert.equal((await call('PUT', '/secrets/s', { host, body: { value: largest } })).status, 200);
  assert.equal((await call('GET', '/secrets/s', { host })).body.value, largest);
  assert.equal((await call('PUT', '/secrets/s', { host, body: { value: '' } })).status, 200);
  assert.equal((await call('GET', '/secrets/s', { host })).body.value, '');
});

test('sealed values that are moved to another name, version or vault do not open', async (t) => {
  const { call, database } = await openVaults(t, 'rooms', 'other');
  const set = async (name: string, at = host) =>
    (await call('PUT', `/secrets/${name}`, { host: at, body: { value: `value of ${name}` } })).body.id.split('/').pop();
  const versions = { a: await set('a'), a2: await set('a'), b: await set('b'), c: await set('c', hostOf('other')) };
  type Rows = { vault_versions: { version: string; sealed: Uint8Array } };
  const rows = () => tables<Rows>(database.read).selectFrom('vault_versions').select(['version', 'sealed']);
  const sealed = new Map((await rows().execute()).map((row) => [row.version, row.sealed]));
  const put = (version: string, bytes: Uint8Array | undefined) =>
    database.write((tx) =>
      tables<Rows>(tx)
        .updateTable('vault_versions')
        .set({ sealed: bytes ?? new Uint8Array() })
        .where('version', '=', version)
        .execute(),
    );
  for (const from of [versions.a2, versions.b, versions.c]) {
    await put(versions.a, sealed.get(from));
    const answer = await call('GET', `/secrets/a/${versions.a}`, { host });
    assert.equal(answer.status, 500);
    assert.equal(answer.body.error.code, 'IntegrityCheckFailed');
  }
  await put(versions.a, sealed.get(versions.a));
  assert.equal((await call('GET', `/secrets/a/${versions.a}`, { host })).body.value, 'value of a');
});

test('a value is found nowhere in the data folder and nowhere in the audit log', async (t) => {
  const { call, folder, server } = await openVaults(t, 'rooms');
  const canary = 'CANARY-52f1-secret-value';
  await call('PUT', '/secrets/s', { host, body: { value: canary } });
  await call('GET', '/secrets/s', { host });
  const granted = houseGrant();
  assert.equal((await server.vaults.getSecret(granted, vaultId('rooms'), 's')).expose(), canary);
  for (const name of await readdir(folder)) {
    const bytes = await readFile(join(folder, name));
    assert.equal(bytes.indexOf(canary), -1, name);
    assert.equal(bytes.indexOf(Buffer.from(canary).toString('base64').slice(0, 24)), -1, name);
  }
  assert.ok(!JSON.stringify(server.audit.entries).includes('CANARY'));
});

test('every call is recorded with the name of the secret, reading and refusals included', async (t) => {
  const { call, server, caller } = await openVaults(t, 'rooms');
  const from = server.audit.entries.length;
  await call('PUT', '/secrets/s', { host, body: { value: 'v', attributes: { enabled: true } } });
  await call('GET', '/secrets/s', { host });
  caller.allows = () => false;
  await call('GET', '/secrets/s', { host });
  const seen = server.audit.entries
    .slice(from)
    .map(({ level, intent, outcome }) => [level, intent.operation, intent.parameters, outcome?.status]);
  assert.deepEqual(seen, [
    ['activity', 'Secrets_Set', { vault: 'rooms', name: 's', 'attributes.enabled': true }, 200],
    ['activity', 'Secrets_Get', { vault: 'rooms', name: 's' }, 200],
    ['refused', 'Secrets_Get', { vault: 'rooms', name: 's' }, 403],
  ]);
});

test('other modules set, read and delete secrets by a further permission of their caller, and it is recorded', async (t) => {
  const { server, caller } = await openVaults(t, 'rooms');
  const { vaults, grants, audit } = server;
  const grant = grants.as({ objectId: 'o', name: 'workspace' }, { name: 'any', plane: 'data' }, '/', 'test');
  const version = await vaults.setSecret(grant, vaultId('ROOMS'), 'key', 'value');
  assert.equal((await vaults.getSecret(grant, vaultId('rooms'), 'key', version)).expose(), 'value');
  assert.equal(String(await vaults.getSecret(grant, vaultId('rooms'), 'key')), '[redacted]');
  await assert.rejects(vaults.getSecret(grant, vaultId('nothing'), 'key'), { code: 'VaultNotFound' });
  assert.equal(await vaults.deleteSecret(grant, vaultId('rooms'), 'key'), true);
  assert.equal(await vaults.deleteSecret(grant, vaultId('rooms'), 'key'), false);
  caller.allows = (action) => !action.includes('getSecret');
  const from = audit.entries.length;
  await assert.rejects(vaults.getSecret(grant, vaultId('rooms'), 'key'), { code: 'AuthorizationFailed' });
  const entry = audit.entries[from];
  assert.deepEqual([entry?.level, entry?.intent.operation, entry?.outcome?.status], ['refused', 'Secrets_Get', 403]);
});
