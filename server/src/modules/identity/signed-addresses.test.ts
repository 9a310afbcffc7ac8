// Signed addresses: what a signature must be, one forgery after another. What it opens, and when it stops to, is held by
// the uploads that use it (assets/uploads.test.ts).

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { createActor } from '#kernel/authority/actor';
import { Failure } from '#kernel/errors/failure';
import type { Exchange } from '#kernel/http/exchange';
import { readTarget } from '#kernel/http/target';
import { testActor, testAuthority, testGrant } from '#kernel/testing/authority';
import { createSignedAddresses } from './signed-addresses.scheme.ts';
import { openIdentityBench } from './testing.ts';

const bench = await openIdentityBench();
after(() => bench.close());
const { identity, boot, clock } = bench;
const { directory, tokens, standings } = identity;
const refusals = { roleIsGone: false };
const { authorizer } = testAuthority(() => !refusals.roleIsGone);
const tenantId = boot.tenantId;
const addresses = createSignedAddresses({ tokens, standings, authorizer, tenantId });
const scheme = addresses.scheme('blob');

const write = { name: 'Test.Codes/write', plane: 'control' } as const;
const read = { name: 'Test.Blobs/read', plane: 'data' } as const;
const scope = '/accounts/a/containers/c';
const me = await directory.findPrincipal(boot.automation.objectId);
assert.ok(me);
const actor = { ...testActor, objectId: me.objectId };
const grant = testGrant({ actor, action: write.name, scope: '/codes/1' });
const address = { surface: 'blob', scope, actions: [read], action: write, ttlSeconds: 3600 } as const;
const { signature } = await addresses.sign(grant, address);

/** Only what the scheme looks at. */
const asking = (query: string): Exchange =>
  ({ target: readTarget(`/a/c/x?${query}`, 'localhost'), requestId: 'r', address: '::1' }) as Exchange;
const refused = (code: string) => (error: unknown) => error instanceof Failure && error.code === code;
const unauthenticated = (error: unknown) => error instanceof Failure && error.kind === 'unauthenticated';

test('a signature stands for who asked for it, and for nothing but what it lists', async () => {
  const found = await scheme.authenticate(asking(`sv=2021-12-02&sig=${signature}`));
  assert.equal(found?.objectId, me.objectId);
  assert.equal(found?.kind, 'application');
  assert.equal(found?.authentication.method, 'signedAddress');
  const { rules, roles, untilMs } = found?.bounds ?? {};
  assert.deepEqual(
    [rules, roles],
    [[{ scope, actions: [read.name], reason: `signed address of ${me.name}` }], 'ignored'],
  );
  assert.ok(untilMs !== undefined && untilMs > clock.epochMs() && untilMs <= clock.epochMs() + 3_660_000);
});

test('an address carries how its maker signed in, and no more', async () => {
  const facts = { methods: ['pwd', 'otp', 'mfa'], at: 1_700_000_000, from: '192.0.2.7' };
  const { kind, name, tenantId: tenant } = actor;
  const maker = createActor({
    ...{ kind, name, objectId: me.objectId, tenantId: tenant, facts },
    method: 'x',
    standing: '1',
  });
  const made = await addresses.sign(testGrant({ actor: maker, action: write.name, scope: '/codes/1' }), address);
  const found = await scheme.authenticate(asking(`sig=${made.signature}`));
  assert.ok(found);
  const { mfa, methods, at, from } = found.authentication;
  assert.deepEqual({ mfa, methods, at, from }, { mfa: true, ...facts });
  assert.equal((await scheme.authenticate(asking(`sig=${signature}`)))?.authentication.mfa, false);
});

test('without a signature it is another scheme that decides', async () => {
  assert.equal(await scheme.authenticate(asking('sv=2021-12-02')), undefined);
});

test('a signature of another surface, two at once, and none at all', async () => {
  await assert.rejects(async () => addresses.scheme('arm').authenticate(asking(`sig=${signature}`)), unauthenticated);
  await assert.rejects(async () => scheme.authenticate(asking(`sig=${signature}&sig=${signature}x`)), unauthenticated);
  await assert.rejects(async () => scheme.authenticate(asking('sig=')), unauthenticated);
});

test('tokens of other kinds are no signatures, and a signature is no access token', async () => {
  const run = await tokens.issueToken({
    purpose: 'run',
    audience: 'urn:strongroom:address:blob',
    subject: me.objectId,
    ttlSeconds: 60,
  });
  const { accessToken } = await identity.issueAccessToken({
    objectId: me.objectId,
    resource: 'https://management.azure.com',
    origin: bench.origin,
  });
  for (const token of [run.token, accessToken])
    await assert.rejects(async () => scheme.authenticate(asking(`sig=${token}`)), unauthenticated);
  const asBearer = await bench.call('/api/me', { headers: { authorization: `Bearer ${signature}` } });
  assert.equal(asBearer.status, 401);
});

