// No byte of a token can be changed, and nothing that merely looks like a token does more than being refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createTestClock } from '#kernel/clock/test-clock';
import { Failure } from '#kernel/errors/failure';
import { createSigningKeys } from './signing-keys.service.ts';
import { memorySecrets } from './testing.ts';
import { accessTokenType, createVerifier, signAccessToken } from './tokens.service.ts';

const clock = createTestClock();
const signingKeys = createSigningKeys({ secretStore: memorySecrets(), clock });
const now = clock.epochMs() / 1000;
const genuine = await signAccessToken(signingKeys, { nbf: now, exp: now + 60, oid: 'somebody' });
const verify = createVerifier({ signingKeys, clock });

async function isRefused(token: string): Promise<boolean> {
  try {
    await verify(token, accessTokenType);
    return false;
  } catch (thrown) {
    assert.ok(thrown instanceof Failure && thrown.kind === 'unauthenticated', String(thrown));
    return true;
  }
}

test('a token with one character changed, removed or added is refused', async () => {
  assert.equal(await isRefused(genuine), false);
  const at = fc.nat({ max: genuine.length - 1 });
  const put = fc.constantFrom(...'ABCabc019-_.=+/ \u0000é');
  await fc.assert(
    fc.asyncProperty(at, put, fc.nat({ max: 1 }), async (index, character, removed) => {
      const token = genuine.slice(0, index) + character + genuine.slice(index + removed);
      if (token !== genuine) assert.ok(await isRefused(token), `${index} ${JSON.stringify(character)}`);
    }),
    { numRuns: 1500 },
  );
});

test('parts of anything at all, put together like a token, are refused', async () => {
  const json = fc.json({ maxDepth: 3 }).map((text) => Buffer.from(text).toString('base64url'));
  const header = fc
    .record({
      alg: fc.anything({ maxDepth: 1 }),
      kid: fc.anything({ maxDepth: 1 }),
      crit: fc.anything({ maxDepth: 1 }),
    })
    .map((value) =>
      Buffer.from(JSON.stringify(value, (_key, one) => (typeof one === 'bigint' ? 1 : one)) ?? '').toString(
        'base64url',
      ),
    );
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(header, json, fc.string()),
      fc.oneof(json, fc.string()),
      fc.string(),
      async (one, two, three) => {
        assert.ok(await isRefused(`${one}.${two}.${three}`));
      },
    ),
    { numRuns: 1500 },
  );
});
