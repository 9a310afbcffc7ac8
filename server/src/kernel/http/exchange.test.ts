import assert from 'node:assert/strict';
import { test } from 'node:test';
import { carried, type Exchange } from './exchange.ts';

const exchangeOf = (requestId: string) => ({ requestId, carried: new Map() }) as unknown as Exchange;

test('what a room knows of a request is begun once, travels with it, and is no other room’s', () => {
  let begun = 0;
  const one = carried((exchange) => ({ of: exchange.requestId, count: ++begun }));
  const other = carried(() => undefined);
  const [first, second] = [exchangeOf('a'), exchangeOf('b')];
  assert.equal(one.of(first), one.of(first));
  assert.equal(one.of({ ...first, address: '::1' }), one.of(first), 'however the request is wrapped');
  assert.deepEqual([one.of(first).of, one.of(second).of, begun], ['a', 'b', 2]);
  assert.equal(other.of(first), undefined);
  assert.deepEqual([one.of(first).of, begun], ['a', 2]);
});
