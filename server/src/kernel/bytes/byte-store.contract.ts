// The port as tests. Each implementation runs them on stores of its own; what one of them cannot keep is not in the port. What
// a test leaves behind is a failure: readers, half writes and objects are all gone once its owners are removed.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { type Faults, failNth } from '#kernel/files/faults';
import type { ByteStore, ByteStores } from './byte-store.ts';

export type StoresUnderTest = {
  readonly stores: ByteStores;
  /** Leaves in an owner's store what a process does that is killed in the middle of a write. */
  leaveUnfinished(owner: string, bytes: Uint8Array): Promise<void>;
  /** What is still open, half written, or there. */
  leftovers(): Promise<readonly string[]>;
  close(): Promise<void>;
};

/** What sealing writes and reads at once; nothing in the port knows it, and its bounds are where mistakes would be. */
const segmentBytes = 1_048_576;
const owner = 'things/one';
const other = 'things/two';

const code = (expected: string) => (thrown: unknown) => thrown instanceof Failure && thrown.code === expected;

/** No two places of it look alike for long. */
function patterned(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at + 4 <= size; at += 4) bytes.writeUInt32LE((at * 2_654_435_761) >>> 0, at);
  return bytes;
}

async function write(store: ByteStore, name: string, ...chunks: readonly Uint8Array[]): Promise<void> {
  const writer = await store.put(name);
  try {
    for (const chunk of chunks) await writer.write(chunk);
    await writer.commit();
  } finally {
    await writer.abort();
  }
}

async function rangeOf(store: ByteStore, name: string, offset: number, length: number): Promise<Buffer> {
  const reader = await store.get(name);
  try {
    const into = Buffer.alloc(length, 0xee);
    return into.subarray(0, await reader.read(offset, into));
  } finally {
    await reader.close();
  }
}

const wholeOf = async (store: ByteStore, name: string) => await rangeOf(store, name, 0, (await store.size(name)) ?? 0);

async function namesIn(store: ByteStore): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const name of store.list()) names.push(name);
  return names.sort();
}

/** As if there had never been such an object, for everybody who may ask. */
async function assertAbsent(store: ByteStore, name: string): Promise<void> {
  await assert.rejects(store.get(name), code('ObjectMissing'));
  assert.equal(await store.size(name), undefined);
  assert.ok(!(await namesIn(store)).includes(name));
}

