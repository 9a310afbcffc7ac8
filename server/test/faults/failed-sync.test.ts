// The disk says no when the server asks it to keep something: in the very calls of the server's process, Node's and SQLite's. Whoever
// asked is told in the words of his protocol that it failed and what to do; success is answered for nothing that is not durable; a
// later sync that succeeds makes nothing count that an earlier one lost; and after a restart everything is as before or as after.

import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { withoutFailingSyncs } from '#kernel/testing/syncs';
import { type Child, openPlace, type Place } from '../child.fixture.ts';
import type { Reply } from '../client.fixture.ts';
import { idsIn } from '../server.fixture.ts';
import { makeWorkspace, tarOf } from '../work.fixture.ts';

const account = 'syncaccount';
const content = (name: string) => Buffer.from(`${name} `.repeat(20_000));

describe('a sync that fails', { skip: withoutFailingSyncs }, () => {
  let place: Place;
  let child: Child;
  let workspace: string;
  let groupId: string;

  const blob = async (method: string, name: string, body?: Buffer): Promise<Reply> =>
    child.send(`/${account}/data${name === '' ? '?restype=container' : `/${name}`}`, {
      method,
      token: await child.token(child.owner, child.audience('blob')),
      headers: { 'x-ms-version': '2021-12-02', ...(body === undefined ? {} : { 'x-ms-blob-type': 'BlockBlob' }) },
      ...(body === undefined ? {} : { body }),
    });
  const arm = async (method: string, path: string, body?: unknown) =>
    child.arm(await child.ownerToken(), method, path, body);
  const mlflow = async (path: string, body: unknown): Promise<Reply> =>
    child.send(`/mlflow/v1.0${workspace}/api/2.0/mlflow/${path}`, {
      method: 'POST',
      token: await child.ownerToken(),
      body,
    });
  const experiments = async (): Promise<readonly string[]> => {
    const found = await mlflow('experiments/search', { max_results: 100 });
    assert.equal(found.status, 200, found.text);
    return found.body.experiments.map(({ name }: { name: string }) => name);
  };
  async function auditVerifies(): Promise<void> {
    const path = `/subscriptions/${child.subscriptionId}/providers/Strongroom.Audit/verify`;
    const { body, text } = await arm('POST', path, {});
    assert.deepEqual([body.verified, body.findings], [true, []], text);
  }
  /** Nothing that was being written lies about. */
  async function leftovers(): Promise<readonly string[]> {
    const names = await readdir(place.dataDir, { recursive: true });
    return names.filter((name) => name.includes('.tmp-'));
  }
  async function restarted(how: 'kill' | 'terminate'): Promise<void> {
    await child[how]();
    await place.syncs.heal();
    child = await place.start();
    await auditVerifies();
    assert.equal((await child.send('/readyz')).status, 200);
    assert.ok((await blob('GET', 'before')).bytes.equals(content('before')));
  }
  /** What a failure has to be, whatever protocol it is told in: not a success, not an accident, and it says what to do. */
  function failsInWords(reply: Reply, code: RegExp, advice: RegExp): void {
    assert.equal(reply.status, 503, reply.text);
    const said =
      reply.headers['x-ms-error-code'] ??
      reply.body?.error?.code ??
      reply.body?.error_code ??
      reply.body?.errors?.[0]?.code;
    assert.match(String(said), code, reply.text);
    assert.match(reply.text, advice);
    assert.doesNotMatch(reply.text, /SQLITE|EIO|ENOSPC|\.db|\.ts:\d/, 'nothing of the inside is told');
  }

  before(async () => {
    place = await openPlace({ failing: true });
    child = await place.start();
    groupId = await child.group('Sync');
    const accountId = idsIn(groupId).account(account);
    const made = await child.armDone(await child.ownerToken(), 'PUT', accountId, {
      location: child.location,
      sku: { name: 'Standard_LRS' },
      kind: 'StorageV2',
    });
    assert.ok(made.status < 300, made.text);
    await child.grant(child.owner.objectId, 'Storage Blob Data Owner', accountId);
    assert.equal((await blob('PUT', '')).status, 201);
    assert.equal((await blob('PUT', 'before', content('before'))).status, 201);
    workspace = await makeWorkspace(child, 'Sync', 'Sync');
  });
  beforeEach(() => place.syncs.heal());
  after(() => place.remove());

  for (const error of ['EIO', 'ENOSPC'] as const)
    for (const [what, match] of [
      ['sealed file', /\/storage\/[^/]+\/blobs\/\.tmp-/],
      ['folder of sealed files', /\/storage\/[^/]+\/blobs$/],
    ] as const)
      test(`with ${error} of a ${what}: the upload is refused, nothing of it is found, and the next one is written anew`, async () => {
        const name = `${error}-${what.replaceAll(' ', '-')}`;
        await place.syncs.fail(match, error, { times: 1 });
        const refused = await blob('PUT', name, content(name));
        failsInWords(refused, /^(StorageUnavailable|StorageFull)$/, /Nothing of this request was stored/);
        assert.equal(await place.syncs.failed(), 1);
        assert.equal((await blob('GET', name)).status, 404);
        assert.deepEqual(await leftovers(), []);
        assert.equal((await blob('PUT', name, content(name))).status, 201);
        assert.ok((await blob('GET', name)).bytes.equals(content(name)));
      });

  test('of a snapshot: it is refused, and taking it again makes it', async () => {
    const files = await tarOf({ 'train.py': 'print(1)' });
    const take = async () =>
      child.arm(await child.ownerToken(), 'POST', `${workspace}/snapshots`, files, {
        'content-type': 'application/x-tar',
      });
    await place.syncs.fail(/\/blobs(\/\.tmp-[^/]*)?$/, 'EIO');
    failsInWords(await take(), /^StorageUnavailable$/, /try again/);
    assert.ok((await place.syncs.failed()) > 0);
    await place.syncs.heal();
    const taken = await take();
    assert.ok(taken.status < 300, taken.text);
  });

  test("of an account's index: the upload is refused by name, reading goes on, and the next call opens it as after a crash", async () => {
    await place.syncs.fail(/\/storage\/[^/]+\/index\.db-wal$/, 'EIO', { times: 1 });
    failsInWords(await blob('PUT', 'unknown', content('unknown')), /^SyncFailed$/, /whether it is kept is not known/);
    assert.equal((await blob('PUT', 'behind', content('behind'))).status, 201);
    for (const name of ['before', 'behind']) assert.ok((await blob('GET', name)).bytes.equals(content(name)), name);
    const unknown = await blob('GET', 'unknown');
    assert.ok(unknown.status === 404 || unknown.bytes.equals(content('unknown')), 'there whole, or not at all');
    await restarted('kill');
    for (const name of ['before', 'behind']) assert.ok((await blob('GET', name)).bytes.equals(content(name)), name);
  });

  test("of a workspace's database: the write is refused in MLflow's words, and what was acknowledged is there after a kill", async () => {
    assert.equal((await mlflow('experiments/create', { name: 'first' })).status, 200);
    await place.syncs.fail(/\/workspaces\/[^/]+\.db-wal$/, 'ENOSPC');
    failsInWords(await mlflow('experiments/create', { name: 'unknown' }), /./, /whether it is kept is not known/);
    // The disk goes on failing, so it is not opened again either.
    failsInWords(await mlflow('experiments/create', { name: 'never' }), /./, /Look after the disk/);
    await place.syncs.heal();
    assert.equal((await mlflow('experiments/create', { name: 'second' })).status, 200);
    await restarted('kill');
    const found = await experiments();
    for (const name of ['first', 'second']) assert.ok(found.includes(name), name);
    assert.ok(!found.includes('never'));
  });

  test('of a database that is made: there is no half of it, and the next attempt makes it whole', async () => {
    await place.syncs.fail(/\/workspaces$/, 'EIO');
    const id = idsIn(groupId).workspace('Made');
    const failed = await child.armDone(await child.ownerToken(), 'PUT', id, {
      location: child.location,
      properties: {},
    });
    assert.notEqual(failed.body?.status, 'Succeeded', failed.text);
    await place.syncs.heal();
    assert.equal(await makeWorkspace(child, 'Sync', 'Made'), id);
  });

  test("of the server's own database: what was to change is refused, reading goes on, the probe says so, and a start opens it again", async () => {
    const group = (name: string) => `/subscriptions/${child.subscriptionId}/resourceGroups/${name}`;
    const make = (name: string) => arm('PUT', group(name), { location: child.location });
    assert.equal((await make('Acknowledged')).status, 201);
    await place.syncs.fail(/\/control\.db-wal$/, 'EIO', { times: 1 });
    failsInWords(await make('Unknown'), /^SyncFailed$/, /start the server again/);
    failsInWords(await make('Never'), /^WritesStopped$/, /start the server again/);
    assert.equal((await arm('GET', group('Acknowledged'))).status, 200);
    const ready = await child.send('/readyz');
    assert.equal(ready.status, 503);
    assert.match(ready.text, /start the server again/);
    await restarted('terminate');
    assert.equal((await arm('GET', group('Acknowledged'))).status, 200);
    assert.equal((await arm('GET', group('Never'))).status, 404);
    assert.equal((await make('Afterwards')).status, 201);
  });

  for (const how of ['terminate', 'kill'] as const)
    test(`of the audit log: nothing is done that cannot be recorded, and after ${how} it opens again and verifies`, async () => {
      assert.equal((await blob('PUT', `acknowledged-${how}`, content('acknowledged'))).status, 201);
      await place.syncs.fail(/\/audit\.db-wal$/, how === 'kill' ? 'ENOSPC' : 'EIO', { times: 1 });
      const words = /Look after the disk and start the server again/;
      failsInWords(await blob('PUT', `never-${how}`, content('never')), /^AuditUnavailable$/, words);
      // Its disk is well again, and it stays closed: what it lost is not known.
      failsInWords(await blob('PUT', `never-${how}`, content('never')), /^AuditUnavailable$/, words);
      failsInWords(await arm('DELETE', workspace), /^AuditUnavailable$/, words);
      assert.equal((await child.send('/readyz')).status, 503);
      assert.equal((await child.send('/healthz')).status, 200);
      await restarted(how);
      assert.equal((await arm('GET', workspace)).status, 200);
      assert.equal((await blob('GET', `acknowledged-${how}`)).status, 200);
      assert.equal((await blob('GET', `never-${how}`)).status, 404);
      const listed = await arm(
        'GET',
        `/subscriptions/${child.subscriptionId}/providers/Strongroom.Audit/records?$top=1`,
      );
      assert.equal(listed.status, 200, listed.text);
    });

  test('at a start: the server does not start on a log of changes that the disk does not take, says so, and starts when it does', async () => {
    await child.kill();
    for (const file of ['audit.db-wal', 'control.db-wal']) {
      assert.ok((await stat(join(place.dataDir, file))).size > 0, `${file} was left`);
      await place.syncs.fail(new RegExp(`/${file}$`), 'EIO');
      const { code, output } = await place.fails();
      assert.notEqual(code, 0);
      assert.match(output, /The disk failed/);
    }
    await place.syncs.heal();
    child = await place.start();
    await auditVerifies();
  });

  test('of the keyring: the server does not start on what it could not keep, and the next start makes everything', async () => {
    const fresh = await openPlace({ failing: true });
    try {
      for (const match of [/\/data$/, /\/data\/keys\/\.tmp-/, /\/data\/keys$/, /\/data\/\.tmp-/]) {
        await fresh.syncs.fail(match, 'EIO', { times: 1 });
        const { code, output } = await fresh.fails();
        assert.notEqual(code, 0, String(match));
        assert.match(output, /could not be reached on its disk/, String(match));
        assert.equal(await fresh.syncs.failed(), 1, String(match));
      }
      await fresh.syncs.heal();
      const server = await fresh.start();
      assert.equal(
        (await server.arm(await server.ownerToken(), 'GET', `/subscriptions/${server.subscriptionId}`)).status,
        200,
      );
      assert.equal((await server.terminate()).code, 0);
    } finally {
      await fresh.remove();
    }
  });
});
