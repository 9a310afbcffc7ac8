import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sql } from 'kysely';
import { growing } from '#kernel/files/growth';
import { testDatabases } from '#kernel/testing/databases';
import { meteredDatabase } from './metered.ts';

const mebibyte = 1024 * 1024;

test('one write from far below the limit to beyond it is refused, and what takes away is not', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-metered-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const tables = {
    module: 'usage',
    migrations: [
      { name: 'usage', up: 'create table usage (bytes integer not null); insert into usage (bytes) values (0);' },
    ],
  };
  const database = await testDatabases(folder).open('storage/a', [tables], { key: new Uint8Array(32).fill(1) });
  t.after(() => database.close());
  const limit = 1000 * mebibyte;
  const refused = new Error('beyond');
  const metered = await meteredDatabase(
    database,
    { limit: () => limit, refuse: () => refused as never },
    { hasFiles: true },
  );
  const put = (bytes: number) =>
    growing(() => metered.write(async (tx) => void (await sql`update usage set bytes = ${bytes}`.execute(tx))));
  await put(mebibyte);
  await assert.rejects(put(2 * limit), refused);
  assert.ok(metered.used() < 2 * mebibyte, 'nothing of it was kept');
  await put(limit - 2 * mebibyte);
  // Near the limit, and by little.
  await assert.rejects(put(limit + 1), refused);
  await put(mebibyte);
  assert.ok((await metered.measure()) < 2 * mebibyte);
});
