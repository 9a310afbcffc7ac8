// The root key file and the keyring on real files: what is refused, what survives, and what is on disk.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { randomBytes } from '#kernel/crypto/random';
import { Failure } from '#kernel/errors/failure';
import { failNth } from '#kernel/files/faults';
import { createFiles } from '#kernel/files/files';
import { openKeyring } from './keyring.ts';
import { openRootKeyFile } from './root-key-file.ts';
import { secret } from './secret.ts';

const files = createFiles();

async function folderFor(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-sealing-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return { folder, dataFolder: join(folder, 'data'), file: join(folder, 'keys', 'root.key') };
}

const code = (expected: string) => (error: unknown) => error instanceof Failure && error.code === expected;

test('a new data folder gets a root key that only its owner can read', async (t) => {
  const { dataFolder, file } = await folderFor(t);
  const key = await openRootKeyFile({ file, dataFolder, files });
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.match(await readFile(file, 'latin1'), /^[A-Za-z0-9+/]{43}=\n$/);
  assert.deepEqual(await readdir(join(file, '..')), ['root.key']);
  const wrapped = await key.wrap(['a', 'b'], new Uint8Array(32).fill(7));
  const again = await openRootKeyFile({ file, dataFolder, files });
  assert.equal(again.id, key.id);
  assert.deepEqual(await again.unwrap(['a', 'b'], wrapped), new Uint8Array(32).fill(7));
  await assert.rejects(again.unwrap(['ab'], wrapped), code('IntegrityCheckFailed'));
});

test('two servers that start at once end up with the same root key', async (t) => {
  const { dataFolder, file } = await folderFor(t);
  const keys = await Promise.all(Array.from({ length: 5 }, () => openRootKeyFile({ file, dataFolder, files })));
  assert.equal(new Set(keys.map(({ id }) => id)).size, 1);
  assert.deepEqual(await readdir(join(file, '..')), ['root.key']);
});

test('a data folder with data and without its root key is refused, and no key is made', async (t) => {
  const { dataFolder, file } = await folderFor(t);
  await mkdir(join(dataFolder, 'deep'), { recursive: true });
  await writeFile(join(dataFolder, 'strongroom.yaml'), '');
  await writeFile(join(dataFolder, '.tmp-1-a-2'), '');
  const besides = ['strongroom.yaml'];
  await openRootKeyFile({ file, dataFolder, files, besides });
  await rm(file);
  await writeFile(join(dataFolder, 'deep', 'control.db'), 'x');
  await assert.rejects(openRootKeyFile({ file, dataFolder, files, besides }), code('RootKeyMissing'));
  await assert.rejects(stat(file), /ENOENT/);
});

test('a root key that others can read, a link, a folder and a wrong size are refused', async (t) => {
  const { folder, dataFolder, file } = await folderFor(t);
  await openRootKeyFile({ file, dataFolder, files });
  for (const mode of [0o640, 0o604, 0o620, 0o601]) {
    await chmod(file, mode);
    await assert.rejects(openRootKeyFile({ file, dataFolder, files }), code('RootKeyExposed'));
  }
  await chmod(file, 0o600);
  const linked = join(folder, 'linked.key');
  await symlink(file, linked);
  await assert.rejects(openRootKeyFile({ file: linked, dataFolder, files }), code('RootKeyNotPlainFile'));
  const dangling = join(folder, 'dangling.key');
  await symlink(join(folder, 'nowhere'), dangling);
  await assert.rejects(openRootKeyFile({ file: dangling, dataFolder, files }), code('RootKeyNotPlainFile'));
  await assert.rejects(openRootKeyFile({ file: folder, dataFolder, files }), code('RootKeyNotPlainFile'));
  for (const content of ['', 'short', 'x'.repeat(31), 'x'.repeat(33), `${'A'.repeat(43)}=!`, 'x'.repeat(500)]) {
    const wrong = join(folder, 'wrong.key');
    await writeFile(wrong, content, { mode: 0o600 });
    await assert.rejects(openRootKeyFile({ file: wrong, dataFolder, files }), code('RootKeyUnreadable'));
  }
});

test('raw bytes and base64 of the same key are the same key', async (t) => {
  const { folder, dataFolder } = await folderFor(t);
  const bytes = randomBytes(32);
  const ids: string[] = [];
  for (const content of [Buffer.from(bytes), ` ${Buffer.from(bytes).toString('base64')}\r\n`]) {
    const file = join(folder, `${ids.length}.key`);
    await writeFile(file, content, { mode: 0o600 });
    ids.push((await openRootKeyFile({ file, dataFolder, files })).id);
  }
  assert.equal(ids[0], ids[1]);
});

