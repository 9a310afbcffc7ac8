// docs/cli.md says what the commands say of themselves.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { createProgram } from './program.ts';
import { referenceOf } from './reference.ts';
import { createTestShell } from './testing.ts';

const page = new URL('../../docs/cli.md', import.meta.url);

test('the page about the command line is what the commands say; UPDATE_GOLDEN=1 writes it anew', async () => {
  const cli = createTestShell();
  const wanted = referenceOf(await createProgram(cli.shell));
  cli.close();
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(page, wanted);
  assert.equal(readFileSync(page, 'utf8'), wanted, 'write it anew with UPDATE_GOLDEN=1');
});
