// What a person reads: tables that stay straight whatever stands in them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cell, table } from './output.ts';
import { widthOf } from './width.ts';

test('columns stay straight beside letters that a terminal draws twice as wide', () => {
  assert.deepEqual(
    ['abc', '训练', '한글', 'ｗ', '👩‍🔬', '❤️', 'é', 'e\u0301', ''].map((text) => widthOf(text)),
    [3, 4, 4, 2, 2, 2, 1, 1, 0],
  );
  assert.equal(
    table([{ name: '训练任务' }, { name: 'plain' }], { name: (row) => row['name'], state: () => 'ok' }),
    'name      state\n训练任务  ok\nplain     ok\n',
  );
});

test('a long cell is cut between letters, never inside one', () => {
  assert.equal(cell('训'.repeat(60)), `${'训'.repeat(39)}…`);
  assert.equal(cell(`${'x'.repeat(78)}👩‍🔬👩‍🔬`), `${'x'.repeat(78)}…`);
  assert.equal(cell('x'.repeat(80)), 'x'.repeat(80));
});
