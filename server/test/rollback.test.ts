// One older copy of one file of a data folder put back, for every file that holds state: the start, the first use or the
// verification names it. Nothing but copies is needed to try it, so nothing but the other files can notice.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { freePort } from '#kernel/http/server';
import { silentLog } from '#kernel/log/log';
import { openKeys } from '../src/installation.ts';
import { startServer } from '../src/main.ts';
import { verifyOffline } from '../src/offline.ts';
import { readConfig } from '../src/settings.ts';
import { type FirstStart, idsIn, type World, worldOf } from './server.fixture.ts';

/** What a failed test leaves behind still ends. */
const running = new Set<() => Promise<void>>();
let folder: string;
let port: number;
const data = () => join(folder, 'data');
const earlier = () => join(folder, 'earlier');
const later = () => join(folder, 'later');

const configOf = () =>
  readConfig({
    flags: { dataDir: data(), http: { port }, log: { level: 'silent' }, agent: { embedded: false } },
    environment: {},
  });

async function start(acceptRollback: readonly string[] = []) {
  const config = configOf();
  const bootstrapFile = join(folder, 'first-start.json');
  const server = await startServer({ config, bootstrapFile, acceptRollback, log: silentLog, print: () => {} });
  const world = await worldOf(JSON.parse(await readFile(bootstrapFile, 'utf8')) as FirstStart);
  const stop = async () => {
    running.delete(stop);
    world.close();
    await server.stop();
  };
  running.add(stop);
  return { ...world, server, stop };
}

async function putBack(from: string, file?: string): Promise<void> {
  if (file !== undefined) return await cp(join(from, file), join(data(), file));
  await rm(data(), { recursive: true, force: true });
  await cp(from, data(), { recursive: true });
}

let group = '';
/** Changes something in every store. */
async function change(world: World, round: number): Promise<void> {
  const token = await world.ownerToken();
  const ids = idsIn(group);
  const arm = async (method: string, path: string, body: unknown) => {
    const reply = await world.armDone(token, method, path, body);
    assert.ok(reply.status < 300, `${path}: ${reply.text}`);
  };
  await arm('PUT', `${ids.workspace('Rooms')}/models/m${round}`, { properties: {} });
  const blobs = await world.token(world.owner, world.audience('blob'));
  const put = await world.send(`/rooms/blob-${round}`, {
    method: 'PUT',
    token: blobs,
    host: 'roomsaccount.blob.storage.localhost',
    headers: { 'x-ms-version': '2021-08-06', 'x-ms-blob-type': 'BlockBlob' },
    body: `content ${round}`,
  });
  assert.equal(put.status, 201, put.text);
  const layer = `layer ${round}`;
  const digest = `sha256:${createHash('sha256').update(layer).digest('hex')}`;
  const pushed = await world.send(`/v2/roomsregistry/image/blobs/uploads/?digest=${digest}`, {
    method: 'POST',
    token,
    headers: { 'content-type': 'application/octet-stream' },
    body: layer,
  });
  assert.equal(pushed.status, 201, pushed.text);
}

const stateFiles = async (at: string): Promise<readonly string[]> =>
  (await readdir(at, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => relative(at, join(entry.parentPath, entry.name)));

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollback-'));
  port = await freePort('127.0.0.1');
  const first = await start();
  const token = await first.ownerToken();
  group = await first.group('Rooms');
  const ids = idsIn(group);
  const { location } = first;
  for (const [path, body] of [
    [ids.account('roomsaccount'), { location, sku: { name: 'Standard_LRS' }, kind: 'StorageV2' }],
    [`${ids.account('roomsaccount')}/blobServices/default/containers/rooms`, {}],
    [
      `${group}/providers/Microsoft.ContainerRegistry/registries/roomsregistry`,
      { location, sku: { name: 'Premium' }, properties: {} },
    ],
    [ids.workspace('Rooms'), { location, properties: {} }],
  ] as const) {
    const reply = await first.armDone(token, 'PUT', path, body);
    assert.ok(reply.status < 300, reply.text);
  }
  await first.grant(first.owner.objectId, 'Storage Blob Data Owner', group);
  await first.grant(first.owner.objectId, 'AcrPush', group);
  await change(first, 1);
  await first.stop();
  await cp(data(), earlier(), { recursive: true });
  // Something new in the keyring, as a rotation makes it.
  const keys = await openKeys(configOf());
  await keys.keyring.put('identity/rotated', Buffer.from('secret'));
  keys.keyring.close();
  keys.rootKey.close();
  const second = await start();
  await change(second, 2);
  await second.stop();
  await cp(data(), later(), { recursive: true });
});
after(async () => {
  for (const stop of running) await stop();
  await rm(folder, { recursive: true, force: true });
});

