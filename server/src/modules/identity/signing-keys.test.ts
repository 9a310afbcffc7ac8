// Rotation of the signing keys over time: published before they sign, kept until nothing that they signed is valid.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestClock } from '#kernel/clock/test-clock';
import { Failure } from '#kernel/errors/failure';
import { createSigningKeys } from './signing-keys.service.ts';
import { memorySecrets } from './testing.ts';

const dayMs = 86_400_000;
const kids = async (keys: ReturnType<typeof createSigningKeys>) => (await keys.all()).map(({ kid }) => kid);

test('a key is made once, survives a restart, and shows no private part', async () => {
  const clock = createTestClock();
  const secretStore = memorySecrets();
  const keys = createSigningKeys({ secretStore, clock });
  const [one, other] = await Promise.all([keys.current(), keys.current()]);
  assert.equal(one.kid, other.kid);
  assert.equal((await createSigningKeys({ secretStore, clock }).current()).kid, one.kid);
  const [published] = await keys.all();
  assert.deepEqual(Object.keys(published ?? {}).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use']);
});

test('the next key is published a day before it signs, and the last one stays eight days longer', async () => {
  const clock = createTestClock();
  const keys = createSigningKeys({ secretStore: memorySecrets(), clock, rotationDays: 30 });
  const first = (await keys.current()).kid;
  clock.jump(29 * dayMs - 1000);
  assert.deepEqual(await kids(keys), [first]);
  clock.jump(1000);
  assert.equal((await keys.current()).kid, first, 'the new key does not sign yet');
  const [second] = await kids(keys);
  assert.notEqual(second, first);
  clock.jump(dayMs);
  assert.equal((await keys.current()).kid, second);
  assert.deepEqual(await kids(keys), [second, first]);
  assert.notEqual(await keys.find(first), undefined);
  clock.jump(8 * dayMs);
  assert.deepEqual(await kids(keys), [second]);
  assert.equal(await keys.find(first), undefined);
});

test('a server that slept through a rotation still verifies, and makes one new key', async () => {
  const clock = createTestClock();
  const keys = createSigningKeys({ secretStore: memorySecrets(), clock, rotationDays: 30 });
  const first = (await keys.current()).kid;
  clock.jump(400 * dayMs);
  assert.equal((await keys.current()).kid, first);
  assert.equal((await kids(keys)).length, 2);
});

test('a damaged store is said, not replaced', async () => {
  const secretStore = memorySecrets();
  await secretStore.put('token-signing-keys', new TextEncoder().encode('{"kid":1}'));
  await assert.rejects(
    createSigningKeys({ secretStore, clock: createTestClock() }).current(),
    (error) => error instanceof Failure && error.code === 'SigningKeysDamaged',
  );
});