test('a closed root key neither wraps nor unwraps', async (t) => {
  const key = await openRootKeyFile({ ...(await folderFor(t)), files });
  key.close();
  await assert.rejects(key.wrap(['a'], new Uint8Array(32)), code('RootKeyClosed'));
  assert.ok(!inspect(key, { depth: 9 }).includes('Uint8Array'));
});

test('keyring secrets survive a restart, are made once, and are not on disk in the clear', async (t) => {
  const paths = await folderFor(t);
  const rootKey = await openRootKeyFile({ ...paths, files });
  const file = join(paths.folder, 'keyring.json');
  const canary = 'CANARY-7a1b-keyring';
  const first = await openKeyring({ file, rootKey, files });
  let made = 0;
  const all = await Promise.all(
    Array.from({ length: 8 }, () => first.ensure('audit/signing', () => Buffer.from(`${canary}-${made++}`))),
  );
  assert.equal(made, 1);
  assert.equal(new Set(all.map(String)).size, 1);
  await first.put('tls.ca', Buffer.from(canary));
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const onDisk = await readFile(file, 'latin1');
  assert.ok(!onDisk.includes(canary) && !onDisk.includes(Buffer.from(canary).toString('base64')));
  const second = await openKeyring({ file, rootKey, files });
  assert.equal(Buffer.from((await second.get('audit/signing')) ?? []).toString(), `${canary}-0`);
  assert.deepEqual(second.names(), ['audit/signing', 'tls.ca']);
  assert.equal(await second.remove('tls.ca'), true);
  assert.equal(await second.remove('tls.ca'), false);
  assert.equal(await second.get('tls.ca'), undefined);
  second.close();
  await assert.rejects(second.get('audit/signing'), code('KeyringClosed'));
});

test('a keyring of another root key, a moved secret and a damaged file are refused', async (t) => {
  const paths = await folderFor(t);
  const rootKey = await openRootKeyFile({ ...paths, files });
  const file = join(paths.folder, 'keyring.json');
  const keyring = await openKeyring({ file, rootKey, files });
  await keyring.put('one', randomBytes(40));
  await keyring.put('two', randomBytes(40));
  const other = await openRootKeyFile({ ...paths, file: join(paths.folder, 'other.key'), files });
  await assert.rejects(openKeyring({ file, rootKey: other, files }), code('RootKeyMismatch'));
  const stored = JSON.parse(await readFile(file, 'utf8')) as { entries: Record<string, unknown> };
  const swapped = { ...stored, entries: { one: stored.entries.two, two: stored.entries.one } };
  await writeFile(file, JSON.stringify(swapped));
  await assert.rejects(openKeyring({ file, rootKey, files }), code('KeyringUnreadable'));
  // A file from before it was sealed as a whole still opens, and a moved secret in it does not.
  const { generation: _, seal: __, ...older } = swapped as Record<string, unknown>;
  await writeFile(file, JSON.stringify(older));
  await assert.rejects((await openKeyring({ file, rootKey, files })).get('one'), code('IntegrityCheckFailed'));
  for (const content of ['', '{', '[]', 'null', '{"version":2}', JSON.stringify({ ...stored, entries: { one: 1 } })]) {
    await writeFile(file, content);
    await assert.rejects(openKeyring({ file, rootKey, files }), code('KeyringUnreadable'));
  }
});

test('an earlier secret of a name does not open in the place of a later one', async (t) => {
  const paths = await folderFor(t);
  const rootKey = await openRootKeyFile({ ...paths, files });
  const file = join(paths.folder, 'keyring.json');
  const keyring = await openKeyring({ file, rootKey, files });
  type Stored = {
    readonly generation: number;
    readonly entries: Readonly<Record<string, { readonly version: number; readonly sealed: string }>>;
  };
  const read = async () => JSON.parse(await readFile(file, 'utf8')) as Stored;
  await keyring.put('signing', Buffer.from('before'));
  const before = await read();
  await keyring.put('signing', Buffer.from('after'));
  const after = await read();
  const mixed = { ...after.entries.signing, sealed: before.entries.signing?.sealed };
  const { generation: _, seal: __, ...unsealed } = { ...after, entries: { signing: mixed } } as Record<string, unknown>;
  await writeFile(file, JSON.stringify(unsealed));
  await assert.rejects((await openKeyring({ file, rootKey, files })).get('signing'), code('IntegrityCheckFailed'));
  // Together with its count it would open: the seal of the whole file says that it was not written with the others.
  await writeFile(file, JSON.stringify({ ...after, entries: before.entries }));
  await assert.rejects(openKeyring({ file, rootKey, files }), code('KeyringUnreadable'));
  await writeFile(file, JSON.stringify({ ...before, generation: after.generation }));
  await assert.rejects(openKeyring({ file, rootKey, files }), code('KeyringUnreadable'));
  await writeFile(file, JSON.stringify(before));
  const older = await openKeyring({ file, rootKey, files });
  assert.ok(older.generation() < after.generation, 'a whole older file is known by its generation');
});

