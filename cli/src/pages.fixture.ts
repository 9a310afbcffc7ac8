// A page of docs/ that is run as it stands, in its order, by a shell that is signed in: its blocks of `sh`. What the page says that
// it prints has to be printed.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('../..', import.meta.url));

/**
 * @param folder an empty one, where the page begins
 * @param first lines that come before those of the page
 */
export async function runPage(
  name: string,
  {
    folder,
    environment,
    first,
  }: {
    readonly folder: string;
    readonly environment: NodeJS.ProcessEnv;
    readonly first: readonly string[];
  },
): Promise<{ readonly blocks: readonly string[]; readonly said: string }> {
  const page = readFileSync(join(checkout, 'docs', name), 'utf8');
  const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text);
  assert.ok(blocks.length >= 1, name);
  mkdirSync(join(folder, 'bin'), { recursive: true });
  writeFileSync(join(folder, 'bin/strongroom'), `#!/bin/sh\nexec '${checkout}bin/strongroom' "$@"\n`, { mode: 0o755 });
  const shell = spawn('bash', ['-euo', 'pipefail', '-c', [...first, ...blocks].join('\n')], {
    cwd: folder,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [shell.stdout, shell.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [code] = await once(shell, 'close');
  assert.equal(code, 0, said);
  for (const [, text = ''] of page.matchAll(/^It prints `([^`]+)`/gm))
    assert.ok(said.includes(text), `${text}: ${said}`);
  return { blocks, said };
}
