import assert from 'node:assert/strict';
import { test } from 'node:test';
import { edits } from './edits.ts';

test('letters that are added, lost or changed are counted, and what is far is just far', () => {
  assert.equal(edits('model', 'model', 2), 0);
  assert.equal(edits('comand', 'command', 2), 1);
  assert.equal(edits('mdoel', 'model', 2), 2);
  assert.equal(edits('größe', 'große', 2), 1);
  assert.equal(edits('a', 'abcdef', 2), 3);
  assert.equal(edits('kitten', 'sitting', 2), 3);
  assert.equal(edits('', '', 2), 0);
});
