// `npm run bench`: every benchmark, one after the other, each in a process of its own. Names as arguments run fewer. Ratios
// are against a peer or a limit measured in the same run; nothing here is asserted.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const wanted = process.argv.slice(2);
const files = readdirSync(folder).filter(
  (name) => name.endsWith('.bench.ts') && (wanted.length === 0 || wanted.some((part) => name.startsWith(part))),
);
for (const file of files.sort()) {
  process.stdout.write(`\n== ${file}\n`);
  const { status } = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', `${folder}${file}`], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
