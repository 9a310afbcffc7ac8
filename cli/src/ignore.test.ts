// The pattern language of ignore files, as git documents it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readIgnores } from './ignore.ts';

const cases: readonly (readonly [pattern: string, path: string, ignored: boolean, isFolder?: boolean])[] = [
  ['*.log', 'a.log', true],
  ['*.log', 'deep/er/a.log', true],
  ['*.log', 'a.log.txt', false],
  ['/a.txt', 'a.txt', true],
  ['/a.txt', 'b/a.txt', false],
  ['b/a.txt', 'b/a.txt', true],
  ['b/a.txt', 'c/b/a.txt', false],
  ['build/', 'build', true, true],
  ['build/', 'build', false, false],
  ['build/', 'x/build', true, true],
  ['**/x', 'a/b/x', true],
  ['**/x', 'x', true],
  ['a/**/z', 'a/z', true],
  ['a/**/z', 'a/b/c/z', true],
  ['a/**', 'a/b/c', true],
  ['a/**', 'a', false, true],
  ['?.txt', 'a.txt', true],
  ['?.txt', 'ab.txt', false],
  ['[ab].txt', 'b.txt', true],
  ['[!ab].txt', 'b.txt', false],
  ['[!ab].txt', 'c.txt', true],
  ['\\#x', '#x', true],
  ['#x', '#x', false],
  ['a\\ ', 'a ', true],
  ['a ', 'a', true],
  ['[z-a]', 'b', false],
  ['*.txt\n!keep.txt', 'keep.txt', false],
  ['*.txt\n!keep.txt', 'other.txt', true],
  ['!keep.txt\n*.txt', 'keep.txt', true],
  ['a.b', 'aXb', false],
  ['a+(b)', 'a+(b)', true],
  ['x\r\ny', 'x', true],
];

test('patterns match what git would match', () => {
  for (const [text, path, ignored, isFolder = false] of cases)
    assert.equal(readIgnores(text)(path, isFolder), ignored, `${JSON.stringify(text)} on ${path}`);
});

test('a pattern that would make a backtracking matcher take forever is answered at once', () => {
  const stars = `${'*a'.repeat(200)}b`;
  assert.equal(readIgnores(stars)('a'.repeat(2000), false), false);
  assert.equal(readIgnores(`${'**/a/'.repeat(80)}b`)('a/'.repeat(500), false), false);
});

test('any text is read and any path is answered', () => {
  const piece = fc.constantFrom('*', '**', '?', '[', ']', '!', '/', 'a', 'b', '\\', '-', '#', ' ', '\n', '.', '(', '+');
  const name = fc.constantFrom('a', 'b', '/', '.');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), fc.array(name, { maxLength: 40 }), (pattern, path) => {
      assert.equal(typeof readIgnores(pattern.join(''))(path.join(''), false), 'boolean');
    }),
    { numRuns: 1000 },
  );
});
