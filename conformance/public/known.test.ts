import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { Kept } from './outcomes.ts';
import { publicSuites } from './suites.ts';

const known = new URL('known/', import.meta.url);
const root = new URL('../../', import.meta.url);

describe('what is kept of the public suites', () => {
  it('is a file for a suite, and no other', () => {
    const names = publicSuites.map(({ name }) => `${name}.json`);
    assert.equal(new Set(names).size, names.length);
    assert.deepEqual(
      readdirSync(known).filter((file) => !names.includes(file)),
      [],
    );
  });

  for (const { name, told } of publicSuites) {
    const file = new URL(`${name}.json`, known);
    if (!existsSync(file)) {
      it(`${name}: ${told} tells that nothing is kept`, () =>
        assert.ok(readFileSync(new URL(told, root), 'utf8').includes(`| \`${name}\` | not measured |`)));
      continue;
    }
    const kept = JSON.parse(readFileSync(file, 'utf8')) as Kept;

    it(`${name}: every failure has a reason, is named once, and they are as many as were counted`, () => {
      const tests = kept.failures.flatMap((group) => group.tests);
      assert.equal(new Set(tests).size, tests.length);
      assert.ok(kept.failures.every(({ reason }) => reason !== ''));
      assert.ok(kept.version !== '');
      // The suite of OCI counts what holds a step that failed, too.
      if (!name.startsWith('oci')) assert.equal(tests.length, kept.counts.failed);
    });

    it(`${name}: ${told} tells the counts that are kept`, () => {
      const { passed, failed, skipped } = kept.counts;
      const row = `| \`${name}\` | ${[passed + failed + skipped, passed, failed, skipped].join(' | ')} |`;
      assert.ok(readFileSync(new URL(told, root), 'utf8').includes(row), `${told} has no row that begins with\n${row}`);
    });
  }
});
