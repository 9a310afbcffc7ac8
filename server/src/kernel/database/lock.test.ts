// The lock of a data folder: one holder, in this process and in others, and none that outlives its process.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { lockFolder } from './lock.ts';

const folder = mkdtempSync(join(tmpdir(), 'lock-'));
after(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'server.lock');

/** A process that takes the lock, says so, and then does nothing. */
async function holder() {
  const script = `
    const { lockFolder } = await import(${JSON.stringify(import.meta.resolve('./lock.ts'))});
    await lockFolder(${JSON.stringify(path)}).then(() => console.log('held'), (error) => console.log(error.code));
    setInterval(() => globalThis.gc(), 10);`;
  const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [said] = await once(child.stdout, 'data');
  return {
    said: String(said).trim(),
    async kill() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

test('a lock is held once, and free after its release', async () => {
  const lock = await lockFolder(path);
  await assert.rejects(lockFolder(path), { code: 'DataFolderInUse' });
  assert.deepEqual(readdirSync(folder), ['server.lock']);
  await lock.release();
  await (await lockFolder(path)).release();
});

test('of several processes that come at the same moment one holds it, and when that is killed it is free', async () => {
  const all = await Promise.all([holder(), holder(), holder()]);
  try {
    assert.deepEqual(all.map(({ said }) => said).sort(), ['DataFolderInUse', 'DataFolderInUse', 'held']);
    await assert.rejects(lockFolder(path), { code: 'DataFolderInUse' });
    await all.find(({ said }) => said === 'held')?.kill();
    await (await lockFolder(path)).release();
  } finally {
    await Promise.all(all.filter(({ said }) => said !== 'held').map(({ kill }) => kill()));
  }
});
