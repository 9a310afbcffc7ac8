import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { anonymous, createActor, managedIdentity, systemActor } from '#kernel/authority/actor';
import { claimsOfFacts, factsInClaims, nothingProved } from '#kernel/authority/facts';

const of = { kind: 'user', objectId: 'o', tenantId: 't', name: 'n', method: 'bearer' } as const;
const facts = { methods: ['pwd', 'otp', 'mfa'], at: 1_700_000_000, from: '192.0.2.7' };

test('facts come out of the claims of a token as they went in', () => {
  assert.deepEqual(factsInClaims(claimsOfFacts(facts)), facts);
  assert.deepEqual(claimsOfFacts(facts), { amr: facts.methods, auth_time: facts.at, ipaddr: facts.from });
  assert.deepEqual(claimsOfFacts(nothingProved), {});
  assert.deepEqual(factsInClaims({}), nothingProved);
});

test('an actor has a second factor when its sign-in says so, and by no other word', () => {
  assert.equal(createActor({ ...of, facts }).authentication.mfa, true);
  assert.deepEqual(createActor({ ...of, facts }).authentication.methods, facts.methods);
  for (const methods of [[], ['pwd'], ['otp', 'pwd'], ['MFA'], ['mfa '], ['pwd mfa']])
    assert.equal(createActor({ ...of, facts: { ...facts, methods } }).authentication.mfa, false, methods.join());
  for (const actor of [createActor(of), anonymous, systemActor, managedIdentity({ objectId: 'o', name: 'n' }, 't')])
    assert.deepEqual([actor.authentication.mfa, actor.authentication.methods, actor.groups], [false, [], []]);
});

test('claims of any other shape prove nothing', () => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), fc.anything(), (amr, auth_time, ipaddr) => {
      const read = factsInClaims({ amr, auth_time, ipaddr });
      assert.ok(read.methods.every((one) => typeof one === 'string'));
      assert.ok(read.at === undefined || Number.isFinite(read.at));
      assert.ok(read.from === undefined || typeof read.from === 'string');
      if (!Array.isArray(amr) || !amr.includes('mfa'))
        assert.equal(createActor({ ...of, facts: read }).authentication.mfa, false);
    }),
  );
});

test('nobody changes an actor that was made', () => {
  const actor = createActor({ ...of, facts });
  assert.throws(() => Object.assign(actor, { objectId: 'another' }), TypeError);
  assert.throws(() => Object.assign(actor.authentication, { mfa: false }), TypeError);
});
