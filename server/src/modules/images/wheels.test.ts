// Dependencies of an image: wheels that another writer made become layers, and nothing of a hostile one is written anywhere.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import type { TarFile } from './tar.rules.ts';
import { type Member, makeWheel, makeZip } from './wheels.fixture.ts';
import { checkWheels, dependenciesOf } from './wheels.rules.ts';
import { readZip } from './zip.rules.ts';

const fileOf = (path: string, bytes: Buffer): TarFile => ({ path, size: bytes.length, open: async () => bytes });
const info: Member = { name: 'x-1.0.dist-info/WHEEL', text: 'Wheel-Version: 1.0\n' };

async function unpack(files: readonly TarFile[]): Promise<Readonly<Record<string, Readonly<Record<string, string>>>>> {
  const wheels: Record<string, Record<string, string>> = {};
  for await (const { wheel, files: members } of dependenciesOf(files, 'code')) {
    const seen: Record<string, string> = {};
    for (const member of members) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of (await member.open()) as AsyncIterable<Uint8Array>) chunks.push(chunk);
      assert.equal(Buffer.concat(chunks).length, member.size);
      seen[member.path] = Buffer.concat(chunks).toString('utf8');
    }
    wheels[wheel] = seen;
  }
  return wheels;
}
const refusal = (what: RegExp) => (error: unknown) =>
  error instanceof Failure && error.code === 'ImageBuildRefused' && what.test(error.message);
const rejects = (bytes: Buffer, what: RegExp) =>
  assert.rejects(unpack([fileOf('wheels/x-1.0-py3-none-any.whl', bytes)]), refusal(what));

test('a wheel gives its files, its purelib and platlib; scripts, headers and data are left out', async () => {
  const { file, bytes } = makeWheel('zaehlwerk', {
    'zaehlwerk/__init__.py': 'def add(a, b): return a + b\n',
    'zaehlwerk/größe.py': 'ONE = 1\n',
    'zaehlwerk/empty.py': '',
    'zaehlwerk/large.txt': 'line\n'.repeat(100_000),
    'zaehlwerk-1.0.data/purelib/pure.py': 'PURE = True\n',
    'zaehlwerk-1.0.data/platlib/plat.py': 'PLAT = True\n',
    'zaehlwerk-1.0.data/scripts/run.sh': 'rm -rf /\n',
    'zaehlwerk-1.0.data/data/etc/passwd': 'root\n',
  });
  const { [file]: seen } = await unpack([fileOf(`wheels/${file}`, bytes), fileOf('score.py', Buffer.from(''))]);
  assert.deepEqual(Object.keys(seen ?? {}).sort(), [
    'plat.py',
    'pure.py',
    'zaehlwerk-1.0.dist-info/METADATA',
    'zaehlwerk-1.0.dist-info/WHEEL',
    'zaehlwerk/__init__.py',
    'zaehlwerk/empty.py',
    'zaehlwerk/größe.py',
    'zaehlwerk/large.txt',
  ]);
  assert.equal(seen?.['zaehlwerk/größe.py'], 'ONE = 1\n');
  assert.equal(seen?.['zaehlwerk/large.txt']?.length, 500_000);
});

test('wheels come in the order of their names, and only those of the folder', async () => {
  const [b, a] = [makeWheel('b', { 'b.py': '' }), makeWheel('a', { 'a.py': '' })];
  const files = [fileOf(`wheels/${b.file}`, b.bytes), fileOf(`wheels/${a.file}`, a.bytes)];
  const elsewhere = [fileOf(`vendor/${a.file}`, a.bytes), fileOf(`wheels/deep/${a.file}`, a.bytes)];
  assert.deepEqual(Object.keys(await unpack([...files, ...elsewhere])), [a.file, b.file]);
});

test('a file that is no wheel for Linux by its name is refused before anything is built', () => {
  const check = (...names: string[]) =>
    checkWheels(
      names.map((name) => ({ path: `wheels/${name}`, size: 1 })),
      'code',
    );
  check('numpy-2.1.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl', 'six-1.16.0-py2.py3-none-any.whl');
  check('x-1.0-1-py3-none-linux_aarch64.whl', 'y-1!2.0.post1+local.1-cp38-abi3-musllinux_1_2_x86_64.whl');
  for (const [names, what] of [
    [['numpy.whl'], /not named as a wheel/],
    [['numpy-2.1.0-cp312-cp312-macosx_11_0_arm64.whl'], /for Linux/],
    [['numpy-2.1.0-cp312-cp312-win_amd64.whl'], /for Linux/],
    [['a_b-1.0-py3-none-any.whl', 'A.B-2.0-py3-none-any.whl'], /two versions/],
    [Array.from({ length: 61 }, (_, at) => `x${at}-1.0-py3-none-any.whl`), /more than 60/],
  ] as const)
    assert.throws(() => check(...names), refusal(what), names[0]);
  assert.throws(
    () => checkWheels([{ path: 'wheels/x-1.0-py3-none-any.whl', size: 2 ** 28 }], 'code'),
    refusal(/bytes/),
  );
});

