// Data keys on a real database, a driven clock and a vault whose answers the test decides: who is asked when, and what a no
// does to everything that was handed out.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { createTestClock } from '#kernel/clock/test-clock';
import { randomBytes } from '#kernel/crypto/random';
import { closeScanPool, tables } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { createFiles } from '#kernel/files/files';
import { testDatabases } from '#kernel/testing/databases';
import { createDataKeys, dataKeyMigrations } from './data-keys.service.ts';
import type { KeyWrapper, WrapperRef } from './data-keys.ts';
import { openRootKeyFile } from './root-key-file.ts';

after(() => closeScanPool());

const principal = { objectId: '33333333-3333-4333-8333-333333333333', name: 'ws-identity' };
const byVault = (keyIdentifier = 'https://v.vault.localhost/keys/k/1'): WrapperRef => ({
  kind: 'vault',
  keyIdentifier,
  principal,
});
const byRoot: WrapperRef = { kind: 'root' };
const code =
  (expected: string, kind = 'forbidden') =>
  (error: unknown) =>
    error instanceof Failure && error.code === expected && error.kind === kind;

/** XOR with a byte for each key identifier: enough to see which key wrapped. */
function fakeVault() {
  const state = { refusal: undefined as Failure | undefined, asked: 0, wrapped: 0 };
  const mask = (ref: WrapperRef & { kind: 'vault' }, bytes: Uint8Array) => {
    if (state.refusal) throw state.refusal;
    return bytes.map((byte) => byte ^ (ref.keyIdentifier.at(-1)?.charCodeAt(0) ?? 0));
  };
  const wrapper: KeyWrapper = {
    async wrap(ref, key) {
      state.wrapped += 1;
      return mask(ref, key);
    },
    async unwrap(ref, wrapped) {
      state.asked += 1;
      await new Promise(setImmediate);
      return mask(ref, wrapped);
    },
  };
  return { state, wrapper };
}

async function setUp(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-data-keys-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const database = await testDatabases(folder).open('control', [dataKeyMigrations], { key: randomBytes(32) });
  t.after(() => database.close());
  const rootKey = await openRootKeyFile({
    file: join(folder, 'root.key'),
    dataFolder: join(folder, 'none'),
    files: createFiles(),
  });
  const clock = createTestClock();
  const vault = fakeVault();
  const make = () => {
    const keys = createDataKeys({ database, rootKey, wrapper: () => vault.wrapper, clock });
    const closed: string[] = [];
    keys.onClosed((owner) => closed.push(owner));
    return { keys, closed };
  };
  return { folder, database, clock, vault: vault.state, make, ...make() };
}

const no = () => new Failure({ kind: 'forbidden', code: 'KeyDisabled', message: 'The key is disabled.' });

test('ensure makes a key once, and open finds the same after a restart', async (t) => {
  const { keys, make } = await setUp(t);
  const all = await Promise.all(Array.from({ length: 10 }, () => keys.ensure('owner', 'runs', byRoot)));
  assert.equal(new Set(all.map(({ id }) => id)).size, 1);
  const again = await make().keys.open('owner', 'runs');
  assert.deepEqual(again.bytes, all[0]?.bytes);
  assert.notDeepEqual((await keys.ensure('owner', 'blobs', byRoot)).bytes, again.bytes);
  assert.notDeepEqual((await keys.ensure('other', 'runs', byRoot)).bytes, again.bytes);
});

test('a key that was never made, of a bad name, or of a closed service is refused', async (t) => {
  const { keys } = await setUp(t);
  await assert.rejects(keys.open('nobody', 'runs'), code('DataKeyGone', 'gone'));
  await assert.rejects(keys.rewrap('nobody', byRoot), code('DataKeyGone', 'gone'));
  await assert.rejects(keys.ensure('', 'runs', byRoot), code('InvalidDataKeyName', 'invalid'));
  await assert.rejects(keys.ensure('o', 'p'.repeat(257), byRoot), code('InvalidDataKeyName', 'invalid'));
  const key = await keys.ensure('owner', 'runs', byRoot);
  keys.close();
  await assert.rejects(keys.open('owner', 'runs'), code('DataKeysClosed', 'unavailable'));
  assert.throws(() => key.bytes, code('DataKeyClosed'));
});

