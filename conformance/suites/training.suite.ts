// docs/training.md, run as it stands by a shell that is signed in: packages come from a real index, so it stands here.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(checkout, 'docs/training.md'), 'utf8');
const commands = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text);
const bootstrap = process.env['CONFORMANCE_BOOTSTRAP'] ?? '';

it('the page on a first training runs, and prints what it says', { timeout: 290_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-training-'));
  try {
    mkdirSync(join(folder, 'bin'));
    writeFileSync(join(folder, 'bin/strongroom'), `#!/bin/sh\nexec '${checkout}bin/strongroom' "$@"\n`, {
      mode: 0o755,
    });
    const first = [
      `bin/strongroom login --bootstrap-file '${bootstrap}'`,
      'bin/strongroom group create training',
      'bin/strongroom config set resource-group training',
      'bin/strongroom workspace create training-page',
      'bin/strongroom config set workspace training-page',
    ];
    const { NODE_OPTIONS: _resolver, ...environment } = process.env;
    const shell = spawn('bash', ['-euo', 'pipefail', '-c', [...first, ...commands].join('\n')], {
      cwd: folder,
      env: { ...environment, HOME: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [shell.stdout, shell.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const [code] = await once(shell, 'close');
    assert.equal(code, 0, said);
    assert.ok(commands.length >= 5);
    for (const [, text = ''] of page.matchAll(/^It prints `([^`]+)`/gm))
      assert.ok(said.includes(text), `${text}: ${said}`);
    assert.match(said, /separator +1/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
