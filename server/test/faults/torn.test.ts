// A file of a stopped server is cut short, or a bit of it turns over. What it held is refused by name and never answered wrongly,
// whatever lies beside it is served, and a start that rests on it is refused with the name of the file.

import assert from 'node:assert/strict';
import { open, readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Child, openPlace, type Place } from '../child.fixture.ts';
import type { Reply } from '../client.fixture.ts';
import { idsIn } from '../server.fixture.ts';
import { makeWorkspace } from '../work.fixture.ts';

const account = 'tornaccount';
const content = (name: string) => Buffer.from(`${name} `.repeat(60_000));

/** Files below the data folder with their sizes. */
async function filesOf(place: Place, matches: RegExp): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  for (const entry of await readdir(place.dataDir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && matches.test(path.slice(place.dataDir.length))) found.set(path, (await stat(path)).size);
  }
  return found;
}

async function turnOver(path: string, at: number): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, at);
    byte[0] = (byte[0] ?? 0) ^ 1;
    await handle.write(byte, 0, 1, at);
  } finally {
    await handle.close();
  }
}

describe('a file that is damaged', () => {
  let place: Place;
  let child: Child;
  let workspaces: readonly string[];
  /** Which file each blob lies in. */
  const fileOf = new Map<string, string>();

  const blob = async (method: string, name: string, body?: Buffer, headers?: Record<string, string>): Promise<Reply> =>
    child.send(`/${account}/data${name === '' ? '?restype=container' : `/${name}`}`, {
      method,
      token: await child.token(child.owner, child.audience('blob')),
      headers: {
        'x-ms-version': '2021-12-02',
        ...(body === undefined ? {} : { 'x-ms-blob-type': 'BlockBlob' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
    });
  const experiments = async (workspace: string): Promise<Reply> =>
    child.send(`/mlflow/v1.0${workspace}/api/2.0/mlflow/experiments/search`, {
      method: 'POST',
      token: await child.ownerToken(),
      body: { max_results: 10 },
    });

  before(async () => {
    place = await openPlace();
    child = await place.start();
    const group = await child.group('Torn');
    const accountId = idsIn(group).account(account);
    const made = await child.armDone(await child.ownerToken(), 'PUT', accountId, {
      location: child.location,
      sku: { name: 'Standard_LRS' },
      kind: 'StorageV2',
    });
    assert.ok(made.status < 300, made.text);
    await child.grant(child.owner.objectId, 'Storage Blob Data Owner', accountId);
    assert.equal((await blob('PUT', '')).status, 201);
    for (const name of ['turned', 'cut', 'emptied', 'whole']) {
      const before = await filesOf(place, /^\/storage\/.*\/blobs\//);
      assert.equal((await blob('PUT', name, content(name))).status, 201);
      const [file, another] = [...(await filesOf(place, /^\/storage\/.*\/blobs\//)).keys()].filter(
        (path) => !before.has(path),
      );
      assert.ok(file !== undefined && another === undefined, 'a blob is one file');
      fileOf.set(name, file);
    }
    const databases = await filesOf(place, /^\/workspaces\/.*\.db$/);
    workspaces = [await makeWorkspace(child, 'Torn', 'First'), await makeWorkspace(child, 'Torn', 'Second')];
    assert.equal((await filesOf(place, /^\/workspaces\/.*\.db$/)).size, databases.size + 2);
    const stopped = await child.terminate();
    assert.equal(stopped.code, 0, stopped.output);
  });
  after(() => place.remove());

  test('a blob whose file was changed, cut or emptied is refused by name, and its neighbour is served', async () => {
    const at = (name: string) => fileOf.get(name) ?? '';
    await turnOver(at('turned'), 200_000);
    await truncate(at('cut'), 200_000);
    await truncate(at('emptied'), 0);
    child = await place.start();
    try {
      for (const name of ['turned', 'cut', 'emptied']) {
        const reply = await blob('GET', name).catch((error: Error) => error);
        // The head of an answer may be out before a late segment is opened: then the answer is broken off, never completed.
        if (reply instanceof Error) continue;
        assert.ok(reply.status >= 500 || reply.bytes.length < content(name).length, `${name}: ${reply.status}`);
        if (reply.status >= 500) assert.equal(reply.headers['x-ms-error-code'], 'IntegrityCheckFailed', reply.text);
        assert.ok(content(name).includes(reply.status >= 500 ? '' : reply.bytes), 'and what came was true');
      }
      // What is asked for from the damaged place on is refused before anything is answered.
      const range = { 'x-ms-range': 'bytes=190000-250000' };
      for (const name of ['turned', 'cut', 'emptied']) {
        const reply = await blob('GET', name, undefined, range).catch((error: Error) => error);
        if (reply instanceof Error) continue;
        assert.equal(reply.headers['x-ms-error-code'], 'IntegrityCheckFailed', `${name}: ${reply.status}`);
      }
      const whole = await blob('GET', 'whole');
      assert.ok(whole.status === 200 && whole.bytes.equals(content('whole')));
      assert.equal((await blob('PUT', 'turned', content('turned'))).status, 201, 'it can be put again');
      assert.ok((await blob('GET', 'turned')).bytes.equals(content('turned')));
    } finally {
      await child.terminate();
    }
  });

  test("a workspace whose database has a torn page is refused, by itself: the other workspace and the server's own work go on", async () => {
    const databases = [...(await filesOf(place, /^\/workspaces\/.*\.db$/))];
    const [path = '', size = 0] = databases[0] ?? [];
    // Every page beyond the first: whichever is read, it is none that we wrote.
    for (let page = 4096; page < size; page += 4096) await turnOver(path, page + 100);
    child = await place.start();
    try {
      const replies = await Promise.all(workspaces.map(experiments));
      const bad = replies.filter(({ status }) => status !== 200);
      assert.equal(bad.length, 1, replies.map(({ status, text }) => `${status} ${text}`).join('\n'));
      assert.ok((bad[0]?.status ?? 0) >= 500, bad[0]?.text);
      assert.doesNotMatch(bad[0]?.text ?? '', /SQLITE|\.ts:\d|\/data\//, 'nothing of the inside is told');
      const good = replies.find(({ status }) => status === 200);
      assert.equal(good?.body.experiments[0].name, 'Default');
      const token = await child.ownerToken();
      for (const id of workspaces) assert.equal((await child.arm(token, 'GET', id)).status, 200);
      const verified = await child.arm(
        token,
        'POST',
        `/subscriptions/${child.subscriptionId}/providers/Strongroom.Audit/verify`,
        {},
      );
      assert.deepEqual(verified.body.findings, [], verified.text);
    } finally {
      await child.terminate();
    }
  });

  test('a server whose own database is torn does not start, and says which', async () => {
    const file = join(place.dataDir, 'control.db');
    await turnOver(file, 3000);
    const torn = await place.fails();
    assert.notEqual(torn.code, 0);
    assert.match(torn.output, /The database 'control' is not what it was\..*restore the file from a backup/);
    await turnOver(file, 3000);
    child = await place.start();
    assert.equal((await child.send('/readyz')).status, 200);
    await child.terminate();
    await truncate(file, 6000);
    const cut = await place.fails();
    assert.notEqual(cut.code, 0);
    assert.match(cut.output, /'control'|control\.db/);
  });
});
