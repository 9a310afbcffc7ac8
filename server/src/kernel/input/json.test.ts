// JSON of a body is bounded before it costs anything, and only what is JSON counts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { parseJson } from './json.ts';

const parse = (text: string) => parseJson(Buffer.from(text));
const tooMany = (thrown: unknown) =>
  thrown instanceof Failure && thrown.code === 'InvalidRequestContent' && /20000 values/.test(thrown.message);

test('more values than any request needs are refused, however they are put together', () => {
  const many = (item: string) => `[${Array.from({ length: 20_001 }, () => item).join(',')}]`;
  for (const text of [many('1'), many('{}'), many('""'), `{"a":${many('[]')}}`])
    assert.throws(() => parse(text), tooMany, text.slice(0, 20));
  assert.throws(() => parse(many('"\\""')), tooMany);
  const chains = Array.from({ length: 400 }, () => `${'['.repeat(60)}${']'.repeat(60)}`);
  assert.throws(() => parse(`[${chains.join(',')}]`), tooMany);
});

test('what stands in a text is no value', () => {
  const text = ',{["\\'.repeat(20_000);
  assert.deepEqual(parse(JSON.stringify({ text, after: [1, 2] })), { text, after: [1, 2] });
});
