// Judging a password takes long, and holds nobody up.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { createPasswords } from './passwords.service.ts';

const easy = (error: unknown) => error instanceof Failure && error.code === 'InvalidPassword';

test('while a password is judged the server goes on', async () => {
  const { hash } = createPasswords();
  await assert.rejects(hash('password1234'), easy, 'so that everything is loaded');
  let turns = 0;
  let isOver = false;
  const turn = () => {
    turns += 1;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  // Dates take it long, and are refused before anything is hashed.
  await assert.rejects(hash('1987122319871223198712231987122319871223'), easy);
  isOver = true;
  assert.ok(turns > 1, `${turns} turns`);
});

test('more passwords at once than are judged in time are turned away', async () => {
  const { hash } = createPasswords();
  const asked = await Promise.allSettled(Array.from({ length: 40 }, () => hash('password1234')));
  const codes = asked.map((one) => (one.status === 'rejected' ? (one.reason as Failure).code : 'taken'));
  assert.deepEqual([...new Set(codes)].sort(), ['InvalidPassword', 'TooManySignIns']);
  await assert.rejects(hash('password1234'), easy, 'and then it goes on');
});
