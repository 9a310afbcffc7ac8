import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { lockFolder } from '#kernel/files/lock';

const folder = mkdtempSync(join(tmpdir(), 'lock-'));
after(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'server.lock');

test('a lock is held once, and free after its release', async () => {
  const lock = await lockFolder(path);
  await assert.rejects(lockFolder(path), { code: 'DataFolderInUse' });
  await lock.release();
  assert.ok(!existsSync(path));
  await (await lockFolder(path)).release();
});

test('a lock that a dead process left, or that is damaged, is taken over', async () => {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  for (const left of [
    JSON.stringify({ pid: child.pid, birth: 'x:1' }),
    JSON.stringify({ pid: process.pid, birth: 'another boot:1' }),
    '{',
  ]) {
    writeFileSync(path, left);
    await (await lockFolder(path)).release();
  }
});