test('a data key prints without its bytes', async (t) => {
  const { keys } = await setUp(t);
  const key = await keys.ensure('owner', 'runs', byRoot);
  assert.deepEqual(JSON.parse(JSON.stringify(key)), { id: key.id });
  assert.ok(!inspect(key).includes('Uint8Array'));
});

test('the vault is asked once for an owner, and again after 30 seconds, once for all who wait', async (t) => {
  const { keys, vault, clock } = await setUp(t);
  await keys.ensure('owner', 'runs', byVault());
  await keys.ensure('owner', 'blobs', byVault());
  assert.deepEqual([vault.wrapped, vault.asked], [1, 1]);
  await clock.advance(29_999);
  await keys.open('owner', 'runs');
  assert.equal(vault.asked, 1);
  await clock.advance(1);
  await Promise.all(['runs', 'blobs', 'runs', 'runs'].map((purpose) => keys.open('owner', purpose)));
  assert.equal(vault.asked, 2);
});

test('when the vault refuses, opening is refused with its code, handed out keys close, and a later yes restores all', async (t) => {
  const { keys, closed, vault, clock } = await setUp(t);
  const key = await keys.ensure('owner', 'runs', byVault());
  const { bytes } = key;
  vault.refusal = no();
  await clock.advance(30_000);
  const asked = vault.asked;
  const answers = await Promise.allSettled([keys.open('owner', 'runs'), keys.open('owner', 'runs')]);
  for (const answer of answers) assert.ok(answer.status === 'rejected' && code('KeyDisabled')(answer.reason));
  assert.equal(vault.asked, asked + 1);
  assert.deepEqual(closed, ['owner']);
  assert.throws(() => key.bytes, code('DataKeyClosed'));
  vault.refusal = undefined;
  assert.deepEqual((await keys.open('owner', 'runs')).bytes, bytes);
});

test('a refusal is noticed although nobody opens', async (t) => {
  const { keys, closed, vault, clock } = await setUp(t);
  const key = await keys.ensure('owner', 'runs', byVault());
  const untouched = await keys.ensure('under root', 'runs', byRoot);
  vault.refusal = no();
  await keys.revalidate();
  assert.deepEqual(closed, []);
  await clock.advance(30_000);
  await keys.revalidate();
  assert.deepEqual(closed, ['owner']);
  assert.throws(() => key.bytes, code('DataKeyClosed'));
  assert.equal(untouched.bytes.length, 32);
});

test('a vault that cannot be asked is a refusal too, but not a 403', async (t) => {
  const { keys, closed, vault, clock } = await setUp(t);
  const key = await keys.ensure('owner', 'runs', byVault());
  vault.refusal = new Failure({ kind: 'unavailable', code: 'ServerBusy', message: 'Busy.' });
  await clock.advance(30_000);
  await assert.rejects(keys.open('owner', 'runs'), code('ServerBusy', 'unavailable'));
  assert.deepEqual(closed, ['owner']);
  assert.throws(() => key.bytes, code('DataKeyClosed'));
});

test('a time of day that jumps back does not keep a key alive', async (t) => {
  const { keys, vault, clock } = await setUp(t);
  await keys.ensure('owner', 'runs', byVault());
  clock.jump(-3_600_000);
  vault.refusal = no();
  await assert.rejects(keys.open('owner', 'runs'), code('KeyDisabled'));
});

test('rewrapping keeps the keys, moves them under the other wrapper, and tells who holds them', async (t) => {
  const { keys, closed, vault, clock, make } = await setUp(t);
  const { bytes } = await keys.ensure('owner', 'runs', byVault());
  await keys.rewrap('owner', byVault('https://v.vault.localhost/keys/k/2'));
  assert.deepEqual(closed, ['owner']);
  assert.deepEqual((await keys.open('owner', 'runs')).bytes, bytes);
  assert.deepEqual(await keys.vaultWrapped(), [
    { owner: 'owner', keyIdentifier: 'https://v.vault.localhost/keys/k/2' },
  ]);
  await keys.rewrap('owner', byRoot);
  vault.refusal = no();
  await clock.advance(60_000);
  assert.deepEqual((await make().keys.open('owner', 'runs')).bytes, bytes);
  assert.deepEqual(await keys.vaultWrapped(), []);
});

test('rewrapping needs the old key: a refusal changes nothing', async (t) => {
  const { keys, vault } = await setUp(t);
  const { bytes } = await keys.ensure('owner', 'runs', byVault());
  vault.refusal = no();
  await assert.rejects(keys.rewrap('owner', byRoot), code('KeyDisabled'));
  vault.refusal = undefined;
  assert.deepEqual((await keys.open('owner', 'runs')).bytes, bytes);
});

