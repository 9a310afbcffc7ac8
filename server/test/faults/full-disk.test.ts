// The disk of the data folder fills up: by blobs down to the mark, and by somebody else to its last byte. What makes room again
// goes on, the server says what is the matter, it starts where there is hardly room to, and nothing that it acknowledged is lost.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Child, openPlace, type Place } from '../child.fixture.ts';
import type { Reply } from '../client.fixture.ts';
import { idsIn } from '../server.fixture.ts';
import { makeWorkspace, until } from '../work.fixture.ts';

const mebibyte = 1024 * 1024;
const diskBytes = 1300 * mebibyte;
const blobBytes = 8 * mebibyte;

const tmpfs = (path: string, options: string) =>
  spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { encoding: 'utf8' });

/** As who may mount: root, or root of a user namespace of one's own. */
const inNamespace = process.env['FULL_DISK_NAMESPACE'] === '1';
let place: Place;
let mounted = false;

before(async () => {
  place = await openPlace();
  await place.makeDataDir();
  mounted = tmpfs(place.dataDir, `size=${diskBytes},mode=700`).status === 0;
});
after(async () => {
  if (mounted) spawnSync('umount', ['-l', place.dataDir]);
  await place.remove();
});

const space = async () => {
  const { bavail, blocks, bsize } = await statfs(place.dataDir);
  return { free: bavail * bsize, used: (blocks - bavail) * bsize };
};
/** The disk becomes as small as that. */
function resize(bytes: number): void {
  const done = spawnSync('mount', ['-o', `remount,size=${Math.ceil(bytes / 4096) * 4096}`, place.dataDir]);
  assert.equal(done.status, 0, String(done.stderr));
}

const ready = (child: Child) => child.send('/readyz');
const isLow = ({ status, body }: Reply) => status === 200 && String(body?.status).includes('low on disk space');

async function auditVerifies(child: Child): Promise<void> {
  const path = `/subscriptions/${child.subscriptionId}/providers/Strongroom.Audit/verify`;
  const { body, text } = await child.arm(await child.ownerToken(), 'POST', path, {});
  assert.deepEqual([body.verified, body.findings], [true, []], text);
}

