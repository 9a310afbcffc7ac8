// Killed in the middle of writing: what was acknowledged is there, every blob is whole, and no file is left over.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { testGrant } from '#kernel/testing/authority';
import { account, openStore } from './crash.worker.ts';
import { readAll } from './testing.ts';

after(() => closeScanPool());
const grant = testGrant();

test('after kill -9 in the middle of writing every blob is one acknowledged version or a later one', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-storage-crash-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const acknowledged = new Map<string, number>();
  for (let round = 0; round < 4; round++) {
    acknowledged.clear();
    const worker = spawn(process.execPath, [join(import.meta.dirname, 'crash.worker.ts'), folder], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const exited = once(worker, 'exit');
    let lines = 0;
    for await (const line of createInterface({ input: worker.stdout })) {
      const [name = '', version = ''] = line.split(' ');
      acknowledged.set(name, Number(version));
      lines += 1;
      if (lines === 5 + round * 7) worker.kill('SIGKILL');
    }
    await exited;

    const store = openStore(folder);
    for (const [name, version] of acknowledged) {
      const { info, stream } = await store.blobs.open(grant, { account: account.id, container: 'data', name });
      const content = await readAll(stream);
      const found = info.size - 700_000;
      assert.ok(found === version || found === version + 1, `${name}: ${found} after ${version} was acknowledged`);
      assert.ok(content.every((byte) => byte === found % 251));
    }
    const { blobs } = await store.blobs.list(grant, { account: account.id, container: 'data', limit: 100 });
    assert.equal((await readdir(join(folder, 'storage', account.uniqueId, 'blobs'))).length, blobs.length);
    await store.opened.closeAll();
  }
});

test('a container that was half deleted when the server died is gone at the next start', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-storage-crash-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const first = openStore(folder);
  const at = { account: account.id, container: 'data' };
  await first.containers.ensureContainer(grant, account.id, 'data');
  for (const name of ['a', 'b']) await first.blobs.put(grant, { ...at, name }, Buffer.from(name), { maxBytes: 10 });
  const { markDeleting } = await import('./containers.store.ts');
  await first.opened.use(account, ({ index }) => index.write((tx) => markDeleting(tx, 'data')));
  for (const act of [
    () => first.blobs.head(grant, { ...at, name: 'none' }),
    () => first.blobs.put(grant, { ...at, name: 'c' }, Buffer.from('c'), { maxBytes: 10 }),
    () => first.containers.ensureContainer(grant, account.id, 'data'),
  ])
    await assert.rejects(act, /being deleted/);
  await first.opened.closeAll();
  const second = openStore(folder);
  await assert.rejects(second.containers.getContainer(grant, at), /does not exist/);
  assert.deepEqual(await readdir(join(folder, 'storage', account.uniqueId, 'blobs')), []);
  await second.opened.closeAll();
});
