// Placeholders in the text of jobs: which there are, and what is put in their place.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collectionAndName, fillPlaceholders, placeholdersIn } from './placeholders.ts';

const placed = (inner: string): string => `\${{${inner}}}`;

test('each is read without the space around it, on one line or several, however long', () => {
  const long = 'x'.repeat(1_000);
  const text = ['python a.py --x', ...['inputs.x', ' outputs.y ', '\n  name\n', long].map(placed)].join(' ');
  assert.deepEqual(placeholdersIn(text), ['inputs.x', 'outputs.y', 'name', long]);
});

test('what only looks like one is none: variables of a shell, braces within, an end that is missing', () => {
  for (const text of ['$HOME', `\${HOME}`, placed('inputs.x').slice(0, -1), '$ {{inputs.x}}', placed('a{b')])
    assert.deepEqual(placeholdersIn(text), [], text);
  // The innermost is the one: nothing is read twice.
  assert.deepEqual(placeholdersIn(placed(placed('inputs.x'))), ['inputs.x']);
});

test('what is known is filled, once and as it is, and what is not known stays', () => {
  const sly = `$& ${placed('name')} $1`;
  const text = [' name ', 'other', 'name'].map(placed).join('-');
  const filled = fillPlaceholders(text, (inner) => (inner === 'name' ? sly : undefined));
  assert.equal(filled, [sly, placed('other'), sly].join('-'));
});

test('a word is a collection, and all that comes after the first point is a name', () => {
  assert.deepEqual(collectionAndName('inputs.data'), { collection: 'inputs', name: 'data' });
  assert.deepEqual(collectionAndName('inputs.a.b'), { collection: 'inputs', name: 'a.b' });
  assert.deepEqual(collectionAndName('name'), { collection: 'name', name: '' });
});

test('many beginnings without an end are no placeholders', () => {
  assert.deepEqual(placeholdersIn('${{'.repeat(20_000)), []);
  assert.deepEqual(placeholdersIn(`\${{${' '.repeat(60_000)}`), []);
});
