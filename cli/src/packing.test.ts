// What is sent of a folder: what its ignore file leaves, always the same bytes, never a link, never too much.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, test } from 'node:test';
import tar from 'tar-stream';
import { listFiles, packFiles } from './packing.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'strongroom-packing-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}
const listed = () => listFiles(folder).map(({ path }) => path);
async function bytesOf(): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of packFiles(listFiles(folder))) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('.amlignore of the root decides; .gitignore does where there is none; git and caches stay at home', () => {
  write({
    'train.py': '',
    'notes.txt': '',
    'data/a.csv': '',
    'sub/.gitignore': '*',
    'sub/keep.py': '',
    '.git/config': '',
    '__pycache__/x.pyc': '',
    '.gitignore': 'notes.txt\n',
  });
  assert.deepEqual(listed(), ['.gitignore', 'data/a.csv', 'sub/.gitignore', 'sub/keep.py', 'train.py']);
  write({ '.amlignore': 'data/\n.gitignore\n' });
  assert.deepEqual(listed(), ['notes.txt', 'sub/keep.py', 'train.py']);
});

test('the same files make the same bytes, whenever and in whatever order they were written', async () => {
  write({ 'b/2.txt': 'two', 'a.txt': 'one' });
  const first = await bytesOf();
  rmSync(folder, { recursive: true });
  mkdirSync(folder);
  write({ 'a.txt': 'one', 'b/2.txt': 'two' });
  utimesSync(join(folder, 'a.txt'), 1, 1);
  assert.equal(
    createHash('sha256')
      .update(await bytesOf())
      .digest('hex'),
    createHash('sha256').update(first).digest('hex'),
  );
  const names: string[] = [];
  const extract = tar.extract();
  Readable.from([first]).pipe(extract);
  for await (const entry of extract) {
    names.push(
      `${entry.header.name} ${entry.header.uid} ${entry.header.mtime?.getTime()} ${entry.header.mode?.toString(8)}`,
    );
    entry.resume();
  }
  assert.deepEqual(names, ['a.txt 0 0 644', 'b/2.txt 0 0 644']);
});

test('a link is refused by its name, unless it is left out', () => {
  write({ 'train.py': '' });
  symlinkSync('/etc/passwd', join(folder, 'passwd'));
  assert.throws(() => listFiles(folder), /passwd is a symbolic link/);
  write({ '.amlignore': 'passwd\n' });
  assert.deepEqual(listed(), ['train.py']);
});

test('too many files and too many bytes are refused before anything is sent, with what to do', () => {
  write(Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`${index}.txt`, 'xxxxxxxxxx'])));
  assert.throws(() => listFiles(folder, { files: 10, bytes: 1000 }), /more than 10 files.*\.amlignore/);
  assert.throws(() => listFiles(folder, { files: 100, bytes: 100 }), /at most 1 MB can be sent/);
  assert.equal(listFiles(folder, { files: 11, bytes: 110 }).length, 11);
});

test('nothing, an empty folder and a folder that is ignored as a whole are said to be just that', () => {
  assert.throws(() => listFiles(join(folder, 'absent')), /There is no file or folder/);
  assert.throws(() => listFiles(folder), /holds no files/);
  write({ 'a.txt': '', '.amlignore': '*\n' });
  assert.throws(() => listFiles(folder), /besides those that .*\.amlignore leaves out/);
});

test('a file that grows while it is sent fails the archive instead of sending half of it', async () => {
  write({ 'a.txt': 'one' });
  const files = listFiles(folder);
  write({ 'a.txt': 'longer than it was' });
  await assert.rejects(async () => {
    for await (const _ of packFiles(files));
  });
});