test('a new key of an owner under another wrapper is a conflict', async (t) => {
  const { keys } = await setUp(t);
  await keys.ensure('owner', 'runs', byRoot);
  await assert.rejects(keys.ensure('owner', 'blobs', byVault()), code('DataKeyWrapperDiffers', 'conflict'));
  assert.equal((await keys.ensure('owner', 'runs', byVault())).bytes.length, 32);
});

test('a destroyed key is gone from memory and from the table', async (t) => {
  const { keys, closed, make } = await setUp(t);
  const key = await keys.ensure('owner', 'runs', byRoot);
  await keys.destroy('owner');
  await keys.destroy('owner');
  assert.ok(closed.includes('owner'));
  assert.throws(() => key.bytes, code('DataKeyClosed'));
  await assert.rejects(make().keys.open('owner', 'runs'), code('DataKeyGone', 'gone'));
  const { bytes } = await keys.ensure('owner', 'runs', byRoot);
  assert.equal(bytes.length, 32);
});

test("a wrapped key moved to another owner's row does not open", async (t) => {
  const { keys, database, make } = await setUp(t);
  for (const owner of ['a', 'b', 'c', 'd']) await keys.ensure(owner, 'runs', owner < 'c' ? byRoot : byVault());
  type Rows = { data_key_owners: { owner: string; wrapped: Uint8Array; key_id: string } };
  const move = (from: string, to: string) =>
    database.write(async (tx) => {
      const row = await tables<Rows>(tx)
        .selectFrom('data_key_owners')
        .select(['wrapped', 'key_id'])
        .where('owner', '=', from)
        .executeTakeFirstOrThrow();
      await tables<Rows>(tx).updateTable('data_key_owners').set(row).where('owner', '=', to).execute();
    });
  await move('a', 'b');
  await move('c', 'd');
  const fresh = make().keys;
  await assert.rejects(fresh.open('b', 'runs'), code('IntegrityCheckFailed', 'integrity'));
  await assert.rejects(fresh.open('d', 'runs'), code('IntegrityCheckFailed', 'integrity'));
});

test('a data key moved to another purpose, or together with its owner to another one, does not open', async (t) => {
  const { keys, database, make } = await setUp(t);
  for (const owner of ['a', 'b']) await keys.ensure(owner, 'runs', byVault());
  for (const purpose of ['x', 'y']) await keys.ensure('c', purpose, byRoot);
  type Rows = {
    data_key_owners: { owner: string; wrapped: Uint8Array; key_id: string };
    data_keys: { owner: string; purpose: string; wrapped: Uint8Array; key_id: string };
  };
  await database.write(async (tx) => {
    const db = tables<Rows>(tx);
    const [x, runs] = [
      await db
        .selectFrom('data_keys')
        .select(['wrapped', 'key_id'])
        .where('purpose', '=', 'x')
        .executeTakeFirstOrThrow(),
      await db.selectFrom('data_keys').select(['wrapped', 'key_id']).where('owner', '=', 'a').executeTakeFirstOrThrow(),
    ];
    await db.updateTable('data_keys').set(x).where('purpose', '=', 'y').execute();
    // The customer's key binds nothing to an owner: what it wrapped for one opens in the row of another.
    const a = await db
      .selectFrom('data_key_owners')
      .select(['wrapped', 'key_id'])
      .where('owner', '=', 'a')
      .executeTakeFirstOrThrow();
    await db.updateTable('data_key_owners').set(a).where('owner', '=', 'b').execute();
    await db.updateTable('data_keys').set(runs).where('owner', '=', 'b').execute();
  });
  const fresh = make().keys;
  await assert.rejects(fresh.open('c', 'y'), code('IntegrityCheckFailed', 'integrity'));
  await assert.rejects(fresh.open('b', 'runs'), code('IntegrityCheckFailed', 'integrity'));
  await fresh.open('a', 'runs');
});

test('no unwrapped key is on disk', async (t) => {
  const { keys, folder } = await setUp(t);
  const { bytes } = await keys.ensure('owner', 'runs', byVault());
  for (const name of ['control.db', 'control.db-wal'])
    assert.equal((await readFile(join(folder, name))).indexOf(bytes), -1);
});
