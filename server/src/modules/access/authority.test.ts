// From decisions to grants: what the pipeline and the services get, whom a run token lets do what, and the exact words of a
// refusal.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anonymous, isOnBehalf, systemActor } from '#kernel/authority/actor';
import type { Bounds } from '#kernel/authority/bounds';
import type { QuietDuty } from '#kernel/authority/duty';
import type { Action } from '#kernel/authority/grant';
import { houseGrant } from '#kernel/testing/authority';
import { roleIds } from './index.ts';
import {
  actorOf,
  ann,
  asking,
  bob,
  carol,
  group,
  openAccess,
  robot,
  subscription,
  team,
  workspace,
} from './testing.ts';

const ml = 'Microsoft.MachineLearningServices/workspaces';
const act = (name: string, plane: Action['plane'] = 'control'): Action => ({ name, plane });
const read = act(`${ml}/read`);
const write = act(`${ml}/write`);
const logMetric = act(`${ml}/metrics/resource/write`);
const readBlob = act('Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read', 'data');

const input = `${group}/providers/Microsoft.Storage/storageAccounts/data/blobServices/default/containers/images`;
const bounds: Bounds = {
  roles: 'ignored',
  rules: [
    { scope: workspace, actions: [logMetric.name, read.name], reason: 'token of run-7' },
    { scope: input, actions: 'reads', reason: 'input of run-7' },
  ],
};
const denied = { name: 'Failure', kind: 'forbidden', code: 'AuthorizationFailed' };

test('a grant says who, what, where and by which assignment', async (t) => {
  const { access } = await openAccess(t);
  const grant = access.authorizer.needs(asking(actorOf(ann)), write, workspace);
  assert.equal(grant.actor.objectId, ann);
  assert.deepEqual(
    [grant.action, grant.scope, grant.requestId, grant.address, grant.reason],
    [write.name, workspace, 'r1', '127.0.0.1', `Owner at ${subscription}`],
  );
  assert.ok(Object.isFrozen(grant));
});

