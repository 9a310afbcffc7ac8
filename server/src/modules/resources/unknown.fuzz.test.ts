// The walk over schemas: what is known passes, what is not is named, whatever the names are.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Type } from '@strongroom/contract/schema';
import fc from 'fast-check';
import { knownOnly, nearest, unknownProperties } from './unknown.rules.ts';

const schema = Type.Object({
  name: Type.Optional(Type.String()),
  nested: Type.Optional(Type.Object({ deep: Type.Optional(Type.Number()) })),
  list: Type.Optional(Type.Array(Type.Object({ item: Type.Optional(Type.String()) }))),
  open: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  either: Type.Optional(
    Type.Union([
      Type.Object({ kind: Type.Literal('a'), left: Type.Optional(Type.String()) }),
      Type.Object({ kind: Type.Literal('b'), right: Type.Optional(Type.String()) }),
    ]),
  ),
  both: Type.Optional(
    Type.Intersect([
      Type.Object({ x: Type.Optional(Type.Number()) }),
      Type.Object({ y: Type.Optional(Type.Number()) }),
    ]),
  ),
});
const paths = (value: unknown) => unknownProperties(schema, value).map(({ path }) => path);

test('what a schema knows passes, in unions, intersections, arrays and records', () => {
  const value = {
    name: 'n',
    nested: { deep: 1 },
    list: [{ item: 'i' }],
    open: { anything: { at: 'all' } },
    either: { kind: 'b', right: 'r' },
    both: { x: 1, y: 2 },
  };
  assert.deepEqual(paths(value), []);
});

test('what a schema does not know is named where it is, the other branch of a union included', () => {
  const value = {
    Name: 'n',
    nested: { deep: 1, deeper: 2 },
    list: [{}, { itm: 'i' }],
    either: { kind: 'a', right: 'r' },
    both: { z: 1 },
  };
  assert.deepEqual(paths(value), ['Name', 'nested.deeper', 'list[1].itm', 'either.right', 'both.z']);
});

test('whatever is sent, what is left after removing the unknown is known', () => {
  const name = fc.oneof(
    fc.constantFrom('name', 'nested', 'deep', 'list', 'open', 'either', 'kind', 'both', 'x', 'toString', 'valueOf'),
    fc.constantFrom('nested.deep', 'nested.other', 'list[0]', 'list[0].itm', '__proto__'),
    fc.string({ maxLength: 8 }),
  );
  const json = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, fc.string(), fc.integer(), fc.constant(null), tie('list'), tie('object')),
    list: fc.array(tie('value'), { maxLength: 4 }),
    object: fc.dictionary(name, tie('value'), { maxKeys: 6 }),
  }));
  fc.assert(
    fc.property(json.object, (value) => {
      const object = value as Readonly<Record<string, unknown>>;
      assert.deepEqual(unknownProperties(schema, knownOnly(schema, object)), []);
    }),
  );
});

test('of many unknown ones none is left out', () => {
  const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`unknown${at}`, at]));
  assert.deepEqual(paths({ ...many, name: 'n' }), Object.keys(many));
  assert.deepEqual(knownOnly(schema, { ...many, name: 'n' }), { name: 'n' });
});

test('a property with a dot in its name is not the one that lies there', () => {
  const value = { 'nested.other': 1, nested: { other: 2, deep: 3 }, 'list[0].itm': 4, list: [{ itm: 5, item: 'i' }] };
  assert.deepEqual(paths(value), ["['nested.other']", 'nested.other', "['list[0].itm']", 'list[0].itm']);
  assert.deepEqual(knownOnly(schema, value), { nested: { deep: 3 }, list: [{ item: 'i' }] });
});

test('a near name is found and a far one is not made up', () => {
  assert.equal(nearest('publicNetworkAcess', ['publicNetworkAccess', 'imageBuildCompute']), 'publicNetworkAccess');
  assert.equal(nearest('PUBLICNETWORKACCESS', ['publicNetworkAccess']), 'publicNetworkAccess');
  assert.equal(nearest('x'.repeat(100_000), ['publicNetworkAccess']), undefined);
  assert.equal(nearest('cat', ['description']), undefined);
});
