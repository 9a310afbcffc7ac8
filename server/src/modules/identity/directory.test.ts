// The directory and its beginnings: what the first start makes, what later starts find, and what is never stored.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { tables } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { firstStart } from './index.ts';
import { openIdentityBench } from './testing.ts';

const bench = await openIdentityBench();
after(() => bench.close());
const { boot, database, identity, clock } = bench;
const { directory } = identity;
const failsWith = (code: string) => (error: unknown) => error instanceof Failure && error.code === code;

test('the first start gives out credentials, a later one only ids', async () => {
  const again = await firstStart(database, clock);
  assert.equal(again.credentials, undefined);
  assert.equal(again.tenantId, boot.tenantId);
  assert.equal(again.subscriptionId, boot.subscriptionId);
  assert.deepEqual(again.administrator, boot.administrator);
  assert.deepEqual(again.automation, boot.automation);
  assert.equal(identity.tenant.tenantId, boot.tenantId);
});

test('principals are found by id, name and client id, with what they are', async () => {
  const administrator = await directory.findPrincipal(boot.administrator.objectId.toUpperCase());
  assert.equal(administrator?.kind, 'user');
  assert.equal(administrator?.displayName, 'Administrator');
  assert.match(boot.administrator.userName, /^admin-[a-z]{5}@strongroom\.local$/, 'no name that everybody knows');
  const loud = boot.administrator.userName.toUpperCase();
  assert.equal((await directory.findUser(loud))?.objectId, boot.administrator.objectId);
  assert.equal((await directory.findByClientId(boot.automation.clientId))?.objectId, boot.automation.objectId);
  for (const id of ['', "' or 1=1 --", '11111111-1111-4111-8111-111111111111', 'x'.repeat(10_000)])
    assert.equal(await directory.findPrincipal(id), undefined);
  const both = [boot.administrator.objectId, boot.automation.objectId];
  assert.equal((await directory.findPrincipals([...both, 'nonsense'])).length, 2);
  assert.deepEqual(await directory.findPrincipals([]), []);
});

test('neither passwords nor secrets are in the database', async () => {
  const everything: unknown[] = [];
  for (const table of ['users', 'application_secrets', 'identity_settings', 'openid_records'] as const)
    everything.push(
      ...(await tables<Record<string, Record<string, unknown>>>(database.read).selectFrom(table).selectAll().execute()),
    );
  const text = JSON.stringify(everything);
  assert.ok(text.includes('$argon2id$'));
  assert.ok(!text.includes(boot.credentials.password));
  assert.ok(!text.includes(boot.credentials.clientSecret));
});

test('a user name is taken once, whatever its case', async () => {
  const passwordHash = await directory.hashPassword('a long enough password');
  const user = { userName: 'Eve@strongroom.local', displayName: 'Eve', passwordHash };
  await database.write((tx) => directory.createUser(tx, user));
  const twin = { ...user, userName: 'eve@STRONGROOM.local' };
  await assert.rejects(
    database.write((tx) => directory.createUser(tx, twin)),
    failsWith('UserExists'),
  );
  const nameless = { ...user, userName: 'no name' };
  await assert.rejects(
    database.write((tx) => directory.createUser(tx, nameless)),
    failsWith('InvalidUserName'),
  );
  assert.equal((await directory.listKind('user', { limit: 10 })).length, 2, 'what failed left nothing behind');
});

test('secrets expire, can be removed, and belong to one application', async () => {
  const { clientId, objectId } = await database.write((tx) => directory.createApplication(tx, { name: 'pipeline' }));
  const first = await database.write((tx) => directory.addSecret(tx, clientId, { lifetimeDays: 1 }));
  const second = await database.write((tx) => directory.addSecret(tx, clientId));
  const secretOf = async (id: string, secret: string) => (await directory.findBySecret(id, secret))?.secretId;
  assert.equal(await secretOf(clientId, first.secret), first.secretId);
  assert.equal(await secretOf(clientId, second.secret), second.secretId);
  assert.equal(await secretOf(boot.automation.clientId, first.secret), undefined);
  clock.jump(86_400_000);
  assert.equal(await secretOf(clientId, first.secret), undefined);
  assert.equal(
    await database.write((tx) => directory.removeSecret(tx, boot.automation.clientId, second.secretId)),
    false,
  );
  assert.equal(await database.write((tx) => directory.removeSecret(tx, clientId, second.secretId)), true);
  assert.equal(await secretOf(clientId, second.secret), undefined);
  const endless = database.write((tx) => directory.addSecret(tx, clientId, { lifetimeDays: 10_000 }));
  await assert.rejects(endless, failsWith('InvalidLifetime'));
  await database.write((tx) => directory.removePrincipal(tx, objectId));
  assert.equal(await directory.findByClientId(clientId), undefined);
});

test('an identity whose transaction fails was never made', async () => {
  const resourceId = '/subscriptions/s/resourceGroups/g/providers/Ns.X/t/n';
  const failing = database.write(async (tx) => {
    await directory.createManagedIdentity(tx, { resourceId, name: 'n' });
    throw new Error('something else went wrong');
  });
  await assert.rejects(failing);
  assert.equal(await directory.findManagedIdentity(resourceId), undefined);
  await database.write((tx) => directory.removeManagedIdentity(tx, resourceId));
});
