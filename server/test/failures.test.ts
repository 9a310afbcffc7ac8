// Every failure that a caller may see comes from a table, and nobody makes one by hand.

import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkFailures, type FailureTable } from '#kernel/errors/failures';
import { composedRoutes } from '../../scripts/openapi/routes.ts';
import { failureTablesOf } from '../../scripts/pages/pages.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
let tables: readonly FailureTable[];

before(async () => {
  tables = failureTablesOf(await composedRoutes());
});

test('one code of a room has one kind', () => checkFailures(tables));

test('nobody makes a failure by hand', () => {
  const byHand = globSync('server/src/**/*.ts', { cwd: root })
    .filter((path) => !/\.(test|contract)\.ts$|\.fixture\.ts$|\/testing(\/|\.ts$)/.test(path))
    .filter((path) => !path.startsWith('server/src/kernel/errors/'))
    .filter((path) => readFileSync(root + path, 'utf8').includes('new Failure('));
  assert.deepEqual(byHand, []);
});
