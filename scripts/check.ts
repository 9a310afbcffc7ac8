// `npm run check`: types, lint and format, the dependency table, and that every page that is printed from the code
// (openapi/, docs/errors.md and its like) is what the code says, and that each decision has a number of its own. All run, so that one
// call names everything that is wrong.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const steps: readonly (readonly [string, readonly string[]])[] = [
  ['types', ['node_modules/typescript/bin/tsc', '-p', '.', '--noEmit']],
  ['lint and format', ['node_modules/@biomejs/biome/bin/biome', 'check', '--diagnostic-level=warn', '.']],
  [
    'dependency table',
    [
      'node_modules/dependency-cruiser/bin/dependency-cruise.mjs',
      ...['--config', '.dependency-cruiser.cjs', 'server/src', 'agent/src', 'cli/src', 'contract/src'],
    ],
  ],
  ['printed pages', ['scripts/pages.ts', '--check']],
  ['numbers of decisions', ['scripts/decisions.ts']],
];

let failed = 0;
for (const [title, words] of steps) {
  const started = performance.now();
  // Under this very Node: the one that PATH names may be too old for what is started.
  const { status } = spawnSync(process.execPath, words, { cwd: root, stdio: 'inherit' });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${status === 0 ? 'ok  ' : 'FAIL'} ${title} (${seconds} s)\n`);
  if (status !== 0) failed++;
}
process.exitCode = failed === 0 ? 0 : 1;
