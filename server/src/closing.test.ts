import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closeAll } from './closing.ts';

test('what does not close keeps nothing behind it open, and is told at the end', async () => {
  const closed: string[] = [];
  const closing = [
    () => void closed.push('lock'),
    async () => Promise.reject(new Error('the database')),
    () => void closed.push('door'),
  ];
  await assert.rejects(closeAll(closing), /^Error: the database$/);
  assert.deepEqual([closed, closing], [['door', 'lock'], []]);
  await closeAll(closing);
  const fail = (name: string) => () => {
    throw new Error(name);
  };
  await assert.rejects(closeAll([fail('one'), fail('two')]), (error: AggregateError) => error.errors.length === 2);
});
