// The contract of custodies: in software over the vault's real rows, sealed and encrypted, and in the platform's key objects.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Acts } from '#kernel/authority/perform';
import { createTestClock } from '#kernel/clock/test-clock';
import { closeScanPool, type Database, tables } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { testGrant } from '#kernel/testing/authority';
import { testDatabases } from '#kernel/testing/databases';
import { type CustodyUnderTest, custodyContract } from './custody.contract.ts';
import type { KeyCustody, KeyRef } from './custody.types.ts';
import { vectorKey } from './custody-vectors.fixture.ts';
import { createDeletedVaults } from './deleted-vaults.service.ts';
import type { Vault } from './directory.service.ts';
import { createMaterial } from './material.service.ts';
import { createMemoryCustody } from './memory-custody.fixture.ts';
import { vaultMigrations } from './migrations/vault.ts';
import { createObjects } from './objects.service.ts';
import * as store from './objects.store.ts';
import { createRetention } from './retention.service.ts';
import { createSoftwareCustody } from './software-custody.service.ts';

after(() => closeScanPool());

type Rows = { vault_versions: { version: string; sealed: Uint8Array } };
const vaults = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'] as const;
const vaultOf = (uniqueId: string): Vault => ({
  ...{ name: uniqueId, id: `/vaults/${uniqueId}`, uniqueId, location: 'local' },
  ...{ retentionDays: 7, purgeProtection: false },
});

