// What brings inputs is a process that can end at any moment, in the middle of a line as well.

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { bringFrom, InputsRefused } from './bring.ts';

it('a process that ends within a line is told as one that ended early, and the agent lives on', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, 'python');
  writeFileSync(program, `#!/bin/sh\nprintf '{"refused": "half of a'\n`);
  chmodSync(program, 0o755);
  const start = bringFrom({ url: 'https://localhost:1', caPem: '', interpreter: () => program });
  const bringing = start({ token: 'any', decisions: [] });
  await assert.rejects(
    bringing.decided,
    (error) => error instanceof InputsRefused && /ended early/.test(error.message),
  );
  await bringing.end();
});