test('a disk that fills up stops what grows, and nothing that makes room again', async (t) => {
  if (!mounted) {
    // Root of a namespace of its own may mount, where users may make one.
    const own = ['-rm', process.execPath, '--test', fileURLToPath(import.meta.url)];
    const able = !inNamespace && spawnSync('unshare', ['-rm', 'true']).status === 0;
    if (!able) {
      assert.notEqual(process.env['CI'], 'true', 'CI mounts');
      t.skip('needs the right to mount, or user namespaces');
      return;
    }
    const env = { PATH: process.env['PATH'], TMPDIR: process.env['TMPDIR'], FULL_DISK_NAMESPACE: '1' };
    const done = spawnSync('unshare', own, { encoding: 'utf8', env });
    assert.equal(done.status, 0, done.stdout);
    return;
  }

  let child = await place.start();
  const workspace = await makeWorkspace(child, 'Disk', 'Full');
  const account = 'fulldiskaccount';
  const accountId = idsIn(await child.group('Disk')).account(account);
  const arm = async (method: string, path: string, body?: unknown) =>
    child.arm(await child.ownerToken(), method, path, body);
  const made = await child.armDone(await child.ownerToken(), 'PUT', accountId, {
    location: child.location,
    sku: { name: 'Standard_LRS' },
    kind: 'StorageV2',
  });
  assert.ok(made.status < 300, made.text);
  await child.grant(child.owner.objectId, 'Storage Blob Data Owner', accountId);
  const blob = async (method: string, name: string, body?: Buffer) =>
    child.send(`/${account}/data${name === '' ? '?restype=container' : `/${name}`}`, {
      method,
      token: await child.token(child.owner, child.audience('blob')),
      headers: { 'x-ms-version': '2021-12-02', ...(body === undefined ? {} : { 'x-ms-blob-type': 'BlockBlob' }) },
      ...(body === undefined ? {} : { body }),
    });
  assert.equal((await blob('PUT', '')).status, 201);
  /** What was acknowledged, and must be there in the end. */
  const kept = new Map<string, Buffer>();
  const upload = async (name: string): Promise<Reply> => {
    const content = randomBytes(blobBytes);
    const reply = await blob('PUT', name, content);
    if (reply.status === 201) kept.set(name, content);
    return reply;
  };
  const remove = async (name: string) => {
    assert.equal((await blob('DELETE', name)).status, 202);
    kept.delete(name);
  };
  const signsIn = async () => assert.ok((await child.token(child.owner, child.url)).length > 0);
  const goesOn = async (): Promise<void> => {
    await signsIn();
    assert.equal((await arm('GET', workspace)).status, 200);
    const [name = ''] = kept.keys();
    assert.ok((await blob('GET', name)).bytes.equals(kept.get(name) ?? Buffer.alloc(0)));
    const listed = await arm('GET', `/subscriptions/${child.subscriptionId}/providers/Strongroom.Audit/records?$top=1`);
    assert.equal(listed.status, 200, listed.text);
    await remove(name);
  };

  // Down to the mark, by blobs.
  let refused = await upload('blob0');
  for (let n = 1; n < 100 && refused.status === 201; n++) refused = await upload(`blob${n}`);
  assert.deepEqual([refused.status, refused.headers['x-ms-error-code']], [507, 'StorageLow'], refused.text);
  assert.ok(kept.size > 10, `${kept.size} blobs`);
  assert.ok(isLow(await ready(child)), (await ready(child)).text);
  const group = `/subscriptions/${child.subscriptionId}/resourceGroups/Another`;
  const another = await arm('PUT', group, { location: child.location });
  assert.deepEqual([another.status, another.body.error.code], [507, 'StorageLow']);
  await goesOn();
  await child.kill();
  child = await place.start();
  await goesOn();

  // To the last bytes, while the server is stopped: it starts, because its reserve is given up.
  await child.terminate();
  resize((await space()).used + 65_536);
  child = await place.start();
  await until(() => ready(child), isLow);
  await goesOn();

  // To the last byte, by somebody else: nothing can be recorded, so nothing is done, and the probe says so.
  const junk = await open(join(place.dataDir, 'junk'), 'w');
  const block = Buffer.alloc(mebibyte, 1);
  for (let size = block.length; size >= 4096; )
    await junk.write(block, 0, size).catch(() => {
      size = Math.floor(size / 2);
    });
  await junk.close();
  await until(
    () => ready(child),
    ({ status, body }) => status === 503 && body?.status === 'the disk is full',
  );
  assert.equal((await child.send('/healthz')).status, 200);
  // Pages that were written before leave room for a few more records, and then there is none.
  const unrecorded = await until(
    async () => {
      const [name = ''] = kept.keys();
      const reply = await blob('DELETE', name);
      // One that was refused is there, or was removed and not acknowledged: it is asked for no more.
      kept.delete(name);
      return reply;
    },
    ({ status }) => status === 503,
  );
  assert.match(String(unrecorded.headers['x-ms-error-code']), /^(AuditUnavailable|StorageFull)$/);
  await child.kill();

  // Whoever made room by hand finds everything as it was.
  await rm(join(place.dataDir, 'junk'));
  resize(diskBytes);
  child = await place.start();
  await auditVerifies(child);
  await until(
    () => ready(child),
    ({ status }) => status === 200,
  );
  for (const name of [...kept.keys()].slice(0, 3)) await remove(name);
  await until(
    () => upload('again'),
    ({ status }) => status === 201,
  );
  assert.equal((await arm('PUT', group, { location: child.location })).status, 201);
  for (const [name, content] of kept) {
    const found = await blob('GET', name);
    assert.ok(found.status === 200 && found.bytes.equals(content), name);
  }
  await auditVerifies(child);
  await child.terminate();
});