async function overRows(custodyOf: (database: Database) => KeyCustody & { readonly held?: () => number }) {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-custody-'));
  const database = await testDatabases(folder).open('control', [vaultMigrations], { key: randomBytes(32) });
  const custody = custodyOf(database);
  const clock = createTestClock();
  const objects = createObjects({ database, clock, collection: 'keys', destroy: custody.destroy });
  const nothing = { attributes: undefined, tags: undefined, detail: {} };
  const world: CustodyUnderTest = {
    custody,
    vaults,
    async keep(vault, name, key) {
      const { number, version } = await objects.add(vaultOf(vault), name, { ...nothing, keep: key.bind });
      return { vault, name, number, version };
    },
    async keepInVain(vault, name, key) {
      const keep = async () => {
        const bind = await key.bind();
        return (ref: KeyRef) => {
          bind(ref);
          throw new Error('the row was not written');
        };
      };
      await assert.rejects(objects.add(vaultOf(vault), name, { ...nothing, keep }), /not written/);
      await key.drop();
    },
    kept: (ref) => store.findSealed(database.read, { ...ref, collection: 'keys' }),
    held: async () => custody.held?.() ?? (await countRows(database)),
    async close() {
      await database.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return { ...world, objects, database, clock };
}

async function countRows(database: Database): Promise<number> {
  const found = await Promise.all(
    vaults.map((vault) =>
      store.listObjects(database.read, { vault, collection: 'keys', deleted: false, after: '', limit: 100 }),
    ),
  );
  return found.flat().length;
}

const masters = new Map(vaults.map((vault) => [vault as string, { id: vault as string, bytes: randomBytes(32) }]));
const dataKeys = {
  async open(vault: string) {
    const key = masters.get(vault);
    assert.ok(key !== undefined);
    return key;
  },
};
const software = (database: Database) =>
  createSoftwareCustody({ database, material: createMaterial({ database, dataKeys }) });

custodyContract('software', () => overRows(software));
custodyContract('key objects', () => overRows(() => createMemoryCustody()));

const day = 86_400_000;

test('a key that its custody does not destroy at once is recovered by nobody, and not forgotten', async () => {
  const memory = createMemoryCustody();
  let isOff = true;
  const custody: KeyCustody & { held: () => number } = {
    ...memory,
    async destroy(refs) {
      if (isOff) throw new Error('the server dies here');
      await memory.destroy(refs);
    },
  };
  const { objects, database, clock, keep, close } = await overRows(() => custody);
  const [uniqueId] = vaults;
  const vault = vaultOf(uniqueId);
  const kept = async (name: string) => keep(uniqueId, name, await memory.import(uniqueId, vectorKey));
  for (const name of ['purged', 'overdue', 'taken']) {
    await kept(name);
    await objects.remove(vault, name);
  }
  await assert.rejects(objects.purge(vault, 'purged'), /dies here/);
  await assert.rejects(objects.recover(vault, 'purged'), Failure);
  await clock.advance(8 * day);
  await assert.rejects(kept('taken'), /dies here/);
  const directory = { byUniqueId: () => vault, allDeleted: () => [] };
  const acts: Pick<Acts, 'duty'> = { duty: async (_duty, _facts, act) => await act(testGrant()) };
  const destroyExpired = createRetention({ ...{ database, custody, acts, clock }, directory });
  await assert.rejects(destroyExpired(new AbortController().signal), AggregateError);
  assert.equal(memory.held(), 3);
  isOff = false;
  await destroyExpired(new AbortController().signal);
  assert.equal(memory.held(), 0);
  await kept('taken');
  assert.equal(memory.held(), 1);
  await close();
});

test('whatever takes a key away for good destroys it in its custody, and nothing before does', async () => {
  const memory = createMemoryCustody();
  const { objects, database, clock, keep, close } = await overRows(() => memory);
  const [uniqueId] = vaults;
  const vault = vaultOf(uniqueId);
  const kept = async () => await keep(uniqueId, 'a', await memory.import(uniqueId, vectorKey));
  const acts: Pick<Acts, 'duty'> = { duty: async (_duty, _facts, act) => await act(testGrant()) };

  // Deleted, it waits; recovered, it is whole; purged by who may, it is gone with all its versions.
  const first = await kept();
  await kept();
  await objects.remove(vault, 'a');
  assert.equal(memory.held(), 2);
  await objects.recover(vault, 'a');
  await memory.sign(first, 'RS256', Buffer.alloc(32));
  await objects.remove(vault, 'a');
  await objects.purge(vault, 'a');
  assert.equal(memory.held(), 0);

  // Its time is over, and somebody takes its name before the sweep.
  const overdue = await kept();
  await objects.remove(vault, 'a');
  await clock.advance(8 * day);
  const again = await kept();
  assert.equal(memory.held(), 1);
  await assert.rejects(memory.sign(overdue, 'RS256', Buffer.alloc(32)), Failure);
  await memory.sign(again, 'RS256', Buffer.alloc(32));

  // The sweep of what is overdue.
  await objects.remove(vault, 'a');
  const directory = { byUniqueId: () => vault, allDeleted: () => [] };
  const destroyExpired = createRetention({ ...{ database, custody: memory, acts, clock }, directory });
  await destroyExpired(new AbortController().signal);
  assert.equal(memory.held(), 1);
  await clock.advance(8 * day);
  await destroyExpired(new AbortController().signal);
  assert.equal(memory.held(), 0);

  // The vault itself.
  await kept();
  const deleted = { ...vault, tags: {}, deletedAtMs: 0, purgeAtMs: 1 };
  const bin = {
    allDeleted: () => [deleted],
    deleted: () => deleted,
    endRetention: async () => {},
    forget: async () => {},
  };
  const destroyed = { destroy: async () => {} };
  await createDeletedVaults({
    ...{ database, dataKeys: destroyed, custody: memory, acts, clock },
    directory: bin,
  }).sweep();
  assert.equal(memory.held(), 0);
  await close();
});

test('a sealed key in the place of another, or changed in its row, is damage and not the caller’s fault', async () => {
  const { custody, database, keep, kept, close } = await overRows(software);
  const one = await keep(vaults[0], 'a', await custody.import(vaults[0], vectorKey));
  const two = await keep(vaults[0], 'b', await custody.create(vaults[0], 2048));
  const sealed = Buffer.from((await kept(one)) ?? []);
  const flipped = Buffer.from(sealed);
  flipped[sealed.length - 20] = 1 ^ (flipped[sealed.length - 20] ?? 0);
  const damaged = (thrown: unknown) => thrown instanceof Failure && thrown.kind === 'integrity';
  for (const [ref, wrong] of [
    [two, sealed],
    [one, flipped],
  ] as const) {
    await database.write(
      async (tx) =>
        void (await tables<Rows>(tx)
          .updateTable('vault_versions')
          .set({ sealed: wrong })
          .where('version', '=', ref.version)
          .execute()),
    );
    await assert.rejects(custody.sign(ref, 'RS256', Buffer.alloc(32)), damaged);
    await assert.rejects(custody.unwrap(ref, 'RSA-OAEP', Buffer.alloc(256)), damaged);
  }
  await close();
});
