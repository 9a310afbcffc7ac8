import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { createFiles } from './files.ts';
import { createRoom, markOf, reserveBytes } from './room.ts';

const gibibyte = 1024 ** 3;
const low = (error: unknown) => error instanceof Failure && error.kind === 'full' && error.code === 'StorageLow';

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'room-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('the mark is a gibibyte or five per cent, bounded, and a setting only raises it', () => {
  assert.equal(markOf(4 * gibibyte, 0), gibibyte);
  assert.equal(markOf(100 * gibibyte, 0), 5 * gibibyte);
  assert.equal(markOf(4_000 * gibibyte, 0), 10 * gibibyte);
  assert.equal(markOf(4 * gibibyte, 1), gibibyte);
  assert.equal(markOf(4 * gibibyte, 3 * gibibyte), 3 * gibibyte);
});

test('below the mark nothing that grows is taken, small files of the house are, and above it all is again', async (t) => {
  const folder = await folderFor(t);
  const space = { freeBytes: 2 * gibibyte, totalBytes: 10 * gibibyte };
  let nowMs = 0;
  const room = createRoom({ folder, ask: () => ({ ...space }), nowMs: () => nowMs });
  const files = createFiles({ room });
  const put = async () => {
    const file = await files.createDurable(join(folder, 'blob'));
    await file.commit();
  };
  await put();
  space.freeBytes = gibibyte - 1;
  await put();
  nowMs += 1_000;
  await assert.rejects(put(), low);
  assert.equal(room.state(), 'low');
  await files.writeDurably(join(folder, 'keyring'), Buffer.from('k'));
  assert.equal(await files.removeDurably(join(folder, 'blob')), true);
  space.freeBytes = 2 * gibibyte;
  nowMs += 1_000;
  await put();
  assert.equal(room.state(), 'enough');
});

test('the reserve is really there, is given up when the disk is full, and comes back when there is room', async (t) => {
  const folder = await folderFor(t);
  const space = { freeBytes: 2 * gibibyte, totalBytes: 10 * gibibyte };
  const room = createRoom({ folder, ask: () => ({ ...space }), nowMs: () => Number.POSITIVE_INFINITY });
  const reserve = () => stat(join(folder, 'reserve')).catch(() => undefined);
  await room.reserve();
  assert.equal((await reserve())?.size, reserveBytes);
  await room.makeWay();
  assert.equal((await reserve())?.size, reserveBytes);
  space.freeBytes = 1_000;
  await room.makeWay();
  assert.equal(await reserve(), undefined, 'a start that finds no room makes some');
  await room.reserve();
  assert.equal(await reserve(), undefined, 'and takes none');
  space.freeBytes = 2 * gibibyte;
  await room.reserve();
  assert.equal((await reserve())?.size, reserveBytes);
  await room.release();
  assert.equal(await reserve(), undefined);
});

test('a reserve that cannot be removed stays, and whoever noticed the full disk goes on', async (t) => {
  const folder = await folderFor(t);
  await mkdir(join(folder, 'reserve', 'in the way'), { recursive: true });
  const room = createRoom({ folder, ask: () => ({ freeBytes: 0, totalBytes: gibibyte }) });
  assert.equal(room.state(), 'full');
  assert.throws(() => room.require(), low);
  await room.release();
});

test('on a real disk that fills up: growth stops first, and the reserve leaves room for what must be written', async (t) => {
  const folder = await folderFor(t);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1200m', 'tmpfs', folder], { encoding: 'utf8' });
  if (mounted.status !== 0) {
    assert.notEqual(process.env['CI'], 'true', `CI mounts: ${mounted.stderr}`);
    t.skip('needs the right to mount');
    return;
  }
  try {
    const shrink = (size: string) => spawnSync('mount', ['-o', `remount,size=${size}`, folder]);
    let nowMs = 0;
    const room = createRoom({ folder, nowMs: () => nowMs });
    await room.reserve();
    assert.equal(room.state(), 'enough');
    shrink('900m');
    nowMs += 1_000;
    assert.throws(() => room.require(), low);
    // All but a few kilobytes are taken: by the reserve and by what must be written.
    await writeFile(join(folder, 'log'), Buffer.alloc(1_048_576));
    shrink('34m');
    nowMs += 1_000;
    assert.equal(room.state(), 'full');
    await room.release();
    nowMs += 1_000;
    assert.equal(room.state(), 'low');
    await writeFile(join(folder, 'log'), Buffer.alloc(24 * 1_048_576));
  } finally {
    spawnSync('umount', ['-l', folder]);
  }
});
