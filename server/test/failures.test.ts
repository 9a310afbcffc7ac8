// Every failure that a caller may see comes from a table: the page that prints them says what the tables say, and nobody makes one
// by hand.

import assert from 'node:assert/strict';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkFailures, type FailureTable, tableOf } from '#kernel/errors/failures';
import { kernelFailures } from '#kernel/failures';
import { composedRoutes } from '../../scripts/openapi/routes.ts';
import { installationFailures } from '../src/installation.errors.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const page = new URL('../../docs/errors.md', import.meta.url);
let tables: readonly FailureTable[];

before(async () => {
  const { modules } = await composedRoutes();
  tables = [...kernelFailures, tableOf(installationFailures), ...modules.flatMap(({ failures }) => failures ?? [])];
});

const cell = (text: string) => text.replaceAll('|', '\\|');

function pageOf(all: readonly FailureTable[]): string {
  const rooms = [...new Set(all.map(({ room }) => room))];
  const sections = rooms.flatMap((room) => {
    const rows = all.filter((table) => table.room === room).flatMap((table) => table.rows);
    const sorted = [...rows].sort((one, other) =>
      `${one.code} ${one.meaning}` < `${other.code} ${other.meaning}` ? -1 : 1,
    );
    return [
      `## ${room}`,
      '',
      '| code | status | when | what to do |',
      '|---|---|---|---|',
      ...sorted.map((row) => `| \`${row.code}\` | ${row.status} | ${cell(row.meaning)} | ${cell(row.remedy)} |`),
      '',
    ];
  });
  return [
    '# What Strongroom answers when it does not do what was asked',
    '',
    'Printed from the code (`UPDATE_GOLDEN=1 npm test -- server/test/failures.test.ts`); a test compares it. The code is the word that stands in',
    'the envelope of the protocol that was spoken; the message beside it names what it is about.',
    '',
    ...sections,
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}

test('the page says what the tables say; UPDATE_GOLDEN=1 writes it anew', () => {
  const wanted = pageOf(tables);
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(page, wanted);
  assert.equal(readFileSync(page, 'utf8'), wanted);
});

test('one code of a room has one kind', () => checkFailures(tables));

test('nobody makes a failure by hand', () => {
  const byHand = globSync('server/src/**/*.ts', { cwd: root })
    .filter((path) => !/\.(test|contract)\.ts$|\.fixture\.ts$|\/testing(\/|\.ts$)/.test(path))
    .filter((path) => !path.startsWith('server/src/kernel/errors/'))
    .filter((path) => readFileSync(root + path, 'utf8').includes('new Failure('));
  assert.deepEqual(byHand, []);
});
