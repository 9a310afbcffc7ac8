// What is open under keys that come and go, in any order: calls begin and end, keys are refused and allowed again, what is idle is
// pushed out, and opening and closing take their time. Never closed under a call but with its key, never at work after a refusal,
// one at a time for an id, and no more open than the bound once everybody has gone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '#kernel/errors/failure';
import { createKeyed } from './keyed.ts';

const ids = ['a', 'b', 'c', 'd'] as const;
type Id = (typeof ids)[number];
const openMax = 2;

const refused = (id: string) =>
  new Failure({ kind: 'forbidden', code: 'KeyDisabled', message: `The key of ${id} is disabled.` });

type Handle = { readonly id: Id; readonly key: number; state: 'open' | 'closing' | 'closed'; calls: number };

/** An engine whose opening and closing wait until they are let through. */
function createWorld() {
  const isRefused = new Set<string>();
  /** Changes with each refusal: what was opened before is under an older key. */
  const keyNumber = new Map<string, number>(ids.map((id) => [id, 0]));
  const handles: Handle[] = [];
  const waiting: { readonly what: 'open' | 'close'; readonly id: Id; readonly go: () => void }[] = [];
  const faults: string[] = [];
  const pass = (what: 'open' | 'close', id: Id) => new Promise<void>((go) => void waiting.push({ what, id, go }));
  const keyed = createKeyed<Handle>({
    title: 'thing',
    openMax,
    async key(id) {
      if (isRefused.has(id)) throw refused(id);
      return Uint8Array.of(keyNumber.get(id) ?? 0);
    },
    async open(id, key) {
      if (handles.some((other) => other.id === id && other.state !== 'closed')) faults.push(`${id} is opened twice`);
      const handle: Handle = { id: id as Id, key: key[0] ?? 0, state: 'open', calls: 0 };
      handles.push(handle);
      await pass('open', handle.id);
      return handle;
    },
    async close(handle) {
      if (handle.state !== 'open') faults.push(`${handle.id} is closed twice`);
      const isUnderItsKey = keyNumber.get(handle.id) === handle.key && !asked.has(handle);
      if (handle.calls > 0 && isUnderItsKey) faults.push(`${handle.id} is closed under a call`);
      handle.state = 'closing';
      await pass('close', handle.id);
      handle.state = 'closed';
    },
  });
  /** Handles that somebody closed by name, as a removal does. */
  const asked = new Set<Handle>();
  return { keyed, isRefused, keyNumber, handles, waiting, faults, asked };
}

type World = ReturnType<typeof createWorld>;
type Call = { readonly id: Id; readonly end: (how: 'well' | 'badly') => void; readonly ended: Promise<unknown> };

const ownFault = 'the call failed';

const microtasks = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A call that stays until it is told to end, and says when it was let at a handle that it must not have. */
function begin(world: World, id: Id): Call {
  const until = Promise.withResolvers<'well' | 'badly'>();
  const ended = world.keyed
    .use(id, async (handle, { signal }) => {
      if (handle.state !== 'open') world.faults.push(`a call got ${id} while it was ${handle.state}`);
      if (handle.key !== world.keyNumber.get(id)) world.faults.push(`a call got ${id} under an older key`);
      if (signal.aborted) world.faults.push(`a call got ${id} with its signal aborted`);
      handle.calls += 1;
      try {
        if ((await until.promise) === 'badly') throw new Error(ownFault);
        if (handle.state !== 'open') throw new Error('closed under the call');
      } finally {
        handle.calls -= 1;
      }
    })
    .then(
      () => 'well',
      (error: unknown) => error,
    );
  return { id, ended, end: until.resolve };
}

type Step =
  | { readonly do: 'begin' | 'refuse' | 'allow' | 'close'; readonly id: Id }
  | { readonly do: 'end'; readonly which: number; readonly how: 'well' | 'badly' }
  | { readonly do: 'pass'; readonly which: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('begin' as const), id: fc.constantFrom(...ids) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('refuse' as const, 'allow' as const, 'close' as const),
      id: fc.constantFrom(...ids),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      which: fc.nat(9),
      how: fc.constantFrom('well' as const, 'badly' as const),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('pass' as const), which: fc.nat(9) }) },
);

async function run(steps: readonly Step[]): Promise<void> {
  const world = createWorld();
  const calls: Call[] = [];
  const take = <T>(list: T[], which: number) => list.splice(which % Math.max(1, list.length), 1)[0];
  for (const each of steps) {
    if (each.do === 'begin') calls.push(begin(world, each.id));
    else if (each.do === 'allow') world.isRefused.delete(each.id);
    else if (each.do === 'refuse') {
      world.isRefused.add(each.id);
      world.keyNumber.set(each.id, (world.keyNumber.get(each.id) ?? 0) + 1);
      void world.keyed.close(each.id);
    } else if (each.do === 'close') {
      for (const handle of world.handles) if (handle.id === each.id) world.asked.add(handle);
      void world.keyed.close(each.id);
    } else if (each.do === 'end') take(calls, each.which)?.end(each.how);
    else if (each.do === 'pass') take(world.waiting, each.which)?.go();
    await microtasks();
    assert.deepEqual(world.faults, []);
  }
  // Everything that waits is let through, and every call that began comes to an end.
  const settle = async () => {
    while (world.waiting.length > 0) {
      for (const { go } of world.waiting.splice(0)) go();
      await microtasks();
    }
  };
  await settle();
  for (const call of calls) call.end('well');
  await microtasks();
  await settle();
  for (const { id, ended } of calls) {
    const how = await ended;
    if (how === 'well' || (how instanceof Error && how.message === ownFault)) continue;
    assert.ok(how instanceof Failure, `a call was told ${how}`);
    assert.ok(['KeyDisabled', 'ServerBusy'].includes(how.code), how.code);
    if (how.code === 'KeyDisabled') assert.match(how.message, new RegExp(` ${id} `));
  }
  const open = world.handles.filter(({ state }) => state !== 'closed');
  assert.ok(open.length <= openMax, `${open.length} are open, and ${openMax} may be`);
  for (const { id, key } of open) {
    assert.equal(world.isRefused.has(id), false, `${id} is open after its key was refused`);
    assert.equal(key, world.keyNumber.get(id), `${id} is open under an older key`);
  }
  const gone = world.keyed.closeAll();
  await microtasks();
  await settle();
  await gone;
  assert.ok(
    world.handles.every(({ state }) => state === 'closed'),
    'everything is closed in the end',
  );
  assert.deepEqual(world.faults, []);
}

test('keys, calls and the bound in any order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => run(steps)),
    { numRuns: 400 },
  );
});

test('a stream that holds it keeps it open beyond its call, and lets go once', async () => {
  const world = createWorld();
  const letGo = Promise.withResolvers<() => void>();
  const calling = world.keyed.use('a', async (_handle, { hold }) => letGo.resolve(hold()));
  await microtasks();
  world.waiting.shift()?.go();
  await calling;
  const others = (['b', 'c', 'd'] as const).map((id) => begin(world, id));
  await microtasks();
  for (const { go } of world.waiting.splice(0)) go();
  await microtasks();
  for (const call of others) call.end('well');
  await microtasks();
  assert.equal(world.handles.find(({ id }) => id === 'a')?.state, 'open');
  const release = await letGo.promise;
  release();
  release();
  await microtasks();
  for (const { go } of world.waiting.splice(0)) go();
  await microtasks();
  assert.equal(world.handles.filter(({ state }) => state !== 'closed').length, openMax);
});
