// Long lists of blocks are written a piece a transaction: whatever else happens to the blob meanwhile, it is whole, nothing that
// is needed goes, and nothing that is not needed stays, also after a crash.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { closeScanPool, type Tx, tables } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { testGrant } from '#kernel/testing/authority';
import { createMemoryByteStores } from '#kernel/testing/byte-stores';
import { insertParts, listParts } from './blobs.store.ts';
import type { BlockChoice } from './blocks.service.ts';
import { account, openStore } from './crash.worker.ts';
import { listLoose, markLoose, rowsAtOnce } from './loose.store.ts';
import { diskBlockBytes } from './migrations/usage.ts';
import { readAll } from './testing.ts';

after(() => closeScanPool());
const grant = testGrant();
const ref = { account: account.id, container: 'data', name: 'blob' };
const seed = Number(process.env['BLOCKS_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

const idOf = (n: number) => Buffer.from(String(n).padStart(4, '0')).toString('base64');
/** Eight bytes that say which block it is, and which of its contents. */
const contentOf = (n: number, round: number) =>
  Buffer.from(`${String(n).padStart(4, '0')}${String(round).padStart(4, '0')}`);
const latest = (ids: readonly number[]): BlockChoice[] => ids.map((n) => ({ from: 'Latest', blockId: idOf(n) }));
const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, n) => from + n);

async function open(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-blocks-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const byteStores = createMemoryByteStores();
  let current = openStore(folder, byteStores);
  t.after(() => current.opened.closeAll());
  await current.containers.ensureContainer(grant, account.id, 'data');
  const index = <R>(act: (read: Tx) => Promise<R>): Promise<R> =>
    current.opened.use(account, ({ index }) => act(index.read));
  return {
    store: () => current,
    index,
    async stage(ids: readonly number[], round = 0): Promise<void> {
      await Promise.all(
        ids.map((n) =>
          current.blocks.stage(grant, ref, { blockId: idOf(n), source: Readable.from([contentOf(n, round)]) }),
        ),
      );
    },
    commit: (choices: readonly BlockChoice[]) => current.blocks.commit(grant, ref, choices, {}),
    async read(): Promise<string> {
      const { stream } = await current.blobs.open(grant, ref);
      return String(await readAll(stream));
    },
    async reopen(): Promise<void> {
      await current.opened.closeAll();
      current = openStore(folder, byteStores);
    },
    /** Every file has a name and every name a file, nothing is loose, and the usage is what there is. */
    async check(): Promise<void> {
      const found = await index(async (read) => {
        const db = tables<{ parts: Row; blocks: Row; usage: { bytes: number } }>(read);
        const parts = await db.selectFrom('parts').select(['file', 'sealed_size']).execute();
        const blocks = await db.selectFrom('blocks').select(['file', 'sealed_size']).execute();
        const { bytes } = await db.selectFrom('usage').select('bytes').executeTakeFirstOrThrow();
        return { parts, blocks, bytes, loose: await listLoose(read, '', 10) };
      });
      assert.deepEqual(found.loose, []);
      const onDisk: string[] = [];
      for await (const file of (await byteStores.open(`storage/${account.uniqueId}`)).list()) onDisk.push(file);
      const rows = [...found.parts, ...found.blocks];
      assert.deepEqual(onDisk.sort(), [...new Set(rows.map(({ file }) => file))].sort());
      const size = (of: readonly Row[]) =>
        of.reduce((sum, row) => sum + Math.ceil(row.sealed_size / diskBlockBytes) * diskBlockBytes, 0);
      const inParts = new Set(found.parts.map(({ file }) => file));
      assert.equal(found.bytes, size(found.parts) + size(found.blocks.filter(({ file }) => !inParts.has(file))));
    },
  };
}
type Row = { file: string; sealed_size: number };

test('a list of many blocks makes one blob, in its order, and is replaced as one', async (t) => {
  const { stage, commit, read, check, store } = await open(t);
  const many = numbers(rowsAtOnce + 40);
  await stage(many);
  const backwards = [...many].reverse();
  const info = await commit(latest([...backwards, ...many]));
  assert.equal(info.size, 16 * many.length);
  assert.equal(await read(), [...backwards, ...many].map((n) => contentOf(n, 0)).join(''));
  const listed = await store().blocks.listBlocks(grant, ref);
  assert.deepEqual(
    listed.committed.map(({ blockId }) => blockId),
    [...backwards, ...many].map(idOf),
  );
  assert.deepEqual(listed.uncommitted, []);
  await check();
  // Blocks of the blob and new ones, by where they are looked for.
  await stage([1, 9999], 1);
  await commit([
    { from: 'Committed', blockId: idOf(1) },
    { from: 'Uncommitted', blockId: idOf(1) },
    ...latest([...numbers(rowsAtOnce, 2), 9999]),
  ]);
  const expected = [
    contentOf(1, 0),
    contentOf(1, 1),
    ...numbers(rowsAtOnce, 2).map((n) => contentOf(n, 0)),
    contentOf(9999, 1),
  ];
  assert.equal(await read(), expected.join(''));
  await check();
  // One block as often as a list is long, and again from what it made.
  for (let i = 0; i < 2; i++) {
    await commit(latest(Array.from({ length: rowsAtOnce + 1 }, () => 5)));
    assert.equal(
      await read(),
      contentOf(5, 0)
        .toString()
        .repeat(rowsAtOnce + 1),
    );
    await check();
  }
  await store().blobs.remove(grant, ref);
  await check();
});

