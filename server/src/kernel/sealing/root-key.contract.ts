// The port as tests: what every root key keeps, wherever it lies.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBytes } from '#kernel/crypto/random';
import { Failure } from '#kernel/errors/failure';
import type { RootKey } from './root-key.ts';

export type RootKeysUnderTest = {
  /** The same one each time it is asked for the same name, as after a restart. */
  open(name: 'one' | 'other'): Promise<RootKey>;
  close(): Promise<void>;
};

const doesNotOpen = (thrown: unknown) => thrown instanceof Failure && thrown.kind === 'integrity';
const closed = (thrown: unknown) => thrown instanceof Failure && thrown.code === 'RootKeyClosed';

export function rootKeyContract(what: string, make: () => Promise<RootKeysUnderTest>): void {
  const contract = (says: string, act: (keys: RootKeysUnderTest) => Promise<void>) =>
    test(`root key in ${what}: ${says}`, async () => {
      const keys = await make();
      try {
        await act(keys);
      } finally {
        await keys.close();
      }
    });

  contract('what it wrapped it unwraps, at once and after a restart, and never shows', async ({ open }) => {
    const before = await open('one');
    const inner = randomBytes(32);
    const [wrapped, again] = [await before.wrap(['a', 'b'], inner), await before.wrap(['a', 'b'], inner)];
    assert.notDeepEqual(wrapped, again);
    for (const one of [wrapped, again]) assert.ok(!Buffer.from(one).includes(Buffer.from(inner.subarray(0, 16))));
    assert.deepEqual(Buffer.from(await before.unwrap(['a', 'b'], wrapped)), Buffer.from(inner));
    before.close();
    const after = await open('one');
    for (const one of [wrapped, again])
      assert.deepEqual(Buffer.from(await after.unwrap(['a', 'b'], one)), Buffer.from(inner));
    assert.deepEqual(Object.keys(after).sort(), ['close', 'id', 'unwrap', 'wrap']);
    after.close();
  });

  contract('another purpose, another root key and what was changed do not open', async ({ open }) => {
    const [one, other] = [await open('one'), await open('other')];
    const wrapped = await one.wrap(['a', 'b'], randomBytes(32));
    for (const purpose of [['a'], ['b', 'a'], ['ab'], ['a', 'b', ''], ['A', 'b']])
      await assert.rejects(one.unwrap(purpose, wrapped), doesNotOpen, JSON.stringify(purpose));
    await assert.rejects(other.unwrap(['a', 'b'], wrapped), doesNotOpen);
    for (const at of [0, 1, Math.floor(wrapped.length / 2), wrapped.length - 1]) {
      const changed = Uint8Array.from(wrapped);
      changed[at] = 1 ^ (changed[at] ?? 0);
      await assert.rejects(one.unwrap(['a', 'b'], changed), doesNotOpen, `byte ${at}`);
    }
    for (const cut of [wrapped.subarray(0, -1), wrapped.subarray(1), new Uint8Array(0)])
      await assert.rejects(one.unwrap(['a', 'b'], cut), doesNotOpen);
    one.close();
    other.close();
  });

  contract('its id tells it from others, is the same after a restart, and is no secret', async ({ open }) => {
    const [one, other] = [await open('one'), await open('other')];
    assert.match(one.id, /^[0-9a-f-]{36}$/);
    assert.notEqual(one.id, other.id);
    assert.equal((await open('one')).id, one.id);
  });

  contract('closed, it does nothing, and closing again is nothing', async ({ open }) => {
    const one = await open('one');
    const wrapped = await one.wrap(['a'], randomBytes(32));
    one.close();
    one.close();
    await assert.rejects(one.wrap(['a'], randomBytes(32)), closed);
    await assert.rejects(one.unwrap(['a'], wrapped), closed);
  });
}