test('a refusal has the words of Azure', async (t) => {
  const { access } = await openAccess(t);
  assert.throws(() => access.authorizer.needs(asking(actorOf(bob)), read, workspace), {
    ...denied,
    message: `The client 'bob@strongroom.local' with object id '${bob}' does not have authorization to perform action '${read.name}' over scope '${workspace}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
  });
});

test('a role of a group is a role of its members', async (t) => {
  const { access } = await openAccess(t);
  const wanted = { scope: group, roleDefinitionId: roleIds.reader, principalId: team, principalType: 'Group' } as const;
  await access.assign(houseGrant(), wanted);
  assert.equal(access.authorizer.needs(asking(actorOf(carol)), read, workspace).reason, `Reader at ${group}`);
  assert.throws(() => access.authorizer.needs(asking(actorOf(carol, { groups: [] })), read, workspace), denied);
  assert.throws(() => access.authorizer.needs(asking(actorOf(bob)), read, workspace), denied);
});

test('an Owner reads no blob and no secret: the planes do not mix', async (t) => {
  const { access } = await openAccess(t);
  assert.throws(() => access.authorizer.needs(asking(actorOf(ann)), readBlob, input), denied);
  const secret = act('Microsoft.KeyVault/vaults/secrets/getSecret/action', 'data');
  assert.throws(() => access.authorizer.needs(asking(actorOf(ann)), secret, `${group}/providers/x/y/z`), denied);
});

test('a listing never fails for want of a role, and shows what may be read', async (t) => {
  const { access } = await openAccess(t);
  const wanted = {
    scope: workspace,
    roleDefinitionId: roleIds.reader,
    principalId: bob,
    principalType: 'User',
  } as const;
  await access.assign(houseGrant(), wanted);
  const whole = access.authorizer.listing(asking(actorOf(ann)), read, subscription).visibility;
  assert.equal(whole?.all, true);
  const part = access.authorizer.listing(asking(actorOf(bob)), read, subscription).visibility;
  assert.deepEqual(
    [part?.all, part?.sees(workspace), part?.sees(`${workspace}2`), part?.sees(group)],
    [false, true, false, false],
  );
  const nothing = access.authorizer.listing(asking(actorOf(robot)), read, subscription).visibility;
  assert.deepEqual([nothing?.all, nothing?.sees(workspace)], [false, false]);
});

test('a run does what its token lists in its workspace, reads its inputs, and nothing else', async (t) => {
  const { access } = await openAccess(t);
  // The submitter is Owner; the run that acts for her is not.
  const run = actorOf(ann, { kind: 'run', bounds });
  const needs = (action: Action, scope: string) => access.authorizer.needs(asking(run), action, scope);
  assert.equal(needs(logMetric, workspace).scope, workspace);
  assert.equal(needs(logMetric, `${workspace}/experiments/e/runs/run-7`).reason, 'token of run-7');
  assert.equal(needs(act(logMetric.name.toUpperCase()), workspace.toLowerCase()).action, logMetric.name.toUpperCase());
  assert.equal(needs(readBlob, input).scope, input);
  assert.equal(needs(readBlob, `${input}/blobs/a.png`).reason, 'input of run-7');
  for (const [action, scope] of [
    [write, workspace],
    [logMetric, `${workspace}2`],
    [logMetric, group],
    [logMetric, '/'],
    [logMetric, `${workspace}/../Other`],
    [readBlob, `${input}2`],
    [readBlob, workspace],
    [act(readBlob.name.replace(/read$/, 'write'), 'data'), input],
    [act('Microsoft.Storage/storageAccounts/listKeys/action'), input],
    [act('*'), workspace],
  ] as const)
    assert.throws(() => needs(action, scope), denied, `${action.name} at ${scope}`);
});

test('bounds bind whoever carries them, and without bounds a run or an agent does nothing', async (t) => {
  const { access } = await openAccess(t);
  const needs = (actor: ReturnType<typeof actorOf>, action = write) =>
    access.authorizer.needs(asking(actor), action, workspace);
  for (const kind of ['run', 'agent'] as const) assert.throws(() => needs(actorOf(ann, { kind })), denied);
  for (const kind of ['user', 'application', 'managedIdentity', 'agent'] as const) {
    assert.throws(() => needs(actorOf(ann, { kind, bounds })), denied);
    assert.equal(needs(actorOf(ann, { kind, bounds }), logMetric).actor.bounds, bounds);
  }
  // An empty id in a token is not the root.
  for (const scope of ['', '/', '//', 'subscriptions']) {
    const rules = bounds.rules.map((rule) => ({ ...rule, scope }));
    assert.throws(() => needs(actorOf(ann, { kind: 'run', bounds: { ...bounds, rules } }), logMetric), denied);
  }
});

test('bounds that need roles as well narrow them, and give nothing of their own', async (t) => {
  const { access } = await openAccess(t);
  const ceiling: Bounds = { ...bounds, roles: 'needed' };
  const decide = (actor: ReturnType<typeof actorOf>, action: Action, scope: string) => () =>
    access.authorizer.needs(asking(actor), action, scope);
  const owner = actorOf(ann, { bounds: ceiling });
  assert.equal(decide(owner, read, workspace)().reason, `Owner at ${subscription}`);
  assert.throws(decide(owner, write, workspace), denied, 'a role without a rule');
  assert.throws(decide(owner, read, group), denied, 'a role above the rule');
  assert.throws(decide(actorOf(bob, { bounds: ceiling }), read, workspace), denied, 'a rule without a role');
  const { visibility } = access.authorizer.listing(asking(owner), read, subscription);
  assert.deepEqual([visibility?.all, visibility?.sees(workspace), visibility?.sees(group)], [false, true, false]);
});

test('bounds end at their time and hold from their addresses, for what services ask for too', async (t) => {
  const { access, clock } = await openAccess(t);
  const ending = { ...bounds, untilMs: clock.epochMs() + 1000, addresses: ['127.0.0.0/8'] };
  const run = actorOf(ann, { kind: 'run', bounds: ending });
  const grant = access.authorizer.needs(asking(run), logMetric, workspace);
  assert.throws(() => access.authorizer.needs({ ...asking(run), address: '192.0.2.7' }, logMetric, workspace), denied);
  assert.equal(access.grants.mayAlso(grant, read, workspace), true);
  await clock.advance(1000);
  assert.equal(access.grants.mayAlso(grant, read, workspace), false);
  assert.throws(() => access.grants.also(grant, read, workspace), denied);
});

test('a further permission is decided for the same actor, address and bounds', async (t) => {
  const { access } = await openAccess(t);
  const { authorizer, grants } = access;
  const grant = authorizer.needs(asking(actorOf(ann, { kind: 'run', bounds })), logMetric, workspace);
  assert.equal(grants.also(grant, read, workspace).actor.bounds, bounds);
  assert.equal(grants.mayAlso(grant, write, workspace), false);
  assert.throws(() => grants.also(grant, write, workspace), denied);
  assert.equal(grants.also(authorizer.needs(asking(actorOf(ann)), read, workspace), write, group).scope, group);
});

test('a managed identity acts by its own roles', async (t) => {
  const { access } = await openAccess(t);
  const identity = { objectId: robot, name: 'Vision' };
  assert.throws(() => access.grants.as(identity, write, workspace, 'makes a container'), denied);
  const wanted = {
    scope: workspace,
    roleDefinitionId: roleIds.contributor,
    principalId: robot,
    principalType: 'ServicePrincipal',
  } as const;
  await access.assign(houseGrant(), wanted);
  const grant = access.grants.as(identity, write, workspace, 'makes a container');
  assert.deepEqual(
    [grant.actor.kind, grant.reason],
    ['managedIdentity', `Contributor at ${workspace}: makes a container`],
  );
  // What else its roles allow is not in the grant.
  assert.equal(access.grants.mayAlso(grant, write, `${workspace}/jobs/j`), true);
  for (const [action, scope] of [
    [read, workspace],
    [write, group],
  ] as const) {
    assert.equal(access.grants.mayAlso(grant, action, scope), false);
    assert.throws(() => access.grants.also(grant, action, scope), denied);
  }
});

const reaping: QuietDuty = {
  name: 'test.reap',
  why: 'For a test.',
  actions: [write, read],
  under: ml,
  record: { level: 'part', of: 'a test' },
};
const exceeded = { name: 'Failure', kind: 'internal', code: 'DutyExceeded' };

test('a duty does what it declares, where it was given, and nothing else', async (t) => {
  const { access } = await openAccess(t);
  const { grants } = access;
  const reaper = grants.duty(reaping, workspace);
  assert.deepEqual([reaper.action, reaper.scope, reaper.reason], [write.name, workspace, 'duty: test.reap']);
  const further = grants.also(reaper, read, `${workspace}/jobs/one`);
  assert.deepEqual([further.action, further.reason], [read.name, 'duty: test.reap']);
  assert.equal(grants.mayAlso(reaper, read, workspace), true);
  // Another action, a scope above, a scope beside: each is refused, and said to the log as the house's own mistake.
  for (const [action, scope] of [
    [readBlob, workspace],
    [read, group],
    [read, `${workspace}-2`],
  ] as const) {
    assert.throws(() => grants.also(reaper, action, scope), exceeded);
    assert.equal(grants.mayAlso(reaper, action, scope), false);
  }
  // What it got further is no wider than what it was given.
  assert.throws(() => grants.also(further, read, workspace), exceeded);
  for (const scope of ['/', group, subscription, input]) assert.throws(() => grants.duty(reaping, scope), exceeded);
});

test('nobody becomes the house through the door', async (t) => {
  const { access } = await openAccess(t);
  const { authorizer, grants } = access;
  for (const actor of [systemActor, { ...systemActor }, anonymous]) {
    assert.throws(() => authorizer.needs(asking(actor), read, workspace), denied);
    assert.equal(authorizer.listing(asking(actor), read, '/').visibility?.all, false);
  }
  for (const actor of [systemActor, { ...systemActor }]) {
    const looksLike = authorizer.signedIn(asking(actor), 'for a test');
    assert.equal(grants.mayAlso(looksLike, read, workspace), false);
    assert.throws(() => grants.also(looksLike, read, workspace), denied);
  }
});

test('what is for any signed-in person is neither for a run in its name nor for a stranger', async (t) => {
  const { access } = await openAccess(t);
  const signIn = (actor: typeof anonymous) => access.authorizer.signedIn(asking(actor), 'changes its own password');
  assert.equal(signIn(actorOf(bob)).reason, 'signed in: changes its own password');
  assert.throws(() => signIn(anonymous), denied);
  assert.throws(() => signIn(actorOf(ann, { kind: 'run', bounds })), denied);
  assert.equal(access.authorizer.open(asking(anonymous), 'health').reason, 'open: health');
});

test('who proves himself by what he posts is signed in, and nobody who is known becomes another', async (t) => {
  const { access } = await openAccess(t);
  const { authorizer, grants } = access;
  const stranger = authorizer.open(asking(anonymous), 'a sign-in');
  const proved = grants.proved(stranger, actorOf(ann), 'posted a token');
  assert.deepEqual([proved.actor.objectId, proved.reason], [ann, 'signed in: posted a token']);
  assert.equal(grants.mayAlso(proved, write, workspace), true);
  for (const actor of [anonymous, actorOf(ann, { kind: 'run' }), actorOf(ann, { bounds })])
    assert.throws(() => grants.proved(stranger, actor, 'posted a token'), denied);
  const known = authorizer.signedIn(asking(actorOf(bob)), 'for a test');
  assert.throws(() => grants.proved(known, actorOf(ann), 'posted a token'), denied);
});

test('what goes on in the name of who asked for it is decided anew, by the roles that he has now', async (t) => {
  const { access } = await openAccess(t);
  const { grants } = access;
  const { kind, objectId, tenantId, name } = actorOf(ann);
  const asker = { kind, objectId, tenantId, name };
  const grant = grants.onBehalf(asker, write, workspace, 'a trial of a sweep');
  assert.deepEqual(
    [grant.actor.objectId, grant.action, grant.scope, grant.address, grant.reason],
    [ann, write.name, workspace, undefined, `Owner at ${subscription}: a trial of a sweep`],
  );
  assert.equal(isOnBehalf(grant.actor), true);
  assert.equal(isOnBehalf(actorOf(ann)), false);
  const nobody = actorOf(bob);
  assert.throws(() => grants.onBehalf({ ...asker, objectId: nobody.objectId }, write, workspace, 'x'), denied);
  // A run, an agent or the house asks for nothing that goes on later.
  for (const other of ['run', 'agent', 'system', 'anonymous'] as const)
    assert.throws(() => grants.onBehalf({ ...asker, kind: other }, write, workspace, 'x'), denied, other);
});

test('names that JavaScript objects have by themselves are ids like any other', async (t) => {
  const { access } = await openAccess(t);
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    const actor = actorOf(name, { groups: [name] });
    assert.throws(() => access.authorizer.needs(asking(actor), act(name), `/subscriptions/${name}`), denied);
    assert.throws(() => access.authorizer.needs(asking(actorOf(bob)), act(name), workspace), denied);
  }
});
