// Every promise of the threat model names a test, and that test is there. Whether it fails when the promise is broken is for
// whoever changes either to try.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

test('every promise of the threat model is held by a test that exists', () => {
  const rows = readFileSync(`${root}docs/threat-model.md`, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| ') && line !== '| promise | held by |');
  assert.ok(rows.length > 30, `${rows.length} promises`);
  const broken = rows.filter((row) => {
    const [, path, name] = /^\| [^|]+ \| `([^`]+)`: ([^|]+) \|$/.exec(row) ?? [];
    if (path === undefined || name === undefined || !existsSync(root + path)) return true;
    return !readFileSync(root + path, 'utf8').includes(name);
  });
  assert.deepEqual(broken, []);
});
