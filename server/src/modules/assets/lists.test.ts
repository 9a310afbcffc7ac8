// What lists of assets are filtered and ordered by.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Type } from '@strongroom/contract/schema';
import type { Properties, Resource } from '#resources';
import { createdOrder, listed } from './lists.rules.ts';

const asset = (name: string, properties: Properties, createdAt = '2026-01-01T00:00:00.000Z') =>
  ({ name, properties, systemData: { createdAt } }) as unknown as Resource; // what these functions look at

const { matches } = listed(Type.Object({}));
const shows = (properties: Properties, query: Readonly<Record<string, unknown>>) =>
  matches?.(asset('3', properties), query);

test('a list shows what is active unless another view is asked for', () => {
  const views = [{}, { listViewType: 'ActiveOnly' }, { listViewType: 'ArchivedOnly' }, { listViewType: 'All' }];
  assert.deepEqual(
    views.map((query) => shows({}, query)),
    [true, true, false, true],
  );
  assert.deepEqual(
    views.map((query) => shows({ isArchived: true }, query)),
    [false, false, true, true],
  );
});

test('every filter that a list takes is applied', () => {
  const properties = { description: 'd', stage: 'Production', tags: { a: '1', b: 'x=y' }, properties: { k: 'v' } };
  for (const [query, wanted] of [
    [{ version: '3' }, true],
    [{ version: '30' }, false],
    [{ description: 'd' }, true],
    [{ description: '' }, false],
    [{ stage: 'Production' }, true],
    [{ stage: 'None' }, false],
    [{ tags: 'a' }, true],
    [{ tags: 'a,b=x=y' }, true],
    [{ tags: 'a=2' }, false],
    [{ tags: 'a, c' }, false],
    [{ tags: 'toString' }, false],
    [{ properties: 'k=v' }, true],
    [{ properties: 'v' }, false],
  ] as const)
    assert.equal(shows(properties, query), wanted, JSON.stringify(query));
});

test('of what was made in one millisecond the higher number is the newer one', () => {
  const order = ['2', '10', '9', 'b', 'a'].map((name) => createdOrder(asset(name, {}))).sort();
  assert.deepEqual(
    order.map((each) => each.slice(each.lastIndexOf(' ') + 1).replace(/^0+/, '')),
    ['2', '9', '10', 'a', 'b'],
  );
  assert.ok(createdOrder(asset('1', {}, '2026-01-01T00:00:00.001Z')) > createdOrder(asset('99', {})));
});
