// The contract of databases on encrypted SQLite.

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { databaseContract } from '../database.contract.ts';
import { createSqliteDatabases } from './databases.ts';
import { closeScanPool } from './scan.ts';

after(() => closeScanPool());

databaseContract('SQLite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-contract-'));
  return {
    databases: createSqliteDatabases({ folder }),
    leftovers: async () =>
      (await readdir(folder, { recursive: true, withFileTypes: true }))
        .filter((entry) => !entry.isDirectory())
        .map(({ name }) => name),
    close: () => rm(folder, { recursive: true, force: true }),
  };
});
