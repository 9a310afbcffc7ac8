// How many at once: bounds of all and of each, the order of those who wait, and who is turned away.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSlots } from './slots.rules.ts';

const never = new AbortController().signal;
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

function open(bounds: Parameters<typeof createSlots>[0]) {
  const slots = createSlots(bounds);
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  return {
    begun,
    take: (name: string, what: string, signal = never) =>
      slots.take(name, signal, () => {
        begun.push(what);
        return new Promise<string>((resolve) => ends.set(what, () => resolve(what)));
      }),
    async end(what: string) {
      ends.get(what)?.();
      await settle();
    },
  };
}

test('no more than its bound of one name, and of all, are at it; the others follow in their order', async () => {
  const { take, begun, end } = open({ most: 3, each: 2, waiting: 8, waitingOfAll: 8 });
  const all = ['a1', 'a2', 'a3', 'b1', 'b2', 'c1'].map((what) => take(what[0] ?? '', what));
  await settle();
  assert.deepEqual(begun, ['a1', 'a2', 'b1'], 'one name leaves room for another');
  await end('b1');
  assert.deepEqual(begun.at(-1), 'b2', 'a3 waits for its own');
  await end('a1');
  assert.deepEqual(begun.at(-1), 'a3');
  await end('a2');
  await end('a3');
  await end('b2');
  await end('c1');
  assert.deepEqual(await Promise.all(all), [...['a1', 'a2', 'a3', 'b1', 'b2', 'c1'].map((done) => ({ done }))]);
});

test('who finds no room to wait is turned away, and who gives up leaves his place', async () => {
  const { take, begun, end } = open({ most: 1, each: 1, waiting: 1, waitingOfAll: 2 });
  const first = take('a', 'first');
  const giving = new AbortController();
  const second = take('a', 'second', giving.signal);
  assert.equal(await take('a', 'third'), undefined);
  const other = take('b', 'other');
  assert.equal(await take('c', 'more'), undefined, 'there is room for so many of all');
  giving.abort(new Error('nobody waits'));
  await assert.rejects(second, /nobody waits/);
  await assert.rejects(take('a', 'gone', giving.signal), /nobody waits/);
  await end('first');
  assert.deepEqual(begun, ['first', 'other']);
  await end('other');
  assert.deepEqual([await first, await other], [{ done: 'first' }, { done: 'other' }]);
});

test('what fails gives its place back', async () => {
  const slots = createSlots({ most: 1, each: 1, waiting: 0, waitingOfAll: 0 });
  await assert.rejects(
    slots.take('a', never, () => Promise.reject(new Error('it failed'))),
    /it failed/,
  );
  assert.deepEqual(await slots.take('a', never, async () => 1), { done: 1 });
});