test('names and values out of bounds are refused', async (t) => {
  const paths = await folderFor(t);
  const keyring = await openKeyring({
    file: join(paths.folder, 'keyring.json'),
    rootKey: await openRootKeyFile({ ...paths, files }),
    files,
  });
  for (const name of ['', '__proto__', 'Upper', '/x', '../x', 'a b', 'a'.repeat(129)])
    await assert.rejects(keyring.put(name, randomBytes(8)), code('InvalidSecretName'));
  for (const size of [0, 65_537])
    await assert.rejects(keyring.put('a', new Uint8Array(size)), code('InvalidSecretValue'));
});

test('a write of the keyring that fails changes neither the file nor what is known', async (t) => {
  const paths = await folderFor(t);
  const rootKey = await openRootKeyFile({ ...paths, files });
  const file = join(paths.folder, 'keyring.json');
  await (await openKeyring({ file, rootKey, files })).put('kept', Buffer.from('before'));
  const { faults, seen } = failNth(1, ({ step }) => step === 'rename');
  const keyring = await openKeyring({ file, rootKey, files: createFiles({ faults }) });
  await assert.rejects(keyring.put('kept', Buffer.from('after')), code('StorageFull'));
  assert.equal(seen(), 1);
  assert.equal(String(Buffer.from((await keyring.get('kept')) ?? [])), 'before');
  await keyring.put('kept', Buffer.from('after'));
  const reopened = await openKeyring({ file, rootKey, files });
  assert.equal(String(Buffer.from((await reopened.get('kept')) ?? [])), 'after');
});

test('a secret prints as redacted wherever it is printed', () => {
  const held = secret('CANARY-secret');
  for (const printed of [
    String(held),
    `${held}`,
    JSON.stringify({ held }),
    inspect({ held }, { depth: 9, showHidden: true }),
  ])
    assert.ok(printed.includes('[redacted]') && !printed.includes('CANARY'), printed);
  assert.equal(held.expose(), 'CANARY-secret');
});

test('root may read another user’s root key to look at a stopped server, and never to run one', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('only root can own a file as somebody else');
  const paths = await folderFor(t);
  (await openRootKeyFile({ ...paths, files })).close();
  await chown(paths.file, 4_711, 4_711);
  await assert.rejects(openRootKeyFile({ ...paths, files }), /runuser -u strongroom/);
  (await openRootKeyFile({ ...paths, files, asReader: true })).close();
  await chmod(paths.file, 0o644);
  await assert.rejects(openRootKeyFile({ ...paths, files, asReader: true }), code('RootKeyExposed'));
});

test('a new root key that the disk may not keep is not used: whichever sync fails, no key is there and the next start makes another', async (t) => {
  for (let nth = 1; nth <= 4; nth++) {
    const paths = await folderFor(t);
    const { faults } = failNth(nth, ({ step }) => step === 'fsync');
    await assert.rejects(openRootKeyFile({ ...paths, files: createFiles({ faults }) }), code('StorageFull'));
    assert.equal(existsSync(paths.file), false, `sync ${nth}`);
    (await openRootKeyFile({ ...paths, files })).close();
  }
});

test('a root key that a start left behind when it died is asked for once more before anything is sealed under it', async (t) => {
  const paths = await folderFor(t);
  (await openRootKeyFile({ ...paths, files })).close();
  const { faults } = failNth(1, ({ step }) => step === 'fsync');
  await assert.rejects(openRootKeyFile({ ...paths, files: createFiles({ faults }) }), code('StorageFull'));
  (await openRootKeyFile({ ...paths, files })).close();
});
