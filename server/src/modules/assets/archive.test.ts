import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import tar from 'tar-stream';
import { Failure } from '#kernel/errors/failure';
import { readArchive, safePath } from './archive.service.ts';

type Entry = {
  readonly name: string;
  readonly content?: string;
  readonly type?: 'file' | 'symlink' | 'link' | 'directory' | 'character-device' | 'fifo';
  readonly linkname?: string;
};

async function pack(entries: readonly Entry[]): Promise<Buffer> {
  const packer = tar.pack();
  for (const { name, content = 'x', type = 'file', linkname } of entries) {
    const isFile = type === 'file';
    packer.entry(
      { name, type, ...(linkname === undefined ? {} : { linkname }), ...(isFile ? {} : { size: 0 }) },
      isFile ? content : '',
    );
  }
  packer.finalize();
  const parts: Buffer[] = [];
  for await (const part of packer) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

const limits = { files: 3, bytes: 1000, title: 'The test', advice: 'Take less.' };
async function read(archive: Uint8Array, piece = archive.length || 1): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const pieces = Array.from({ length: Math.ceil(archive.length / piece) }, (_, i) =>
    archive.subarray(i * piece, (i + 1) * piece),
  );
  await readArchive(Readable.from(pieces), limits, async (path, content) => {
    const parts: Buffer[] = [];
    for await (const part of content) parts.push(part as Buffer);
    files.set(path, Buffer.concat(parts).toString());
  });
  return files;
}
const refusedAs = (code: string) => (thrown: unknown) =>
  (thrown instanceof Failure && thrown.code === code) || assert.fail(String(thrown));

test('a folder is read from a plain and from a compressed archive, however it is cut', async () => {
  const archive = await pack([
    { name: './', type: 'directory' },
    { name: './train.py', content: 'print(1)' },
    { name: 'data', type: 'directory' },
    { name: 'data/a.csv', content: 'a,b' },
  ]);
  for (const piece of [1, 7, 512, 100_000]) {
    for (const sent of [archive, gzipSync(archive)])
      assert.deepEqual(
        [...(await read(sent, piece))],
        [
          ['train.py', 'print(1)'],
          ['data/a.csv', 'a,b'],
        ],
      );
  }
});

test('paths that leave the folder, however written, are refused', async () => {
  for (const name of [
    '/etc/passwd',
    '../x',
    'a/../../x',
    'a//b',
    'a/./b',
    'C:/x',
    'a\\..\\b',
    'a\nb',
    '\u0000a',
    `${'a'.repeat(1025)}`,
  ]) {
    assert.throws(() => safePath(name), refusedAs('InvalidSnapshotPath'), name);
  }
  await assert.rejects(read(await pack([{ name: '../../etc/passwd' }])), refusedAs('InvalidSnapshotPath'));
  await assert.rejects(read(await pack([{ name: '/etc/passwd' }])), refusedAs('InvalidSnapshotPath'));
});

test('links and devices are refused, not followed', async () => {
  for (const type of ['symlink', 'link', 'character-device', 'fifo'] as const) {
    await assert.rejects(
      read(await pack([{ name: 'a', type, linkname: '/etc/passwd' }])),
      refusedAs('InvalidSnapshotEntry'),
      type,
    );
  }
});

test('two names for one file on a case-blind system are refused', async () => {
  await assert.rejects(read(await pack([{ name: 'A.py' }, { name: 'a.py' }])), refusedAs('InvalidSnapshotPath'));
});

test('too many files, too many bytes, and a bomb are refused', async () => {
  await assert.rejects(
    read(await pack([1, 2, 3, 4].map((n) => ({ name: `f${n}` })))),
    refusedAs('SnapshotTooManyFiles'),
  );
  await assert.rejects(read(await pack([{ name: 'big', content: 'x'.repeat(1001) }])), refusedAs('SnapshotTooLarge'));
  // Small as sent, large as unpacked: folders cost no file and no declared byte.
  const bomb = gzipSync(
    Buffer.concat([
      await pack([{ name: 'a' }]).then((whole) => whole.subarray(0, 1024)),
      Buffer.alloc(40 * 1024 * 1024),
    ]),
  );
  await assert.rejects(
    readArchive(
      Readable.from([
        gzipSync(await pack(Array.from({ length: 40_000 }, (_, i) => ({ name: `d${i}`, type: 'directory' as const })))),
      ]),
      limits,
      async () => undefined,
    ),
    refusedAs('SnapshotTooLarge'),
  );
  await read(bomb).catch((thrown: unknown) => assert.ok(thrown instanceof Failure));
});

test('what is no archive, is cut short, or is empty is refused', async () => {
  await assert.rejects(
    read(Buffer.from('this is not a tar archive at all, but it is longer than one block'.repeat(20))),
    refusedAs('InvalidSnapshot'),
  );
  await assert.rejects(
    read(gzipSync(Buffer.from('x')).subarray(0, 12)),
    (thrown: unknown) => thrown instanceof Failure,
  );
  await assert.rejects(read(await pack([])), refusedAs('EmptySnapshot'));
  const whole = await pack([{ name: 'a', content: 'y'.repeat(900) }]);
  await assert.rejects(read(whole.subarray(0, 800)), (thrown: unknown) => thrown instanceof Failure);
});

test('names that no sandbox can make are refused', async () => {
  assert.equal(safePath(`a/${'n'.repeat(255)}`).length, 257);
  for (const name of [`a/${'n'.repeat(256)}`, `${'ü'.repeat(128)}/b`])
    await assert.rejects(async () => safePath(name), refusedAs('InvalidSnapshotPath'), name);
  for (const names of [
    ['a', 'a/b'],
    ['a/b', 'a'],
    ['x/A/b', 'x/a'],
    ['a/b/c', 'a/b/c/d'],
  ])
    await assert.rejects(
      read(await pack(names.map((name) => ({ name })))),
      refusedAs('InvalidSnapshotPath'),
      names.join(),
    );
  assert.equal((await read(await pack([{ name: 'ab/c' }, { name: 'a' }, { name: 'ab.c' }]))).size, 3);
});

test('an archive that is made to fill a disk is refused before it has', async () => {
  const room = { ...limits, bytes: 300 * 1024 * 1024 };
  const taken = { bytes: 0 };
  const reading = (archive: Buffer) =>
    readArchive(Readable.from([archive]), room, async (_path, content) => {
      for await (const part of content) taken.bytes += (part as Buffer).length;
    });
  const zeros = '\0'.repeat(40 * 1024 * 1024);
  await assert.rejects(
    reading(gzipSync(await pack([{ name: 'zeros', content: zeros }]))),
    refusedAs('SnapshotTooDense'),
  );
  assert.ok(taken.bytes < 20 * 1024 * 1024, `${taken.bytes}`);
  // What packs well and is small, and what packs as data does, is taken.
  await reading(gzipSync(await pack([{ name: 'zeros', content: zeros.slice(0, 9 * 1024 * 1024) }])));
  const lines = Array.from({ length: 600_000 }, (_, at) => `${at},${(at * 7919) % 104_729},0.0\n`).join('');
  await reading(gzipSync(await pack([{ name: 'table.csv', content: lines }])));
});
