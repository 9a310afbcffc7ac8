import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTurn, createTurns } from './turns.ts';

const held = () => Promise.withResolvers<string>();

test('one name waits for what was asked before, in order of arrival; other names do not wait', async () => {
  const turns = createTurns();
  const seen: string[] = [];
  const [first, second] = [held(), held()];
  const one = turns('a', async () => seen.push(`a ${await first.promise}`));
  const two = turns('a', async () => seen.push(`then ${await second.promise}`));
  await turns('b', async () => seen.push('b'));
  second.resolve('two');
  first.resolve('one');
  await Promise.all([one, two]);
  assert.deepEqual(seen, ['b', 'a one', 'then two']);
});

test('what fails, at once or later, is told to who asked and stops nobody behind it', async () => {
  const turns = createTurns();
  const failing = turns('a', async () => {
    throw new Error('later');
  });
  const throwing = turns('a', () => {
    throw new Error('at once');
  });
  const after = turns('a', async () => 'done');
  await assert.rejects(failing, /later/);
  await assert.rejects(throwing, /at once/);
  assert.equal(await after, 'done');
});

test('names with one key take turns with each other', async () => {
  const turns = createTurns({ keyOf: (name) => name.toLowerCase() });
  const first = held();
  let isDone = false;
  const one = turns('A', async () => {
    await first.promise;
    isDone = true;
  });
  const two = turns('a', async () => isDone);
  first.resolve('');
  await one;
  assert.equal(await two, true);
});

test('more than the bound are refused at once, by the name they gave; when one is done the next may come', async () => {
  const turns = createTurns({
    keyOf: (name) => name.toLowerCase(),
    bound: { max: 2, refuse: (name) => new Error(`too many for ${name}`) },
  });
  const first = held();
  const one = turns('a', () => first.promise);
  const two = turns('a', async () => 'two');
  await assert.rejects(
    turns('A', async () => 'three'),
    /^Error: too many for A$/,
  );
  assert.equal(await turns('b', async () => 'b'), 'b');
  first.resolve('one');
  assert.deepEqual(await Promise.all([one, two]), ['one', 'two']);
  assert.equal(await turns('A', async () => 'four'), 'four');
});

test('where all take turns together there is no name', async () => {
  const turn = createTurn();
  const first = held();
  const seen: string[] = [];
  const one = turn(async () => seen.push(await first.promise));
  const two = turn(async () => seen.push('two'));
  first.resolve('one');
  await Promise.all([one, two]);
  assert.deepEqual(seen, ['one', 'two']);
});
