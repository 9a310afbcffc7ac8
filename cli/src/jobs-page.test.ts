// docs/jobs.md is run as it stands, in its order, by a shell that is signed in to a server of its own.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openServed } from './served.fixture.ts';

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(checkout, 'docs/jobs.md'), 'utf8');
const commands = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text);

test('every command of the page on jobs runs, and prints what the page says', async () => {
  const { cli, folder } = await openServed();
  await cli.run('group', 'create', 'pages');
  await cli.run('config', 'set', 'resource-group', 'pages');
  await cli.json('workspace', 'create', 'research');
  await cli.run('config', 'set', 'workspace', 'research');
  const place = join(folder, 'place');
  mkdirSync(join(place, 'bin'), { recursive: true });
  writeFileSync(join(place, 'bin/strongroom'), `#!/bin/sh\nexec '${checkout}bin/strongroom' "$@"\n`, { mode: 0o755 });
  const script = `ME=strongroom-automation\n${commands.join('')}`;
  const bash = spawn('bash', ['-euo', 'pipefail', '-c', script], {
    cwd: place,
    env: { ...process.env, ...cli.shell.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  for (const stream of [bash.stdout, bash.stderr]) stream.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const [code] = await once(bash, 'close');
  assert.equal(code, 0, out);
  assert.ok(commands.length >= 2);
  for (const [, said = ''] of page.matchAll(/^It prints `([^`]+)`/gm)) assert.ok(out.includes(said), out);
  assert.ok(!out.includes('correct horse'), out);
});