/** @param make opens stores of their own for one test; `faults` is asked before each step that durability rests on */
export function byteStoreContract(what: string, make: (faults: Faults) => Promise<StoresUnderTest>): void {
  const contract = (
    says: string,
    act: (
      world: StoresUnderTest & { readonly store: ByteStore; readonly seam: { faults: Faults } },
      t: TestContext,
    ) => Promise<void>,
  ) =>
    test(`bytes on ${what}: ${says}`, async (t) => {
      const seam: { faults: Faults } = { faults: () => {} };
      const world = await make((point) => seam.faults(point));
      try {
        await act({ ...world, store: await world.stores.open(owner), seam }, t);
        seam.faults = () => {};
        for (const name of [owner, other]) await world.stores.remove(name);
        assert.deepEqual(await world.leftovers(), [], 'left behind');
      } finally {
        await world.close();
      }
    });

  contract(
    'an object that was committed is there whole, also for who opens the store later',
    async ({ store, stores }) => {
      const bytes = patterned(300_000);
      await write(store, 'a', bytes.subarray(0, 7), bytes.subarray(7, 7), bytes.subarray(7));
      await write(store, 'empty');
      for (const again of [store, await stores.open(owner)]) {
        assert.ok((await wholeOf(again, 'a')).equals(bytes));
        assert.equal(await again.size('a'), bytes.length);
        assert.equal(await again.size('empty'), 0);
        assert.equal((await rangeOf(again, 'empty', 0, 10)).length, 0);
        assert.deepEqual(await namesIn(again), ['a', 'empty']);
      }
    },
  );

  contract('an object appears at its commit and not before, and not at all after an abort', async ({ store }) => {
    const kept = await store.put('kept');
    const dropped = await store.put('dropped');
    for (const writer of [kept, dropped]) await writer.write(patterned(1000));
    for (const name of ['kept', 'dropped']) await assertAbsent(store, name);
    await kept.commit();
    await kept.abort();
    await dropped.abort();
    await dropped.abort();
    assert.ok((await wholeOf(store, 'kept')).equals(patterned(1000)));
    await assertAbsent(store, 'dropped');
    for (const writer of [kept, dropped]) {
      await assert.rejects(writer.write(patterned(4)), Failure);
      await assert.rejects(writer.commit(), Failure);
    }
    assert.deepEqual(await namesIn(store), ['kept']);
  });

  contract('a chunk is the caller’s again once it was written', async ({ store }) => {
    const writer = await store.put('a');
    const chunk = patterned(1000);
    await writer.write(chunk);
    chunk.fill(0);
    await writer.commit();
    assert.ok((await wholeOf(store, 'a')).equals(patterned(1000)));
  });

  contract('ranges are answered byte for byte at, across and behind the bounds of segments', async ({ store }) => {
    const bytes = patterned(2 * segmentBytes + 5);
    await write(store, 'a', bytes.subarray(0, segmentBytes), bytes.subarray(segmentBytes));
    const reader = await store.get('a');
    try {
      assert.equal(reader.size, bytes.length);
      for (const offset of [0, 1, segmentBytes - 1, segmentBytes, segmentBytes + 1, bytes.length - 1])
        for (const length of [0, 1, 2, 4096, segmentBytes, segmentBytes + 1, bytes.length + 9]) {
          const into = Buffer.alloc(length, 0xee);
          const expected = bytes.subarray(offset, offset + length);
          assert.equal(await reader.read(offset, into), expected.length, `${length} at ${offset}`);
          assert.ok(into.subarray(0, expected.length).equals(expected), `${length} at ${offset}`);
          assert.ok(
            into.subarray(expected.length).every((byte) => byte === 0xee),
            `behind ${length} at ${offset}`,
          );
        }
      for (const offset of [bytes.length, bytes.length + segmentBytes])
        assert.equal(await reader.read(offset, Buffer.alloc(10)), 0);
    } finally {
      await reader.close();
    }
  });

  contract('readers of one object read side by side, each at its own place', async ({ store }) => {
    const bytes = patterned(500_000);
    await write(store, 'a', bytes);
    await Promise.all(
      Array.from({ length: 20 }, async (_, nth) => {
        const part = await rangeOf(store, 'a', nth * 25_000, 25_000);
        assert.ok(part.equals(bytes.subarray(nth * 25_000, (nth + 1) * 25_000)));
      }),
    );
  });

  contract('an object never changes: its name is refused while it is there', async ({ store, stores }) => {
    await write(store, 'a', patterned(1000));
    for (const again of [store, await stores.open(owner)])
      await assert.rejects(write(again, 'a', Buffer.from('else')), code('ObjectExists'));
    assert.ok((await wholeOf(store, 'a')).equals(patterned(1000)));
    await store.remove('a');
    await write(store, 'a', Buffer.from('else'));
    assert.equal((await wholeOf(store, 'a')).toString(), 'else');
  });

  contract('of many who write one name at once, one has it whole and the others are refused', async ({ store }) => {
    const contents = Array.from({ length: 8 }, (_, nth) => Buffer.alloc(100_000 + nth, nth));
    const ends = await Promise.allSettled(
      contents.map((content) => write(store, 'a', content.subarray(0, 50_000), content.subarray(50_000))),
    );
    const winners = contents.filter((_, nth) => ends[nth]?.status === 'fulfilled');
    assert.equal(winners.length, 1);
    for (const end of ends) if (end.status === 'rejected') assert.ok(code('ObjectExists')(end.reason));
    assert.ok((await wholeOf(store, 'a')).equals(winners[0] ?? Buffer.alloc(0)));
    // Who gave up takes nobody's place.
    const writer = await store.put('b');
    await assert.rejects(store.put('b'), code('ObjectExists'));
    await writer.abort();
    await write(store, 'b', patterned(8));
  });

  contract('a list names every object once, however many, and no write that is under way', async ({ store }) => {
    const names = Array.from({ length: 503 }, (_, nth) => `object-${String(nth).padStart(5, '0')}`);
    for (let at = 0; at < names.length; at += 100)
      await Promise.all(names.slice(at, at + 100).map((name) => write(store, name, Buffer.from(name))));
    const writer = await store.put('under-way');
    await writer.write(patterned(100));
    assert.deepEqual(await namesIn(store), names);
    // Who removes while he lists, as a sweep does, is told of all that stay.
    const seen: string[] = [];
    for await (const name of store.list()) {
      seen.push(name);
      if (Number(name.slice(7)) % 2 === 1) await store.remove(name);
    }
    const kept = names.filter((_, nth) => nth % 2 === 0);
    for (const name of kept) assert.ok(seen.includes(name), name);
    assert.deepEqual(await namesIn(store), kept);
    await writer.abort();
  });

  contract('who stops listing early leaves nothing open', async ({ store }) => {
    for (const name of ['a', 'b', 'c']) await write(store, name, patterned(8));
    for await (const _ of store.list()) break;
  });

  contract('removing is for good, and removing what is not there is nothing', async ({ store }) => {
    await write(store, 'a', patterned(1000));
    await write(store, 'b', patterned(1000));
    await Promise.all([store.remove('a'), store.remove('a'), store.remove('never')]);
    await store.remove('a');
    await assertAbsent(store, 'a');
    assert.deepEqual(await namesIn(store), ['b']);
  });

  contract('who reads what is removed gets its bytes or a failure, and never another’s', async ({ store }) => {
    await write(store, 'a', patterned(1000));
    const reader = await store.get('a');
    await store.remove('a');
    await write(store, 'a', Buffer.alloc(1000, 7));
    const into = Buffer.alloc(1000);
    const read = await reader.read(0, into).catch(() => undefined);
    if (read !== undefined) assert.ok(into.equals(patterned(1000)));
    await reader.close();
  });

  contract(
    'whichever step of a write fails, nothing of it is seen, and its name is free again',
    async ({ store, seam }) => {
      const counting = failNth(0);
      seam.faults = counting.faults;
      await write(store, 'counted', patterned(10), patterned(20));
      assert.ok(counting.seen() >= 3, 'two writes and a commit are announced');
      for (let nth = 1; nth <= counting.seen(); nth++) {
        seam.faults = failNth(nth).faults;
        await assert.rejects(write(store, 'a', patterned(10), patterned(20)), `step ${nth}`);
        seam.faults = () => {};
        await assertAbsent(store, 'a');
        assert.deepEqual(await namesIn(store), ['counted'], `step ${nth}`);
        assert.equal(await store.sweep(), 0, `step ${nth} left half a write`);
      }
      await write(store, 'a', patterned(10), patterned(20));
      assert.equal(await store.size('a'), 30);
    },
  );

  contract('after a write that failed there is no commit', async ({ store, seam }) => {
    const writer = await store.put('a');
    seam.faults = failNth(1).faults;
    await assert.rejects(writer.write(patterned(10)));
    await assert.rejects(writer.commit(), Failure);
    await writer.abort();
    await assertAbsent(store, 'a');
  });

  contract('a writer that is cut off in the middle of a write leaves nothing', async ({ store }) => {
    const writer = await store.put('a');
    const writing = writer.write(patterned(segmentBytes)).catch(() => {});
    await writer.abort();
    await writing;
    await assertAbsent(store, 'a');
    await write(store, 'a', patterned(8));
  });

  contract(
    'a removal that failed leaves the object whole, and succeeds when it is tried again',
    async ({ store, seam }) => {
      await write(store, 'a', patterned(1000));
      seam.faults = failNth(1, ({ step }) => step === 'remove').faults;
      await assert.rejects(store.remove('a'));
      assert.ok((await wholeOf(store, 'a')).equals(patterned(1000)));
      await store.remove('a');
      await assertAbsent(store, 'a');
    },
  );

  contract(
    'what a killed process left half written is never listed, and swept',
    async ({ stores, store, leaveUnfinished }) => {
      await write(store, 'a', patterned(1000));
      for (const size of [0, 5000]) await leaveUnfinished(owner, patterned(size));
      const again = await stores.open(owner);
      const underWay = await again.put('under-way');
      await underWay.write(patterned(100));
      assert.deepEqual(await namesIn(again), ['a']);
      assert.equal(await again.sweep(), 2);
      assert.equal(await again.sweep(), 0);
      await underWay.commit();
      assert.deepEqual(await namesIn(again), ['a', 'under-way']);
      assert.ok((await wholeOf(again, 'a')).equals(patterned(1000)));
    },
  );

  contract(
    'owners do not see each other, and one that is removed takes all of its objects along',
    async ({ stores, store }) => {
      const beside = await stores.open(other);
      await write(store, 'a', Buffer.from('one'));
      await write(beside, 'a', Buffer.from('two'));
      await write(beside, 'b', patterned(8));
      assert.deepEqual(await namesIn(store), ['a']);
      await stores.remove(other);
      await stores.remove(other);
      assert.equal((await wholeOf(store, 'a')).toString(), 'one');
      const anew = await stores.open(other);
      assert.deepEqual(await namesIn(anew), []);
      await assertAbsent(anew, 'a');
    },
  );

  contract('no name leads out of its store, and no owner to another’s place', async ({ stores, store }) => {
    const beside = await stores.open(other);
    await write(beside, 'a', patterned(8));
    const temporary = '.tmp-1-a-1';
    for (const name of ['', '.', '..', '../two/a', 'a/b', '/a', 'a\\b', 'a\0b', 'a'.repeat(256), temporary]) {
      for (const act of [store.put, store.get, store.size, store.remove])
        await assert.rejects(act(name), code('ObjectName'), JSON.stringify(name));
    }
    for (const name of [
      '',
      'things',
      'things/',
      '/one',
      'things/../two',
      'things/one/two',
      'Things/one',
      `things/${'a'.repeat(65)}`,
    ]) {
      await assert.rejects(stores.open(name), code('ObjectOwner'), JSON.stringify(name));
      await assert.rejects(stores.remove(name), code('ObjectOwner'), JSON.stringify(name));
    }
    assert.equal(await beside.size('a'), 8);
  });
}