test('a long list that is refused at its end, by a block, a condition or a container, leaves everything as it was', async (t) => {
  const { stage, commit, read, check, store } = await open(t);
  const many = numbers(rowsAtOnce + 10);
  await stage(many);
  await commit(latest(many));
  const before = await read();
  await stage(many, 1);
  await assert.rejects(commit(latest([...many, 9999])), { code: 'InvalidBlockList' });
  await assert.rejects(store().blocks.commit(grant, ref, latest(many), {}, { ifMatch: ['"other"'] } as never), {
    code: 'ConditionNotMet',
  });
  assert.equal(await read(), before);
  assert.equal((await store().blocks.listBlocks(grant, ref)).uncommitted.length, many.length);
  await check();
});

test('what a crash left of a list that was being written is gone at the next opening, and the blocks wait on', async (t) => {
  const { stage, commit, read, check, index, store, reopen } = await open(t);
  const many = numbers(rowsAtOnce + 10);
  await stage(many);
  // What the first pieces write, and nothing after them.
  await store().opened.use(account, async ({ index }) => {
    const files = await tables<{ blocks: Row & { block_id: string; size: number; key_id: string } }>(index.read)
      .selectFrom('blocks')
      .selectAll()
      .execute();
    const parts = files.map((row, n) => ({
      start: 8 * n,
      size: 8,
      file: row.file,
      sealedSize: row.sealed_size,
      keyId: row.key_id,
      blockId: row.block_id,
    }));
    await index.write(async (tx) => {
      await markLoose(tx, ['half']);
      await insertParts(tx, 'half', parts);
    });
  });
  await reopen();
  assert.deepEqual(await index((read) => listParts(read, 'half', { start: 0, end: 9, limit: 1 })), []);
  await check();
  await commit(latest(many));
  assert.equal(await read(), many.map((n) => contentOf(n, 0)).join(''));
});

test('whatever happens to a blob at once, it is whole, and what is on the disk is what is named', async (t) => {
  t.diagnostic(`seed ${seed}`);
  const ids = numbers(rowsAtOnce + 30);
  const act = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('commit' as const), from: fc.nat(29), long: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('stage' as const), from: fc.nat(ids.length - 20) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('put' as const, 'remove' as const, 'list' as const) }) },
  );
  const rounds = fc.array(fc.array(act, { minLength: 1, maxLength: 5 }), { minLength: 2, maxLength: 5 });
  const { stage, commit, read, check, store, reopen } = await open(t);
  let round = 0;
  await fc.assert(
    fc.asyncProperty(rounds, async (plan) => {
      await commit(latest(ids)).catch(() => stage(ids, round));
      for (const together of plan) {
        round += 1;
        const outcomes = await Promise.allSettled(
          together.map(async (step) => {
            if (step.do === 'commit') {
              const list = ids.slice(step.from, step.long ? undefined : step.from + 20);
              await commit(latest([...list, ...list.slice(0, 50)]));
            } else if (step.do === 'stage') await stage(ids.slice(step.from, step.from + 20), round);
            else if (step.do === 'put') await store().blobs.put(grant, ref, Buffer.from('put'), { maxBytes: 10 });
            else if (step.do === 'remove') await store().blobs.remove(grant, ref);
            else await store().blocks.listBlocks(grant, ref);
          }),
        );
        for (const outcome of outcomes)
          if (outcome.status === 'rejected')
            assert.ok(
              outcome.reason instanceof Failure && ['InvalidBlockList', 'BlobNotFound'].includes(outcome.reason.code),
              outcome.reason,
            );
        const content = await read().catch((thrown: Failure) => {
          assert.equal(thrown.code, 'BlobNotFound');
          return 'put';
        });
        if (content !== 'put') {
          const blocks = content.match(/.{8}/g)?.map((block) => Number(block.slice(0, 4))) ?? [];
          const [first = 0] = blocks;
          const list = [20, ids.length - first].map((length) => ids.slice(first, first + length));
          assert.ok(
            list.some((each) => [...each, ...each.slice(0, 50)].join() === blocks.join()),
            'it is what nobody committed',
          );
        }
        await check();
      }
      await reopen();
      await check();
    }),
    { numRuns: 8, seed },
  );
});
