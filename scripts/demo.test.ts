// The demo keeps every promise that it makes, ends by itself and leaves nothing behind; and what it searches with finds things.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { searchFor } from './demo/canaries.ts';
import { shortened } from './demo/record.ts';

const demo = fileURLToPath(new URL('demo.ts', import.meta.url));

test('the demo, as a whole, says so in one line of JSON', () => {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-demo-test-'));
  const { status, stdout, stderr } = spawnSync(process.execPath, [demo, '--json'], {
    encoding: 'utf8',
    env: { ...process.env, TMPDIR: folder },
    timeout: 240_000,
  });
  assert.equal(status, 0, `${stdout}${stderr}`);
  assert.ok(!stdout.includes('\u001b['), 'no colours where no terminal is');
  const said = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
  assert.equal(said.jobStatus, 'Completed');
  assert.ok(said.metrics.accuracy > 0.9);
  assert.deepEqual(said.model, { name: 'breast-cancer', version: '1' });
  assert.match(said.image.digest, /^sha256:[0-9a-f]{64}$/);
  assert.ok(said.endpoint.scoringUri.startsWith(said.url));
  assert.equal(said.score.benign.length, 2);
  assert.equal(said.statusWithoutKey, 401);
  assert.equal(said.audit.verified, true);
  assert.ok(said.audit.entries > 30);
  assert.equal(said.atRestCanariesFound, 0);
  assert.deepEqual(readdirSync(folder), [], 'nothing is left behind');
  rmSync(folder, { recursive: true });
});

test('without training it shows what needs no sandbox, and says what it left out', () => {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-demo-test-'));
  const { status, stdout, stderr } = spawnSync(process.execPath, [demo, '--json', '--without-training'], {
    encoding: 'utf8',
    env: { ...process.env, TMPDIR: folder },
    timeout: 240_000,
  });
  assert.equal(status, 0, `${stdout}${stderr}`);
  assert.match(stdout, /Left out, because it needs a sandbox: training/);
  assert.doesNotMatch(stdout, /All as promised/);
  const said = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
  assert.equal(said.jobStatus, undefined);
  assert.equal(said.audit.verified, true);
  assert.equal(said.atRestCanariesFound, 0);
  assert.deepEqual(readdirSync(folder), []);
  rmSync(folder, { recursive: true });
});

test('interrupted, it says so and nothing else, and leaves nothing behind', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-demo-test-'));
  const running = spawn(process.execPath, [demo], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TMPDIR: folder },
  });
  const exited = once(running, 'exit');
  let said = '';
  for await (const chunk of running.stdout.setEncoding('utf8')) {
    const before = said;
    said += String(chunk);
    // While it trains, a request is always under way: the loss of the server was once told as the reason.
    if (!/^ 5 /m.test(before) && /^ 5 /m.test(said)) running.kill('SIGINT');
  }
  assert.deepEqual(await exited, [130, null], said);
  assert.match(said, /✗ Interrupted[^✗]*$/);
  assert.deepEqual(readdirSync(folder), []);
  rmSync(folder, { recursive: true });
});

test('where no sandbox can be made and nothing may be installed, it says the line and leaves nothing behind', () => {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-demo-test-'));
  const path = join(folder, 'path');
  mkdirSync(path);
  mkdirSync(join(folder, 'tmp'));
  symlinkSync('/bin/sh', join(path, 'sh'));
  const env = { PATH: path, TMPDIR: join(folder, 'tmp') };
  const { status, stdout, stderr } = spawnSync(process.execPath, [demo], { encoding: 'utf8', env });
  assert.equal(status, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /which this machine does not have\.\nDo this, then try again:\n\n {4}install bubblewrap/);
  assert.match(stderr, /--without-training\n\n$/);
  assert.deepEqual(readdirSync(join(folder, 'tmp')), []);
  rmSync(folder, { recursive: true });
});

test('a flag that the demo does not know is refused', () => {
  const { status, stderr } = spawnSync(process.execPath, [demo, '--fast'], { encoding: 'utf8' });
  assert.equal(status, 2);
  assert.match(stderr, /--fast/);
});

test('the search finds a canary in any file, also across the pieces that it reads', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-search-'));
  mkdirSync(join(folder, 'deep'));
  const canary = 'nightingale';
  writeFileSync(
    join(folder, 'deep', 'split'),
    Buffer.concat([Buffer.alloc((1 << 20) - 5), Buffer.from(canary), Buffer.alloc(10)]),
  );
  writeFileSync(join(folder, 'clean'), 'night in gale');
  const { files, found } = await searchFor(
    [folder],
    [
      ['it', canary],
      ['other', 'absent'],
    ],
  );
  assert.equal(files, 2);
  assert.deepEqual(found, [{ file: join(folder, 'deep', 'split'), what: 'it' }]);
  rmSync(folder, { recursive: true });
});

test('the trail counts repetitions and the reads of one reader, and hides no refusal', () => {
  const row = (what: string, outcome = 'allowed', who = 'me') => ({
    sequence: 0,
    time: '',
    who,
    what,
    on: 'x/y',
    outcome,
    scope: '/x/y',
  });
  const { rows, reads } = shortened(
    [row('A_Get'), row('A_Get', 'failed 403 X'), row('B_Do'), row('B_Do'), row('A_Get', 'allowed', 'other')],
    'me',
  );
  assert.deepEqual(rows, [
    ['me', 'A_Get', 'x/y', 'failed 403 X'],
    ['me', 'B_Do (2 times)', 'x/y', 'allowed'],
    ['other', 'A_Get', 'x/y', 'allowed'],
  ]);
  assert.equal(reads, 1);
});
