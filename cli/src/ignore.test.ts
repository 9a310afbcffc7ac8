// The pattern language of ignore files, as git documents it.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
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

test('a pattern that would take for ever is refused with its line, and not passed over', () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    [`x\n${'*a'.repeat(200)}b`, /x\.ignore:2: has more than 4 wildcards/],
    [`${'**/a/'.repeat(80)}b`, /x\.ignore:1: has more than 4 wildcards/],
    ['a'.repeat(600), /longer than 512 characters/],
    ['x\n'.repeat(1001), /more than 1000 lines/],
  ];
  for (const [text, message] of refused) assert.throws(() => readIgnores(text, 'x.ignore'), message);
  assert.equal(readIgnores('*a*a*a*ab')('a'.repeat(255), false), false, 'the most that is read is answered at once');
});

test('what stays at home is what git would leave out, over random patterns and a folder of files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-ignore-'));
  const git = (words: readonly string[], input?: string) =>
    spawnSync('git', words, { cwd: folder, encoding: 'utf8', ...(input === undefined ? {} : { input }) });
  try {
    assert.equal(git(['init', '-q']).status, 0, 'git is needed to compare with it');
    const names = ['a', 'b', 'ab', 'a.txt', 'b.log', '!a', '#a', 'a b', 'A'];
    const paths = names.flatMap((name) => [name, `d/${name}`, `d/e/${name}`, `a.d/${name}`]);
    for (const path of paths) {
      mkdirSync(join(folder, dirname(path)), { recursive: true });
      writeFileSync(join(folder, path), '');
    }
    const piece = fc.constantFrom(
      '*',
      '**',
      '?',
      '/',
      'a',
      'b',
      'd',
      'e',
      '.',
      'txt',
      '[ab]',
      '[!a]',
      '!',
      '#',
      ' ',
      '\\#',
      '\\!',
      '\n',
      '\n',
    );
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 14 }), (pieces) => {
        const text = pieces.join('');
        // Two stars that touch a name are one star by git's own page, and something else by its program, which cuts off
        // what stands before the first star and takes the stars for the beginning.
        fc.pre(!/(?<=[^\n/])(?<!(?:^|\n)!)\*\*|\*\*[^/\n]/.test(text));
        let ignores: ReturnType<typeof readIgnores>;
        try {
          ignores = readIgnores(text);
        } catch {
          return;
        }
        writeFileSync(join(folder, '.gitignore'), text);
        const { stdout } = git(['check-ignore', '--no-index', '-z', '--stdin'], paths.join('\0'));
        const theirs = new Set(stdout.split('\0'));
        const leftOut = (path: string): boolean => {
          const steps = path.split('/');
          return steps.some((_, index) => ignores(steps.slice(0, index + 1).join('/'), index < steps.length - 1));
        };
        assert.deepEqual(
          paths.filter(leftOut),
          paths.filter((path) => theirs.has(path)),
          JSON.stringify(text),
        );
      }),
      { numRuns: 150 },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
