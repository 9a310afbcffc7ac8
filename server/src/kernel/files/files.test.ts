// Files on a real folder: all or nothing under every failing step, bounds and links refused, leftovers swept.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { failNth } from './faults.ts';
import { createFiles } from './files.ts';

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-files-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const code = (expected: string) => (error: unknown) => error instanceof Failure && error.code === expected;
const bytes = (text: string) => Buffer.from(text);

test('a file is written whole, privately, and replaces what was there', async (t) => {
  const path = join(await folderFor(t), 'a');
  const files = createFiles();
  await files.writeDurably(path, bytes('one'));
  await files.writeDurably(path, bytes('two'), { mode: 0o640 });
  assert.equal((await files.readFileBounded(path, 3)).toString(), 'two');
  assert.equal((await stat(path)).mode & 0o777 & ~0o640, 0);
  assert.deepEqual(await readdir(join(path, '..')), ['a']);
});

test('whichever step fails, the old file stays whole and nothing is left beside it', async (t) => {
  const folder = await folderFor(t);
  const path = join(folder, 'a');
  await createFiles().writeDurably(path, bytes('old'));
  const counting = failNth(0);
  await createFiles({ faults: counting.faults }).writeDurably(join(folder, 'count'), bytes('new'));
  await rm(join(folder, 'count'));
  assert.equal(counting.seen(), 4); // write, fsync, rename, fsync of the folder
  for (let nth = 1; nth <= counting.seen(); nth++) {
    const { faults } = failNth(nth);
    await assert.rejects(createFiles({ faults }).writeDurably(path, bytes('new')), code('StorageFull'));
    // Past the rename the new file is in place, whole, but was not acknowledged.
    assert.equal((await readFile(path)).toString(), nth < 4 ? 'old' : 'new');
    assert.deepEqual(await readdir(folder), ['a']);
  }
});

test('a durable file appears at commit, not before, and not at all after abort', async (t) => {
  const folder = await folderFor(t);
  const files = createFiles();
  const kept = await files.createDurable(join(folder, 'kept'));
  const dropped = await files.createDurable(join(folder, 'dropped'));
  for (const file of [kept, dropped]) for (const chunk of ['a', '', 'bc']) await file.write(bytes(chunk));
  await assert.rejects(files.readFileBounded(join(folder, 'kept'), 10), code('FileMissing'));
  await kept.commit();
  await kept.abort();
  await dropped.abort();
  assert.deepEqual(await readdir(folder), ['kept']);
  assert.equal((await readFile(join(folder, 'kept'))).toString(), 'abc');
  await assert.rejects(kept.write(bytes('x')), code('FileMisuse'));
  await assert.rejects(dropped.commit(), code('FileMisuse'));
});

test('after a write that failed, commit is refused', async (t) => {
  const folder = await folderFor(t);
  const file = await createFiles({ faults: failNth(1).faults }).createDurable(join(folder, 'a'));
  await assert.rejects(file.write(bytes('x')), code('StorageFull'));
  await assert.rejects(file.commit(), code('FileMisuse'));
  assert.deepEqual(await readdir(folder), []);
});

test('two writes at once are refused, because their order would be chance', async (t) => {
  const file = await createFiles().createDurable(join(await folderFor(t), 'a'));
  const first = file.write(bytes('x'));
  await assert.rejects(file.write(bytes('y')), code('FileMisuse'));
  await first;
  await file.abort();
});

test('reading is bounded and follows no link', async (t) => {
  const folder = await folderFor(t);
  const files = createFiles();
  await writeFile(join(folder, 'big'), 'x'.repeat(101));
  await writeFile(join(folder, 'empty'), '');
  await symlink(join(folder, 'big'), join(folder, 'link'));
  await assert.rejects(files.readFileBounded(join(folder, 'big'), 100), code('FileTooLarge'));
  assert.equal((await files.readFileBounded(join(folder, 'big'), 101)).length, 101);
  assert.equal((await files.readFileBounded(join(folder, 'empty'), 0)).length, 0);
  await assert.rejects(files.readFileBounded(join(folder, 'link'), 1_000), code('FileNotRegular'));
  await assert.rejects(files.readFileBounded(folder, 1_000), code('FileNotRegular'));
  await assert.rejects(files.readFileBounded(join(folder, 'none'), 1_000), code('FileMissing'));
});

test('removing says whether there was something to remove', async (t) => {
  const path = join(await folderFor(t), 'a');
  const files = createFiles();
  await files.writeDurably(path, bytes('x'));
  await assert.rejects(
    createFiles({ faults: failNth(1, ({ step }) => step === 'remove').faults }).removeDurably(path),
    code('StorageFull'),
  );
  assert.equal(await files.removeDurably(path), true);
  assert.equal(await files.removeDurably(path), false);
});

test('folders are made privately, and making them again is nothing', async (t) => {
  const folder = await folderFor(t);
  const files = createFiles();
  await files.ensureFolder(join(folder, 'a', 'b'));
  await files.ensureFolder(join(folder, 'a', 'b'));
  for (const path of [join(folder, 'a'), join(folder, 'a', 'b')]) assert.equal((await stat(path)).mode & 0o077, 0);
});

test('a folder whose entry could not be made durable is not there, so that the next call makes it anew', async (t) => {
  const folder = await folderFor(t);
  const path = join(folder, 'a', 'b');
  for (const nth of [1, 2]) {
    const { faults } = failNth(nth, ({ step }) => step === 'fsync');
    await assert.rejects(createFiles({ faults }).ensureFolder(path), code('StorageFull'));
    assert.deepEqual(await readdir(folder), []);
  }
  const counting = failNth(0, ({ step }) => step === 'fsync');
  await createFiles({ faults: counting.faults }).ensureFolder(path);
  assert.equal(counting.seen(), 2);
});

test('of two calls that make a folder at once, the one that finds it waits until it is durable, or makes it itself', async (t) => {
  const folder = await folderFor(t);
  const { faults, seen } = failNth(1, ({ step }) => step === 'fsync');
  const files = createFiles({ faults });
  const both = await Promise.allSettled([files.ensureFolder(join(folder, 'a')), files.ensureFolder(join(folder, 'a'))]);
  assert.deepEqual(
    both.map(({ status }) => status),
    ['rejected', 'fulfilled'],
  );
  assert.equal(seen(), 2, 'the second asked the disk itself');
});

test('a sweep removes what a crash left behind, and nothing else', async (t) => {
  const folder = await folderFor(t);
  const files = createFiles();
  await mkdir(join(folder, 'deep', '.tmp-1-folder-1'), { recursive: true });
  const stale = ['.tmp-77-abc9-1', join('deep', '.tmp-77-abc9-2')];
  const kept = ['.tmp-notes', 'a.tmp-1-2-3', join('deep', 'data')];
  for (const name of [...stale, ...kept]) await writeFile(join(folder, name), 'x');
  const live = await files.createDurable(join(folder, 'live'));
  await live.write(bytes('x'));
  assert.equal(await files.sweepTemporary(folder), 2);
  assert.equal(await files.sweepTemporary(folder), 0);
  await live.commit();
  const left = await readdir(folder, { recursive: true });
  for (const name of [...kept, 'live', join('deep', '.tmp-1-folder-1')]) assert.ok(left.includes(name), name);
});
