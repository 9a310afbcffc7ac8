// What sign-in leaves in the database: nothing that a client could present, nothing that has expired.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { tables } from '#kernel/database/database';
import { createOpenIdRecords } from './openid.store.ts';
import { openIdentityBench } from './testing.ts';

const bench = await openIdentityBench();
after(() => bench.close());
const { database, clock, identity } = bench;
const records = createOpenIdRecords({ database, clock });
const codes = records.adapter('AuthorizationCode');
const devices = records.adapter('DeviceCode');
const rows = () =>
  tables<Record<'openid_records', Record<string, unknown>>>(database.read)
    .selectFrom('openid_records')
    .selectAll()
    .execute();

test('a code is found by its value, and its value is not stored', async () => {
  await codes.upsert('the-code', { jti: 'the-code', accountId: 'a', grantId: 'g' } as never, 60);
  assert.ok(!JSON.stringify(await rows()).includes('the-code'));
  const found = await codes.find('the-code');
  assert.equal(found?.['jti'], 'the-code');
  assert.equal(await codes.find('another'), undefined);
  assert.equal(await records.adapter('RefreshToken').find('the-code'), undefined, 'of another model it is nothing');
});

test('the hash of a value is not worth the value', async () => {
  const [row] = await rows();
  assert.equal(await codes.find(String(row?.['key'])), undefined);
});

test('a record that was found by its user code can be saved, used and destroyed, without its own value', async () => {
  await devices.upsert('device', { jti: 'device', userCode: 'BCDFGHJK', params: {} } as never, 60);
  const found = await devices.findByUserCode('BCDFGHJK');
  const id = String(found?.['jti']);
  assert.notEqual(id, 'device');
  await devices.upsert(id, { ...found, accountId: 'somebody' } as never, 60);
  assert.equal((await devices.find('device'))?.['accountId'], 'somebody');
  await devices.destroy(id);
  assert.equal(await devices.find('device'), undefined);
});

test('a one-time value is taken once, also by those who race', async () => {
  await codes.upsert('once', { jti: 'once' } as never, 60);
  const results = await Promise.allSettled([codes.consume('once'), codes.consume('once'), codes.consume('once')]);
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
  assert.equal(typeof (await codes.find('once'))?.['consumed'], 'number');
  await assert.rejects(codes.consume('never was'));
});

test('revoking a grant takes everything of it, and nothing of others', async () => {
  await codes.upsert('one', { jti: 'one', grantId: 'grant-1' } as never, 60);
  await codes.upsert('two', { jti: 'two', grantId: 'grant-2' } as never, 60);
  await codes.revokeByGrantId('grant-1');
  assert.equal(await codes.find('one'), undefined);
  assert.notEqual(await codes.find('two'), undefined);
});

test('what has expired is not found, and is swept', async () => {
  await codes.upsert('short', { jti: 'short' } as never, 60);
  await codes.upsert('long', { jti: 'long' } as never, 600);
  clock.jump(61_000);
  assert.equal(await codes.find('short'), undefined);
  await identity.sweep();
  const left = await rows();
  assert.equal(left.length, 1);
  assert.notEqual(await codes.find('long'), undefined);
});

test('a record that is too long is refused', async () => {
  await assert.rejects(codes.upsert('big', { jti: 'big', nonce: 'x'.repeat(70_000) } as never, 60));
});
