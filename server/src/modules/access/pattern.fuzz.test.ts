// The linear matcher against an oracle that is slow and obvious: a dynamic program over pattern tokens and characters.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileExclusion, compilePattern, isPattern } from './pattern.rules.ts';

/** Whether tokens[i..] matches text[j..], by definition; memoised so that hostile patterns end. */
function oracle(pattern: string, action: string, segmentsMayVanish: boolean): boolean {
  const p = pattern.toLowerCase();
  const a = action.toLowerCase();
  const memory = new Map<string, boolean>();
  const from = (i: number, j: number): boolean => {
    const key = `${i},${j}`;
    const known = memory.get(key);
    if (known !== undefined) return known;
    memory.set(key, false);
    let result: boolean;
    if (i === p.length) result = j === a.length;
    else if (segmentsMayVanish && p.startsWith('/*/', i)) {
      // One slash, then anything that ends with a slash, or nothing.
      result = a[j] === '/' && (from(i + 2, j) || from(i + 1, j + 1));
    } else if (p[i] === '*') result = from(i + 1, j) || (j < a.length && from(i, j + 1));
    else result = a[j] === p[i] && from(i + 1, j + 1);
    memory.set(key, result);
    return result;
  };
  return from(0, 0);
}

const characters = (alphabet: string) => fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 14 });

test('a pattern of actions matches what the definition of the wildcard says', () => {
  fc.assert(
    fc.property(characters('aB/*'), characters('abA/'), (pattern, action) => {
      assert.equal(compilePattern(pattern)(action.toLowerCase()), oracle(pattern, action, false));
    }),
    { numRuns: 20_000 },
  );
});

test('an exclusion matches the same, and reads a wildcard segment as zero or more segments', () => {
  fc.assert(
    fc.property(characters('aB/*'), characters('abA/'), (pattern, action) => {
      assert.equal(compileExclusion(pattern)(action.toLowerCase()), oracle(pattern, action, true));
    }),
    { numRuns: 20_000 },
  );
});

test('an exclusion withholds at least what the same text would grant', () => {
  fc.assert(
    fc.property(characters('ab/*'), characters('ab/'), (pattern, action) => {
      if (compilePattern(pattern)(action)) assert.ok(compileExclusion(pattern)(action));
    }),
    { numRuns: 10_000 },
  );
});

test('the wildcard of a whole segment needs a segment in actions and none in exclusions', () => {
  const action = 'microsoft.machinelearningservices/workspaces/computes/write';
  const pattern = 'Microsoft.MachineLearningServices/workspaces/computes/*/write';
  assert.equal(compilePattern(pattern)(action), false);
  assert.equal(compileExclusion(pattern)(action), true);
  assert.equal(compileExclusion(pattern)('microsoft.machinelearningservices/workspaces/computeswrite'), false);
});

test('case does not count, and only the whole string does', () => {
  assert.ok(compilePattern('Microsoft.KeyVault/Vaults/READ')('microsoft.keyvault/vaults/read'));
  assert.ok(!compilePattern('Microsoft.KeyVault/vaults/read')('microsoft.keyvault/vaults/readx'));
  assert.ok(!compilePattern('*/read')('microsoft.keyvault/vaults/read/action'));
  assert.ok(!compilePattern('ab*ba')('aba'));
});

test('a hostile pattern is answered without backtracking', () => {
  const matches = compilePattern(`${'a*'.repeat(200)}b`);
  const started = process.cpuUsage();
  for (let round = 0; round < 100; round++) assert.equal(matches('a'.repeat(500)), false);
  // A backtracking matcher would need longer than the age of the universe; the bound is generous, not a measurement.
  assert.ok(process.cpuUsage(started).user < 2_000_000);
});

test('patterns with characters that no action has are refused', () => {
  for (const bad of ['', 'Microsoft.\u212aeyVault/vaults/read', 'a b', 'a?b', '(a+)+$', 'a'.repeat(513), 'a\n'])
    assert.equal(isPattern(bad), false, bad.slice(0, 40));
  for (const good of ['*', '*/read', 'Microsoft.MachineLearningServices/workspaces/*/read', 'a-b_c.d/e*'])
    assert.equal(isPattern(good), true, good);
});