test('a signature of ours that does not say what it is for is refused', async () => {
  const whole = { standing: '1', action: write, at: '/codes/1', scope, actions: [read] };
  const sign = (claims: Record<string, unknown>) =>
    tokens.issueToken({
      purpose: 'address',
      audience: 'urn:strongroom:address:blob',
      subject: me.objectId,
      claims,
      ttlSeconds: 60,
    });
  assert.ok(await scheme.authenticate(asking(`sig=${(await sign(whole)).token}`)));
  for (const claims of [
    { ...whole, standing: undefined },
    { ...whole, standing: '2' },
    { ...whole, standing: 1 },
    { ...whole, standing: '1.grant.' },
    { ...whole, action: undefined },
    { ...whole, action: { name: '', plane: 'data' } },
    { ...whole, action: { name: 'x', plane: 'all' } },
    { ...whole, at: '' },
    { ...whole, scope: '' },
    { ...whole, scope: 7 },
    { ...whole, actions: [read.name] },
    { ...whole, actions: read },
    { ...whole, also: read },
    { ...whole, also: [{ action: read }] },
    { ...whole, also: [{ action: read, scope: '' }] },
    { ...whole, through: 'somebody' },
    { ...whole, through: { objectId: '', name: 'x' } },
    { ...whole, through: null },
  ])
    await assert.rejects(async () => scheme.authenticate(asking(`sig=${(await sign(claims)).token}`)), unauthenticated);
});

test('no change to a signature goes unnoticed', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(signature.length - 1), fc.constantFrom(...'AZaz09-_.~%'), async (at, letter) => {
      const changed = `${signature.slice(0, at)}${letter}${signature.slice(at + 1)}`;
      fc.pre(changed !== signature && !changed.includes('%'));
      await assert.rejects(async () => scheme.authenticate(asking(`sig=${changed}`)), unauthenticated);
    }),
    { numRuns: 300 },
  );
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 300 }), async (text) => {
      await assert.rejects(async () => scheme.authenticate(asking(`sig=${encodeURIComponent(text)}`)), unauthenticated);
    }),
    { numRuns: 300 },
  );
});

test('who is bounded hands on nothing, and nobody more than he asked for himself', async () => {
  const bounds = { roles: 'ignored', rules: [{ scope: '/w', actions: [write.name], reason: 'test' }] } as const;
  const bounded = testGrant({ actor: { ...actor, bounds }, action: write.name, scope: '/codes/1' });
  await assert.rejects(addresses.sign(bounded, address), refused('AuthorizationFailed'));
  await assert.rejects(
    addresses.sign(testGrant({ actor, action: 'Test.Other/read' }), address),
    refused('AuthorizationFailed'),
  );
  // Whoever did not prove himself by a credential of the directory has nothing that an address could end with.
  const { standing: _none, ...authentication } = actor.authentication;
  await assert.rejects(
    addresses.sign(testGrant({ actor: { ...actor, authentication }, action: write.name }), address),
    refused('AuthorizationFailed'),
  );
});

test('it ends with the role, with the principal, and with its time', async () => {
  refusals.roleIsGone = true;
  await assert.rejects(async () => scheme.authenticate(asking(`sig=${signature}`)), refused('AuthorizationFailed'));
  refusals.roleIsGone = false;
  const gone = await bench.database.write((tx) =>
    directory.createManagedIdentity(tx, { resourceId: '/some/thing', name: 'thing' }),
  );
  const theirs = await addresses.sign(
    testGrant({ actor: { ...actor, objectId: gone.objectId }, action: write.name }),
    address,
  );
  assert.ok(await scheme.authenticate(asking(`sig=${theirs.signature}`)));
  await bench.database.write((tx) => directory.removeManagedIdentity(tx, '/some/thing'));
  await assert.rejects(async () => scheme.authenticate(asking(`sig=${theirs.signature}`)), unauthenticated);
  await clock.advance(3_700_000);
  await assert.rejects(async () => scheme.authenticate(asking(`sig=${signature}`)), refused('AuthenticationFailed'));
});

test('through an identity it opens what that identity may itself, at every use, and all that its maker must be allowed', async () => {
  const through = { objectId: '99999999-9999-4999-8999-999999999999', name: 'workspace' };
  const update = { name: 'Test.Blobs/write', plane: 'data' } as const;
  const artifacts = { name: 'Test.Artifacts/read', plane: 'control' } as const;
  const held = new Set([
    `maker ${write.name}`,
    `maker ${artifacts.name}`,
    `other ${read.name}`,
    `other ${update.name}`,
  ]);
  const asked: string[] = [];
  const { authorizer } = testAuthority((action, at, { objectId }) => {
    asked.push(`${action} ${at}`);
    return held.has(`${objectId === me.objectId ? 'maker' : 'other'} ${action}`);
  });
  const ours = createSignedAddresses({ tokens, standings, authorizer, tenantId });
  const also = [{ action: artifacts, scope: '/w' }];
  const made = await ours.sign(grant, { ...address, actions: [read, update], also, through });
  const used = async () =>
    (await ours.scheme('blob').authenticate(asking(`sig=${made.signature}`)))?.bounds?.rules[0]?.actions;
  assert.deepEqual(await used(), [read.name, update.name]);
  assert.deepEqual(asked, [
    `${write.name} /codes/1`,
    `${artifacts.name} /w`,
    `${read.name} ${scope}`,
    `${update.name} ${scope}`,
  ]);
  held.delete(`other ${update.name}`);
  assert.deepEqual(await used(), [read.name]);
  held.delete(`maker ${artifacts.name}`);
  await assert.rejects(used, refused('AuthorizationFailed'));
  // Through its maker himself: his own roles there, and not those of the other.
  const own = await ours.sign(grant, { ...address, through: { objectId: me.objectId, name: me.name } });
  const usedOwn = async () =>
    (await ours.scheme('blob').authenticate(asking(`sig=${own.signature}`)))?.bounds?.rules[0]?.actions;
  assert.deepEqual(await usedOwn(), []);
  held.add(`maker ${read.name}`);
  assert.deepEqual(await usedOwn(), [read.name]);
});
