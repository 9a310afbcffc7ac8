import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { systemClock } from '#kernel/clock/clock';
import { closeScanPool, type Database, tables } from '#kernel/database/database';
import { createSqliteDatabases } from '#kernel/database/sqlite/databases';
import { testGrant } from '#kernel/testing/authority';
import type { SealedStores } from '#storage';
import { createCatalog } from './catalog.service.ts';
import type { Content } from './content.service.ts';
import { insertManifest } from './images.store.ts';
import { createManifests } from './manifests.service.ts';
import { imageMigrations } from './migrations/images.ts';
import { createRegistries } from './registries.service.ts';
import { descriptor, digestOf, manifestOf } from './testing.ts';

after(() => closeScanPool());

async function openIndex(t: TestContext): Promise<Database> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-turns-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const databases = createSqliteDatabases({ folder });
  const index = await databases.open('registry/u', [imageMigrations], { key: new Uint8Array(32).fill(1) });
  t.after(() => index.close());
  return index;
}

/** How many turns others had while `act` ran. */
async function turnsDuring(act: () => Promise<void>): Promise<number> {
  let turns = 0;
  let isOver = false;
  const others = () => {
    turns += 1;
    if (!isOver) setImmediate(others);
  };
  setImmediate(others);
  await act();
  isOver = true;
  return turns;
}

test('while a long catalog is looked through for somebody who sees nothing of it, others have their turn', async (t) => {
  const index = await openIndex(t);
  const names = Array.from({ length: 3_000 }, (_, at) => ({ name: `team/image-${at}` }));
  await index.write(async (tx) => {
    for (let at = 0; at < names.length; at += 500)
      await tables<{ repositories: { name: string } }>(tx)
        .insertInto('repositories')
        .values(names.slice(at, at + 500))
        .execute();
  });
  const registries = createRegistries();
  registries.add({ id: '/r', name: 'reg01', uniqueId: 'u' });
  const stores = { use: (_owner, act) => act({ index } as never) } satisfies Partial<SealedStores>;
  const catalog = createCatalog({ registries, stores: stores as unknown as SealedStores });
  const grant = { ...testGrant({ scope: '/' }), visibility: { all: false, sees: () => false } };
  const turns = await turnsDuring(async () => {
    assert.deepEqual(await catalog.list(grant, { after: '', limit: 100 }), { items: [], next: undefined });
  });
  assert.ok(turns >= 6, `${turns} turns`);
});

test('while long referrers are listed others have their turn', async (t) => {
  const index = await openIndex(t);
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const subject = descriptor('{}', mediaType);
  for (let at = 0; at < 8; at++) {
    const bytes = Buffer.from(manifestOf('{}', [], { subject, annotations: { at: `${at}`.repeat(200_000) } }));
    const manifest = {
      digest: digestOf(bytes),
      mediaType,
      bytes,
      contentSize: 0,
      artifactType: undefined,
      mentions: [],
    };
    await index.write((tx) => insertManifest(tx, 'a', { ...manifest, subject: subject.digest }, at));
  }
  const content = { within: (_grant, _ref, act) => act({ index } as never) } satisfies Partial<Content>;
  const manifests = createManifests({ content: content as unknown as Content, clock: systemClock });
  const query = { subject: subject.digest, artifactType: undefined, after: '', limit: 100 };
  const turns = await turnsDuring(async () => {
    const ref = { registry: '/r', repository: 'a' };
    const { items, next } = await manifests.listReferrers(testGrant({ scope: '/r' }), ref, query);
    assert.deepEqual([items.length, next], [8, undefined]);
  });
  assert.ok(turns >= 8, `${turns} turns`);
});