const named = (store: string) => (error: unknown) =>
  error instanceof Failure && error.code === 'StoreRolledBack' && error.message.includes(store);

describe('one older file put back', () => {
  test('each is named, by the start, by its first use or by the verification offline', async () => {
    const changed: string[] = [];
    let refusedInUse = 0;
    for (const file of await stateFiles(later())) {
      const [old, now] = await Promise.all([
        readFile(join(earlier(), file)).catch(() => undefined),
        readFile(join(later(), file)),
      ]);
      if (old !== undefined && !old.equals(now)) changed.push(file);
    }
    for (const [pattern, what] of [
      [/^control\.db$/, 'control'],
      [/^audit\.db$/, 'audit'],
      [/^keyring\.json$/, 'the keyring'],
      [/^workspaces\/.*\.db$/, 'a workspace'],
      [/^storage\/.*\/index\.db$/, 'an index of storage'],
      [/^registry\/.*\/index\.db$/, 'an index of a registry'],
    ] as const)
      assert.ok(
        changed.some((file) => pattern.test(file)),
        `${what} changed: ${changed}`,
      );
    for (const file of changed) {
      await putBack(later());
      await putBack(earlier(), file);
      const { verified, findings } = await verifyOffline({ flags: { dataDir: data() } });
      assert.equal(verified, false, `${file} is not noticed offline`);
      assert.ok(
        findings.some(({ code }) => code === 'StoreRolledBack'),
        `${file}: ${JSON.stringify(findings)}`,
      );
      if (/^(control|audit)\.db$|^keyring\.json$/.test(file)) {
        await assert.rejects(start(), named(file === 'keyring.json' ? 'keyring' : file.replace('.db', '')));
        continue;
      }
      const server = await start();
      const used = await change(server, 3).then(
        () => undefined,
        (error: unknown) => String(error),
      );
      await server.stop();
      if (used !== undefined) refusedInUse += 1;
      if (used !== undefined) assert.match(used, /older copy/);
    }
    // The workspace, the account and the registry; the workspace's own account is not used by this change.
    assert.equal(refusedInUse, 3);
  });

  test('untouched, nothing is named, and a whole older folder fits itself', async () => {
    for (const from of [later(), earlier()]) {
      await putBack(from);
      const { findings, unproved } = await verifyOffline({ flags: { dataDir: data() } });
      assert.deepEqual(findings, []);
      assert.deepEqual(
        unproved.map(({ code }) => code),
        ['NothingKeptElsewhere'],
      );
      const server = await start();
      await server.stop();
    }
  });

  test('a missing store is named', async () => {
    await putBack(later());
    const file = (await stateFiles(later())).find((name) => /^workspaces\/.*\.db$/.test(name)) ?? '';
    await rm(join(data(), file));
    const { findings } = await verifyOffline({ flags: { dataDir: data() } });
    assert.deepEqual(
      findings.map(({ code }) => code),
      ['StoreMissing'],
    );
    const server = await start();
    await assert.rejects(change(server, 3), /older copy/);
    await server.stop();
  });

  for (const store of ['control', 'audit'])
    test(`an older ${store} is accepted by name, once, and that is recorded`, async () => {
      await putBack(later());
      await putBack(earlier(), `${store}.db`);
      await assert.rejects(start(['workspace/another']), named(store));
      const accepted = await start([store]);
      const { value } = await accepted.server.composed.audit.list('/', { operation: 'Stores_AcceptRollback' });
      const parameters = value.map(({ record }) => ('parameters' in record ? record.parameters : {}));
      assert.ok(
        parameters.some((one) => one['accepted'] === store),
        'that an operator accepts it',
      );
      assert.ok(
        parameters.some((one) => one['store'] === store),
        JSON.stringify(parameters),
      );
      await accepted.stop();
      await (await start()).stop();
      const { findings } = await verifyOffline({ flags: { dataDir: data() } });
      assert.deepEqual(
        findings.filter(({ code }) => code === 'StoreRolledBack'),
        [],
      );
    });
});
