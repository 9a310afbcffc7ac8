// `npm run bench`: every benchmark, one after the other, each in a process of its own. Names as arguments run fewer. Ratios
// are against a peer or a limit measured in the same run; nothing here is asserted.
//
// `npm run bench -- --compare`: the hot path alone, beside the ratios that are kept in kept-ratios.json. Ends with 1 where a request
// costs more, as a multiple of the floor, than was kept and what runs differ by. `--keep` writes them anew. Names run fewer rows.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const keptFile = `${folder}kept-ratios.json`;
/** So much more than what is kept is no accident of the machine. */
const tolerated = 1.35;

type Ratios = Readonly<Record<string, number>>;
const readRatios = (file: string): Ratios => JSON.parse(readFileSync(file, 'utf8')) as Ratios;
const words = process.argv.slice(2);
const wanted = words.filter((word) => !word.startsWith('--'));
if (words.includes('--compare') || words.includes('--keep')) process.exitCode = compare();
else process.exitCode = runAll();

function runAll(): number {
  const files = readdirSync(folder).filter(
    (name) => name.endsWith('.bench.ts') && (wanted.length === 0 || wanted.some((part) => name.startsWith(part))),
  );
  let code = 0;
  for (const file of files.sort()) {
    process.stdout.write(`\n== ${file}\n`);
    if (run(file, []) !== 0) code = 1;
  }
  return code;
}

function run(file: string, args: readonly string[], more: Readonly<Record<string, string>> = {}): number | null {
  return spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', `${folder}${file}`, ...args], {
    stdio: ['inherit', 'inherit', more['BENCH_RESULTS'] === undefined ? 'inherit' : 'ignore'],
    env: { ...process.env, ...more },
  }).status;
}

function measured(): Ratios {
  const scratch = mkdtempSync(join(tmpdir(), 'strongroom-bench-'));
  const results = join(scratch, 'ratios.json');
  const all: Record<string, number> = {};
  try {
    for (const row of wanted.length > 0 ? wanted : ['log-metric', 'get-run', 'create-run', 'log-batch']) {
      if (run('hot.bench.ts', [row], { BENCH_RESULTS: results, BENCH_CONNECTIONS: '16' }) !== 0)
        throw new Error(`the benchmark of ${row} failed; run it alone to see why: npm run bench -- hot`);
      Object.assign(all, readRatios(results));
    }
    return all;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function compare(): number {
  const now = measured();
  if (words.includes('--keep')) {
    writeFileSync(keptFile, `${JSON.stringify({ ...readRatios(keptFile), ...now }, null, 2)}\n`);
    return 0;
  }
  const kept = readRatios(keptFile);
  let code = 0;
  for (const [row, times] of Object.entries(now)) {
    const before = kept[row];
    const isWorse = before !== undefined && times > before * tolerated;
    if (isWorse) code = 1;
    const said = before === undefined ? 'nothing is kept' : `kept ${before}`;
    process.stdout.write(`${row}: ${times} times the floor, ${said}${isWorse ? ': WORSE' : ''}\n`);
  }
  return code;
}