test('a wheel cannot put anything outside of its folder, nor anything but files', async () => {
  const withName = (name: string, more: Partial<Member> = {}) => makeZip([info, { name, text: 'x', ...more }]);
  for (const name of ['../x.py', '/etc/x.py', 'a/../../x.py', 'a//b.py', './x.py', 'a\\b.py', '.wh.x.py', 'a\nb.py'])
    await rejects(withName(name), /cannot be put into an image/);
  await rejects(withName('x-1.0.data/purelib/../../../x.py'), /dot segment/);
  await rejects(withName('link.py', { mode: 0o120777 }), /link/);
  await rejects(withName('pipe.py', { mode: 0o010644 }), /neither a file nor a folder/);
  await rejects(makeZip([info, { name: 'x.py', text: '1' }, { name: 'x.py', text: '2' }]), /same name twice/);
  await rejects(
    makeZip([info, { name: 'x.py', text: '1' }, { name: 'x.data/purelib/x.py', text: '2' }]),
    /two files at/,
  );
  await rejects(makeZip([{ name: 'x.py', text: '1' }]), /no wheel/);
  await rejects(Buffer.from('not a zip archive at all, only some text'), /no zip archive/);
  await rejects(Buffer.alloc(0), /no zip archive/);
});

test('an archive that two readers could read differently is refused', async () => {
  const good = makeZip([info, { name: 'x.py', text: 'x = 1\n', stored: true }]);
  const at = { local: good.indexOf('x.py'), directory: good.lastIndexOf('x.py'), content: good.indexOf('x = 1') };
  const changed = (change: (bytes: Buffer) => void) => {
    const bytes = Buffer.from(good);
    change(bytes);
    return bytes;
  };
  await unpack([fileOf('wheels/x-1.0-py3-none-any.whl', good)]);
  await rejects(
    changed((bytes) => bytes.write('y.py', at.local)),
    /two things/,
  );
  await rejects(
    changed((bytes) => bytes.write('y = 2', at.content)),
    /not what it says/,
  );
  await rejects(Buffer.concat([Buffer.from('MZ'), good]), /not where it says/);
  await rejects(Buffer.concat([good, Buffer.from('more')]), /no directory/);
  await rejects(good.subarray(0, -1), /no directory/);
  // Size, method and flags of the second member in the directory, which stand before its name.
  const entry = at.directory - 46;
  await rejects(
    changed((bytes) => bytes.writeUInt32LE(7, entry + 24)),
    /two sizes/,
  );
  await rejects(
    changed((bytes) => bytes.writeUInt16LE(12, entry + 10)),
    /other than deflate/,
  );
  await rejects(
    changed((bytes) => bytes.writeUInt16LE(1, entry + 8)),
    /encrypted/,
  );
  await rejects(
    changed((bytes) => bytes.writeUInt32LE(0, entry + 42)),
    /two things/,
  );
});

test('a bomb ends where it says that it ends, and one that tells the truth is refused by its ratio', async () => {
  const zeros = makeZip([info, { name: 'zeros', text: '\0'.repeat(1_000_000) }]);
  const entry = zeros.lastIndexOf('zeros') - 46;
  zeros.writeUInt32LE(10, entry + 24);
  await rejects(zeros, /longer than it says/);
  await rejects(makeZip([info, { name: 'zeros', text: '\0'.repeat(70 * 1024 * 1024) }]), /200 times/);
});

test('a member comes in small pieces however it is kept, and a name has a bound', async () => {
  const text = 'x'.repeat(300_000);
  for (const stored of [true, false]) {
    const [member] = readZip(makeZip([{ name: 'large', text, stored }]));
    assert.ok(member);
    let size = 0;
    for await (const piece of member.read()) {
      assert.ok(piece.length <= 64 * 1024, `${piece.length} bytes at once`);
      size += piece.length;
    }
    assert.equal(size, text.length);
  }
  assert.throws(() => readZip(makeZip([{ name: 'n'.repeat(4097), text: '' }])), /a name of more than 4096 bytes/);
  assert.equal(readZip(makeZip([{ name: 'n'.repeat(4096), text: '' }])).length, 1);
});
