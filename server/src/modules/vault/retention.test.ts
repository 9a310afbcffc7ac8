// What is overdue is destroyed, and what cannot be destroyed now keeps nothing else.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Acts } from '#kernel/authority/perform';
import { createTestClock } from '#kernel/clock/test-clock';
import { closeScanPool } from '#kernel/database/database';
import { testGrant } from '#kernel/testing/authority';
import { testDatabases } from '#kernel/testing/databases';
import { createDeletedVaults } from './deleted-vaults.service.ts';
import type { Vault } from './directory.service.ts';
import { vaultMigrations } from './migrations/vault.ts';
import { createObjects } from './objects.service.ts';
import { countObjects } from './objects.store.ts';
import { createRetention } from './retention.service.ts';

after(() => closeScanPool());

const day = 86_400_000;
const vaultOf = (uniqueId: string): Vault => ({
  ...{ name: uniqueId, id: `/vaults/${uniqueId}`, uniqueId, location: 'local' },
  ...{ retentionDays: 7, purgeProtection: false },
});
const custody = { destroy: async () => {}, destroyAll: async () => {} };
const failing = (isHit: (scope: string) => boolean): Pick<Acts, 'duty'> => ({
  async duty(_duty, { scope }, act) {
    if (isHit(scope)) throw new Error('it could not be recorded');
    return await act(testGrant());
  },
});

test('a secret that cannot be destroyed keeps none behind it, and is told of', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-retention-'));
  const database = await testDatabases(folder).open('control', [vaultMigrations], { key: randomBytes(32) });
  t.after(async () => {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });
  const clock = createTestClock();
  const vault = vaultOf('u');
  const objects = createObjects({ database, clock, collection: 'secrets' });
  const nothing = { attributes: undefined, tags: undefined, detail: {}, keep: async () => () => new Uint8Array(1) };
  for (const name of ['a', 'b', 'c']) {
    await objects.add(vault, name, nothing);
    await objects.remove(vault, name);
  }
  await clock.advance(8 * day);
  const directory = { byUniqueId: () => vault, allDeleted: () => [] };
  const left = () => countObjects(database.read, 'u', 'secrets');
  const acts = failing((scope) => scope.endsWith('/a'));
  const destroyExpired = createRetention({ database, directory, custody, acts, clock });
  await assert.rejects(destroyExpired(new AbortController().signal), AggregateError);
  assert.equal(await left(), 1);
  const later = createRetention({ database, directory, custody, acts: failing(() => false), clock });
  await later(new AbortController().signal);
  assert.equal(await left(), 0);
});

test('a vault that cannot be destroyed keeps none behind it, and is told of', async () => {
  const clock = createTestClock();
  const destroyed: string[] = [];
  const binned = ['a', 'b'].map((name) => ({ ...vaultOf(name), tags: {}, deletedAtMs: 0, purgeAtMs: 1 }));
  const { sweep } = createDeletedVaults({
    ...{ custody, clock },
    database: { write: async () => {} } as never, // its rows are not what this is about
    acts: failing((scope) => scope === '/vaults/a'),
    dataKeys: { destroy: async (owner) => void destroyed.push(owner) },
    directory: {
      allDeleted: () => binned,
      deleted: () => undefined,
      endRetention: async () => {},
      forget: async () => {},
    },
  });
  await assert.rejects(sweep(), AggregateError);
  assert.deepEqual(destroyed, ['b']);
});
