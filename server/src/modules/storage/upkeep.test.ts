// What is taken away after a name is gone: what the disk refuses now stays for later, and what is wrong is told.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Database } from '#kernel/database/database';
import { databaseFailures } from '#kernel/database/database.errors';
import { settle } from './upkeep.service.ts';

const failing = (thrown: unknown): Pick<Database, 'write'> => ({
  write: async () => {
    throw thrown;
  },
});
const sealed = { discard: async () => {} };
const left = { files: [], left: ['a version'] };

test('what a full disk or a closing database keeps from being taken away is left for later', async () => {
  for (const failure of [databaseFailures.StorageFull(), databaseFailures.DatabaseClosed()])
    await settle(failing(failure), sealed, left);
});

test('damage of an index and a mistake of ours are not passed over', async () => {
  const mistake = new TypeError('not a function');
  for (const thrown of [databaseFailures.DatabaseDamaged(), mistake])
    await assert.rejects(settle(failing(thrown), sealed, left), thrown);
});
