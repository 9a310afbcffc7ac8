// What .dockerignore leaves out, as Docker does: against a slow reader of the same rules, and with patterns made to be slow.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fits, isIgnored, type Pattern, readIgnore, TooMuchWork } from './path-patterns.rules.ts';

const patternsOf = (text: string): readonly Pattern[] => {
  const patterns = readIgnore(text);
  assert.ok(typeof patterns !== 'string', String(patterns));
  return patterns;
};
const left = (text: string, paths: readonly string[]) =>
  paths.filter((path) => !isIgnored(patternsOf(text), path, { left: 1e6 }));

test('names, folders, stars, folders at any depth, and what stays all the same', () => {
  const paths = ['README.md', 'a.md', 'src/a.md', 'src/a.py', 'src/deep/a.pyc', 'node_modules/x/y', '.git/config'];
  assert.deepEqual(left('# a comment\n\n.git\nnode_modules/\n', paths), paths.slice(0, 5));
  assert.deepEqual(left('*.md\n!README.md', paths), ['README.md', ...paths.slice(2)]);
  assert.deepEqual(left('**/*.md', paths), paths.slice(3));
  assert.deepEqual(left('**/*.pyc\nsrc/?.py\n/.git', paths), ['README.md', 'a.md', 'src/a.md', 'node_modules/x/y']);
  assert.deepEqual(left('*\n!src/**/*.py*', paths), ['src/a.py', 'src/deep/a.pyc']);
  assert.deepEqual(
    left('src/**', paths),
    paths.filter((path) => !path.startsWith('src/')),
  );
});

test('what is not read is told with its line', () => {
  assert.match(String(readIgnore('a\n[ab]*')), /^line 2: '\[ab\]\*' has a set of characters/);
  assert.match(String(readIgnore('../x')), /climbs out/);
  assert.match(String(readIgnore('a**b')), /\*\* within a name/);
  assert.match(String(readIgnore('x\n'.repeat(502))), /more than 500 lines/);
});

test('a pattern means what a regular expression of it means', () => {
  const part = fc
    .string({ unit: fc.constantFrom('a', 'b', '*', '?'), minLength: 1, maxLength: 6 })
    .filter((text) => !text.includes('**'));
  const name = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(
      fc.array(fc.oneof(part, fc.constant('**')), { minLength: 1, maxLength: 4 }),
      fc.array(name, { minLength: 1, maxLength: 4 }),
      (pattern, path) => {
        const each = (text: string) =>
          text === '**' ? '(?:[^/]+/)*' : `${text.replace(/\*/g, '[^/]*').replace(/\?/g, '[^/]')}/`;
        const expression = new RegExp(`^${pattern.map(each).join('')}$`);
        assert.equal(fits(pattern, path, { left: 1e6 }), expression.test(`${path.join('/')}/`), `${pattern} ${path}`);
      },
    ),
    { numRuns: 3000 },
  );
});

test('patterns that are made to be slow end in a bounded amount of work', () => {
  const slow = patternsOf(
    Array(400)
      .fill(`${'*a'.repeat(100)}b`)
      .join('\n'),
  );
  assert.throws(() => isIgnored(slow, `${'a'.repeat(250)}/`.repeat(4), { left: 50_000 }), TooMuchWork);
});
