// Whatever a client writes as scope: the answer is a known audience in the client's spelling, or a refusal.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '#kernel/errors/failure';
import { audienceKey, knownAudiences, readRequested } from './audiences.rules.ts';

const known = knownAudiences(['https://localhost:8443'], 'localhost:8443');
const part = fc.oneof(
  fc.constantFrom('openid', 'profile', 'offline_access', 'email'),
  fc
    .tuple(
      fc.constantFrom(...known),
      fc.constantFrom('', '/', '//'),
      fc.constantFrom('/.default', '/user_impersonation', ''),
    )
    .map((all) => all.join('')),
  fc.string(),
  fc.webUrl(),
);

test('a scope is one known audience or a refusal, and nothing else is thrown', () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), fc.option(part, { nil: undefined }), (parts, resource) => {
      try {
        const read = readRequested({ scope: parts.join(' '), resource }, known);
        if (read.resource === undefined) return;
        assert.ok(known.includes(read.resource));
        assert.equal(audienceKey(read.asked), read.resource);
        assert.ok([...parts.join(' ').split(/\s+/), resource].some((one) => one?.startsWith(read.asked)));
      } catch (thrown) {
        assert.ok(thrown instanceof Failure && thrown.code === 'invalid_scope', String(thrown));
      }
    }),
    { numRuns: 3000 },
  );
});

test('every known audience can be asked for, with any number of slashes at its end', () => {
  for (const audience of known)
    for (const slashes of ['', '/', '//']) {
      const read = readRequested({ scope: `${audience}${slashes}/.default openid`, resource: undefined }, known);
      assert.equal(read.resource, audience);
      assert.equal(read.asked, `${audience}${slashes}`);
    }
});

test('hostile lengths are refused in no time', () => {
  for (const scope of ['/'.repeat(5000), `https://${'a/'.repeat(2000)}`, 'a '.repeat(2000)])
    assert.throws(
      () => readRequested({ scope, resource: undefined }, known),
      (error) => error instanceof Failure && error.code === 'invalid_scope',
    );
});
