// Role assignments through the real door: who may grant what, what each broken rule answers, and that a change counts at once.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { idKey } from '#kernel/ids/ids';
import { houseGrant, testActor } from '#kernel/testing/authority';
import * as store from './assignments.store.ts';
import { roleIds } from './index.ts';
import {
  actorOf,
  ann,
  asking,
  assignmentPath,
  bob,
  carol,
  group,
  guid,
  nobody,
  openAccess,
  robot,
  subscription,
  team,
  workspace,
} from './testing.ts';

const role = (roleId: string) => `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${roleId}`;
const granting = (principalId: string, roleId: string, more: object = {}) => ({
  properties: { roleDefinitionId: role(roleId), principalId, ...more },
});
const read = { name: 'Microsoft.MachineLearningServices/workspaces/read', plane: 'control' } as const;
const write = { name: 'Microsoft.MachineLearningServices/workspaces/write', plane: 'control' } as const;
const list = '/providers/Microsoft.Authorization/roleAssignments';
const values = (body: Record<string, unknown>) => body.value as { name: string; properties: Record<string, unknown> }[];

test('an assignment counts from its answer on, and stops counting with its removal', async (t) => {
  const { access, call } = await openAccess(t);
  const allowed = () => access.evaluator.decide(actorOf(bob), read, workspace).allowed;
  assert.equal(allowed(), false);
  const made = await call(ann, 'PUT', assignmentPath(workspace, guid(1)), granting(bob, roleIds.reader));
  assert.equal(made.status, 201);
  assert.deepEqual(made.body, {
    id: `${workspace}${list}/${guid(1)}`,
    name: guid(1),
    type: 'Microsoft.Authorization/roleAssignments',
    properties: {
      roleDefinitionId: role(roleIds.reader),
      principalId: bob,
      principalType: 'User',
      scope: workspace,
      description: null,
      condition: null,
      conditionVersion: null,
      createdOn: '2026-01-01T00:00:00.000Z',
      updatedOn: '2026-01-01T00:00:00.000Z',
      createdBy: ann,
      updatedBy: ann,
      delegatedManagedIdentityResourceId: null,
    },
  });
  assert.equal(allowed(), true);
  assert.deepEqual((await call(ann, 'GET', assignmentPath(workspace, guid(1)))).body, made.body);
  const removed = await call(ann, 'DELETE', assignmentPath(workspace, guid(1)));
  assert.deepEqual([removed.status, removed.body], [200, made.body]);
  assert.equal(allowed(), false);
  assert.equal((await call(ann, 'DELETE', assignmentPath(workspace, guid(1)))).status, 204);
  const gone = await call(ann, 'GET', assignmentPath(workspace, guid(1)));
  assert.deepEqual([gone.status, gone.body.error?.code], [404, 'RoleAssignmentNotFound']);
});

test('ids and actions count without regard to case, and doubled slashes are one', async (t) => {
  const { access, call } = await openAccess(t);
  const odd = `/${workspace.toUpperCase()}`;
  const made = await call(ann, 'PUT', assignmentPath(odd, guid(1).toUpperCase()), {
    properties: {
      roleDefinitionId: `/PROVIDERS/microsoft.authorization/ROLEDEFINITIONS/${roleIds.contributor.toUpperCase()}`,
      principalId: bob.toUpperCase(),
    },
  });
  assert.equal(made.status, 201);
  const shout = { ...write, name: write.name.toUpperCase() };
  assert.equal(access.evaluator.decide(actorOf(bob), shout, workspace.toLowerCase()).allowed, true);
  assert.equal((await call(ann, 'GET', assignmentPath(workspace.toLowerCase(), guid(1)))).status, 200);
});

test('the same PUT again is 200, a changed description is kept, and what an assignment is cannot change', async (t) => {
  const { call } = await openAccess(t);
  const path = assignmentPath(group, guid(1));
  assert.equal((await call(ann, 'PUT', path, granting(bob, roleIds.reader))).status, 201);
  assert.equal((await call(ann, 'PUT', path, granting(bob, roleIds.reader))).status, 200);
  const described = await call(ann, 'PUT', path, granting(bob, roleIds.reader, { description: 'audits us' }));
  assert.equal(described.status, 200);
  assert.equal((described.body.properties as { description: string }).description, 'audits us');
  for (const [where, body] of [
    [path, granting(carol, roleIds.reader)],
    [path, granting(bob, roleIds.contributor)],
    [assignmentPath(workspace, guid(1)), granting(bob, roleIds.reader)],
  ] as const) {
    const answer = await call(ann, 'PUT', where, body);
    assert.deepEqual([answer.status, answer.body.error?.code], [400, 'RoleAssignmentUpdateNotPermitted']);
  }
  const again = await call(ann, 'PUT', assignmentPath(group, guid(2)), granting(bob, roleIds.reader));
  assert.deepEqual([again.status, again.body.error?.code], [409, 'RoleAssignmentExists']);
});

test('nothing is granted at a scope that does not exist, and who may not grant there learns nothing about it', async (t) => {
  const { access, call } = await openAccess(t);
  const nowhere = `${subscription}/resourceGroups/Nowhere`;
  const below = `${nowhere}/providers/Microsoft.MachineLearningServices/workspaces/Vision`;
  for (const scope of [nowhere, nowhere.toUpperCase(), below]) {
    const answer = await call(ann, 'PUT', assignmentPath(scope, guid(1)), granting(bob, roleIds.owner));
    assert.deepEqual([answer.status, answer.body.error?.code], [404, 'ResourceGroupNotFound'], scope);
    const stranger = await call(bob, 'PUT', assignmentPath(scope, guid(1)), granting(bob, roleIds.owner));
    assert.deepEqual([stranger.status, stranger.body.error?.code], [403, 'AuthorizationFailed'], scope);
    assert.equal(access.evaluator.decide(actorOf(bob), read, scope).allowed, false);
  }
  assert.equal((await call(ann, 'GET', assignmentPath(nowhere, guid(1)))).status, 404);
  // The house grants to the identity of what it is about to make.
  const system = houseGrant();
  const wanted = { roleDefinitionId: roleIds.reader, principalId: bob, principalType: 'User' } as const;
  const { name } = await access.assign(system, { ...wanted, scope: nowhere });
  // What stands at a scope that has gone can be withdrawn, and not given again.
  assert.equal((await call(ann, 'PUT', assignmentPath(nowhere, name), granting(bob, roleIds.reader))).status, 404);
  assert.equal((await call(ann, 'DELETE', assignmentPath(nowhere, name))).status, 200);
});

test('what an assignment names must exist and be of its kind', async (t) => {
  const { call } = await openAccess(t);
  for (const [name, body, code] of [
    ['not-a-guid', granting(bob, roleIds.reader), 'InvalidRoleAssignmentId'],
    ['__proto__', granting(bob, roleIds.reader), 'InvalidRoleAssignmentId'],
    [guid(1), granting(nobody, roleIds.reader), 'PrincipalNotFound'],
    [guid(1), granting('constructor', roleIds.reader), 'InvalidRequestContent'],
    [guid(1), granting(bob, guid(77)), 'RoleDefinitionDoesNotExist'],
    [guid(1), granting(bob, 'toString'), 'InvalidRoleDefinitionId'],
    [guid(1), granting(bob, roleIds.reader, { principalType: 'Group' }), 'UnmatchedPrincipalType'],
    [guid(1), granting(bob, roleIds.reader, { principalType: 'Robot' }), 'InvalidRequestContent'],
    [guid(1), granting(bob, roleIds.reader, { condition: 'true' }), 'RoleAssignmentConditionNotSupported'],
    [guid(1), granting(bob, roleIds.reader, { expiresOn: 'soon' }), 'InvalidRequestContent'],
    [guid(1), granting(bob, roleIds.reader, { expiresOn: '2020-01-01T00:00:00Z' }), 'InvalidRequestContent'],
    [guid(1), granting(bob, roleIds.reader, { allowedAddresses: ['10.0.0.0/33'] }), 'InvalidRequestContent'],
    [guid(1), granting(bob, roleIds.reader, { onlyOnTuesdays: true }), 'InvalidRequestContent'],
    [guid(1), {}, 'InvalidRequestContent'],
  ] as const) {
    const answer = await call(ann, 'PUT', assignmentPath(group, name), body);
    assert.deepEqual([answer.status, answer.body.error?.code], [400, code], JSON.stringify(body));
  }
});

test('a Contributor sees assignments and can neither grant nor withdraw, at its own scope least of all', async (t) => {
  const { call } = await openAccess(t);
  await call(ann, 'PUT', assignmentPath(group, guid(1)), granting(bob, roleIds.contributor));
  assert.equal((await call(bob, 'GET', `${group}${list}`)).status, 200);
  for (const [method, path, body, action] of [
    ['PUT', assignmentPath(workspace, guid(2)), granting(bob, roleIds.owner), 'write'],
    ['DELETE', assignmentPath(group, guid(1)), undefined, 'delete'],
  ] as const) {
    const answer = await call(bob, method, path, body);
    assert.equal(answer.status, 403);
    assert.deepEqual(answer.body.error, {
      code: 'AuthorizationFailed',
      message: `The client 'bob@strongroom.local' with object id '${bob}' does not have authorization to perform action 'Microsoft.Authorization/roleAssignments/${action}' over scope '${method === 'PUT' ? workspace : group}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
    });
  }
});

test('an Owner of a resource group grants below it and nowhere else', async (t) => {
  const { call } = await openAccess(t);
  await call(ann, 'PUT', assignmentPath(group, guid(1)), granting(bob, roleIds.owner));
  assert.equal(
    (await call(bob, 'PUT', assignmentPath(workspace, guid(2)), granting(robot, roleIds.reader))).status,
    201,
  );
  for (const scope of ['/', subscription, `${subscription}/resourceGroups/Lab2`, `${subscription}/resourceGroups/La`])
    assert.equal((await call(bob, 'PUT', assignmentPath(scope, guid(3)), granting(bob, roleIds.owner))).status, 403);
});

test('the last lasting Owner of a subscription stays, whoever asks', async (t) => {
  const { access, call } = await openAccess(t);
  const [own] = values((await call(ann, 'GET', `${subscription}${list}`)).body);
  const path = assignmentPath(subscription, own?.name ?? '');
  const refused = await call(ann, 'DELETE', path);
  assert.deepEqual([refused.status, refused.body.error?.code], [409, 'LastOwnerCannotBeRemoved']);
  const system = houseGrant();
  await assert.rejects(access.unassignPrincipal(system, ann), { code: 'LastOwnerCannotBeRemoved' });
  // Neither an Owner for a while, nor one below the subscription, nor one with conditions keeps it open for good.
  const soon = { expiresOn: '2026-02-01T00:00:00Z' };
  await call(ann, 'PUT', assignmentPath(subscription, guid(1)), granting(bob, roleIds.owner, soon));
  await call(ann, 'PUT', assignmentPath(subscription, guid(2)), granting(carol, roleIds.owner, { requireMfa: true }));
  await call(ann, 'PUT', assignmentPath(group, guid(3)), granting(bob, roleIds.owner));
  assert.equal((await call(ann, 'DELETE', path)).status, 409);
  const ending = await call(ann, 'PUT', path, granting(ann, roleIds.owner, soon));
  assert.deepEqual([ending.status, ending.body.error?.code], [409, 'LastOwnerCannotBeRemoved']);
  assert.equal(access.evaluator.decide(actorOf(ann), write, subscription).allowed, true);
  assert.equal(
    (await call(ann, 'PUT', assignmentPath(subscription, guid(1)), granting(bob, roleIds.owner))).status,
    200,
  );
  assert.equal((await call(ann, 'DELETE', path)).status, 200);
  assert.equal((await call(bob, 'DELETE', assignmentPath(subscription, guid(1)))).status, 409);
});

test('two Owners who remove each other at the same time leave one', async (t) => {
  const { call } = await openAccess(t);
  await call(ann, 'PUT', assignmentPath(subscription, guid(1)), granting(bob, roleIds.owner));
  const own = values((await call(ann, 'GET', `${subscription}${list}?$filter=principalId eq '${ann}'`)).body)[0];
  const answers = await Promise.all([
    call(ann, 'DELETE', assignmentPath(subscription, guid(1))),
    call(bob, 'DELETE', assignmentPath(subscription, own?.name ?? '')),
  ]);
  assert.equal(answers.filter((answer) => answer.status === 200).length, 1);
});

test('the last lasting Owner is neither disabled nor removed, and only those count who can still sign in', async (t) => {
  const { access, call, people } = await openAccess(t);
  const system = houseGrant();
  const refused = { code: 'LastOwnerCannotBeRemoved' };
  const leaves = (who: string, how: 'disabled' | 'removed') =>
    access.retire(system, who, how, async () => {
      const known = people.get(who);
      if (how === 'removed') people.delete(who);
      else if (known) people.set(who, { ...known, isEnabled: false });
    });
  await assert.rejects(leaves(ann, 'disabled'), refused);
  await assert.rejects(leaves(ann, 'removed'), refused);
  assert.equal(people.get(ann)?.isEnabled, true);

  // The identity of a resource goes with it, and nobody signs in as somebody disabled: neither keeps a subscription open.
  const known = people.get(robot);
  if (known) people.set(robot, { ...known, isOfResource: true });
  for (const [at, who] of [robot, bob].entries())
    await call(ann, 'PUT', assignmentPath(subscription, guid(at)), granting(who, roleIds.owner));
  await leaves(bob, 'disabled');
  await assert.rejects(leaves(ann, 'removed'), refused);
  const [own] = values((await call(ann, 'GET', `${subscription}${list}?$filter=principalId eq '${ann}'`)).body);
  assert.equal((await call(ann, 'DELETE', assignmentPath(subscription, own?.name ?? ''))).status, 409);
  await leaves(robot, 'removed');

  await call(ann, 'PUT', assignmentPath(subscription, guid(2)), granting(carol, roleIds.owner));
  const both = await Promise.allSettled([leaves(ann, 'removed'), leaves(carol, 'removed')]);
  assert.deepEqual(
    both.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  );
});

test('with a principal its roles go, for good and also when it is granted one at the same moment', async (t) => {
  const { access, call, people, reopen } = await openAccess(t);
  const system = houseGrant();
  const removed = (who: string) => access.retire(system, who, 'removed', async () => void people.delete(who));
  await call(ann, 'PUT', assignmentPath(group, guid(1)), granting(bob, roleIds.reader));
  const [, late] = await Promise.all([
    removed(bob),
    call(ann, 'PUT', assignmentPath(group, guid(2)), granting(bob, roleIds.contributor)),
  ]);
  assert.deepEqual([late.status, late.body.error?.code], [400, 'PrincipalNotFound']);
  const of = (one: typeof access) => [...one.evaluator.assignments()].filter((each) => each.principalId === bob);
  assert.deepEqual(of(access), []);

  // One that cannot be removed keeps its roles.
  await call(ann, 'PUT', assignmentPath(group, guid(3)), granting(carol, roleIds.reader));
  const fails = access.retire(system, carol, 'removed', () => Promise.reject(new Error('no')));
  await assert.rejects(fails, /no/);
  const reads = (one: typeof access) => one.evaluator.decide(actorOf(carol), read, workspace).allowed;
  assert.equal(reads(access), true);
  const again = await reopen();
  assert.deepEqual([of(again), reads(again)], [[], true]);
});

test('an assignment with an end grants until then and not after', async (t) => {
  const { access, call, clock } = await openAccess(t);
  const body = granting(bob, roleIds.reader, { expiresOn: '2026-01-01T01:00:00+00:00' });
  assert.equal((await call(ann, 'PUT', assignmentPath(group, guid(1)), body)).status, 201);
  await clock.advance(3_599_999);
  assert.equal(access.evaluator.decide(actorOf(bob), read, workspace).allowed, true);
  await clock.advance(1);
  assert.deepEqual(access.evaluator.decide(actorOf(bob), read, workspace), { allowed: false, why: 'expired' });
});

test('an assignment with conditions needs the second factor and the address', async (t) => {
  const { access, call } = await openAccess(t);
  const more = { requireMfa: true, allowedAddresses: ['192.0.2.0/24', '2001:db8::/32'] };
  assert.equal(
    (await call(ann, 'PUT', assignmentPath(group, guid(1)), granting(bob, roleIds.reader, more))).status,
    201,
  );
  const decide = (mfa: boolean, address?: string) => {
    const actor = actorOf(bob, { authentication: { ...testActor.authentication, mfa } });
    return access.evaluator.decide(actor, read, workspace, address).allowed;
  };
  assert.equal(decide(true, '192.0.2.9'), true);
  assert.equal(decide(true, '::ffff:192.0.2.9'), true);
  assert.equal(decide(true, '2001:db8::1'), true);
  assert.equal(decide(false, '192.0.2.9'), false);
  assert.equal(decide(true, '192.0.3.9'), false);
  assert.equal(decide(true, undefined), false);
  assert.equal(decide(true, 'not an address'), false);
});

test('lists show what is at, above and below a scope, and filters narrow them', async (t) => {
  const { call } = await openAccess(t);
  const other = `${subscription}/resourceGroups/Other`;
  await call(ann, 'PUT', assignmentPath(group, guid(1)), granting(team, roleIds.reader));
  await call(ann, 'PUT', assignmentPath(workspace, guid(2)), granting(carol, roleIds.contributor));
  await call(ann, 'PUT', assignmentPath(other, guid(3)), granting(bob, roleIds.reader));
  const names = async (who: string, scope: string, filter = '') => {
    const answer = await call(
      who,
      'GET',
      `${scope}${list}?api-version=2022-04-01&$filter=${encodeURIComponent(filter)}`,
    );
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return values(answer.body).map((each) => (each.properties.principalId === ann ? 'own' : each.name.slice(-1)));
  };
  const sorted = async (...asked: Parameters<typeof names>) => (await names(...asked)).sort();
  assert.deepEqual(await sorted(ann, group), ['1', '2', 'own']);
  assert.deepEqual(await sorted(ann, group, 'atScope()'), ['1', 'own']);
  assert.deepEqual(await sorted(ann, subscription), ['1', '2', '3', 'own']);
  assert.deepEqual(await sorted(ann, subscription, `principalId eq '${carol}'`), ['2']);
  assert.deepEqual(await sorted(ann, subscription, `assignedTo('${carol.toUpperCase()}')`), ['1', '2']);
  assert.deepEqual(await sorted(ann, workspace, `atScope() and assignedTo('${carol}')`), ['1', '2']);
  assert.deepEqual(await sorted(ann, group, `atScope() AND principalId eq '${carol}'`), []);
  // At the root everybody sees what they may read, and no more.
  assert.deepEqual(await sorted(ann, ''), ['1', '2', '3', 'own']);
  assert.deepEqual(await sorted(bob, ''), ['3']);
  assert.deepEqual(await sorted(robot, ''), []);
  assert.equal((await call(robot, 'GET', `${group}${list}`)).status, 403);
  for (const bad of [
    "principalId eq 'x",
    'principalId ne 1',
    "atScope() or principalId eq 'x'",
    "atScope('x')",
    '()',
    "'",
  ]) {
    const answer = await call(ann, 'GET', `${group}${list}?$filter=${encodeURIComponent(bad)}`);
    assert.deepEqual([answer.status, answer.body.error?.code], [400, 'InvalidFilterInQueryString'], bad);
  }
});

test('a list longer than a page continues at its link, and every assignment is in it once', async (t) => {
  const { access, call, database } = await openAccess(t);
  const system = houseGrant();
  const wanted = { roleDefinitionId: roleIds.reader, principalId: bob, principalType: 'User' } as const;
  const one = await access.assign(system, { ...wanted, scope: workspace });
  await database.write(async (tx) => {
    for (let index = 1; index < 1_100; index++) {
      const scope = `${group}/providers/N/t/a${index}`;
      await store.insert(tx, { ...one, name: guid(10_000 + index), scope, scopeKey: idKey(scope) });
    }
  });
  await access.start();
  const first = await call(ann, 'GET', `${group}${list}?api-version=2022-04-01&$filter=principalId eq '${bob}'`);
  assert.equal(values(first.body).length, 1_000);
  const link = new URL(String(first.body.nextLink));
  const second = await call(ann, 'GET', link.pathname + link.search);
  assert.equal(second.body.nextLink, undefined);
  const names = [...values(first.body), ...values(second.body)].map((each) => each.name);
  assert.equal(new Set(names).size, 1_100);
  assert.equal(names.length, 1_100);
});

test('a subscription takes 4,000 assignments and no more', async (t) => {
  const { access, call, database } = await openAccess(t);
  const system = houseGrant();
  const wanted = { roleDefinitionId: roleIds.reader, principalId: bob, principalType: 'User' } as const;
  const one = await access.assign(system, { ...wanted, scope: workspace });
  // Straight to the rows: what is tested is the bound, and not how long 4,000 durable writes take.
  await database.write(async (tx) => {
    for (let index = 0; index < 3_997; index++) {
      const scope = `${group}/providers/N/t/a${index}`;
      await store.insert(tx, { ...one, name: guid(10_000 + index), scope, scopeKey: idKey(scope) });
    }
  });
  const last = await call(ann, 'PUT', assignmentPath(group, guid(1)), granting(carol, roleIds.reader));
  assert.equal(last.status, 201);
  const over = await call(ann, 'PUT', assignmentPath(group, guid(2)), granting(robot, roleIds.reader));
  assert.deepEqual([over.status, over.body.error?.code], [400, 'RoleAssignmentLimitExceeded']);
  const elsewhere = '/subscriptions/5f7c0000-0000-4000-8000-000000000002';
  await access.assign(system, { ...wanted, scope: elsewhere });
});

test('assignments and their ends survive a restart', async (t) => {
  const { access, call, reopen } = await openAccess(t);
  const more = { expiresOn: '2026-01-02T00:00:00Z', requireMfa: true };
  await call(ann, 'PUT', assignmentPath(workspace, guid(1)), granting(bob, roleIds.reader, more));
  const before = access.evaluator.decide(actorOf(bob), read, workspace);
  const again = await reopen();
  assert.deepEqual(again.evaluator.decide(actorOf(bob), read, workspace), before);
  assert.deepEqual(before, { allowed: false, why: 'conditionUnmet' });
  assert.equal(again.evaluator.decide(actorOf(ann), write, workspace).allowed, true);
});

test('assign is idempotent also when asked at the same time, and unassignAll takes what is below and nothing beside', async (t) => {
  const { access } = await openAccess(t);
  const system = houseGrant();
  const wanted = {
    scope: workspace,
    roleDefinitionId: roleIds.contributor,
    principalId: robot,
    principalType: 'ServicePrincipal',
  } as const;
  const [one, two] = await Promise.all([
    access.assign(system, wanted),
    access.assign(system, { ...wanted, scope: workspace.toUpperCase() }),
  ]);
  assert.equal(one.name, two.name);
  await access.assign(system, { ...wanted, scope: `${workspace}2` });
  await access.assign(system, { ...wanted, scope: `${workspace}/computes/cpu` });
  assert.equal(await access.unassignAll(system, workspace.toLowerCase()), 2);
  const decide = (scope: string) => access.evaluator.decide(actorOf(robot), write, scope).allowed;
  assert.deepEqual(
    [decide(workspace), decide(`${workspace}/computes/cpu`), decide(`${workspace}2`)],
    [false, false, true],
  );
  await access.unassignPrincipal(system, robot.toUpperCase());
  assert.equal(decide(`${workspace}2`), false);
  await assert.rejects(access.unassignAll(system, '/'), Failure);
});

test('assign by a caller without the right to grant is refused', async (t) => {
  const { access, call } = await openAccess(t);
  await call(ann, 'PUT', assignmentPath(group, guid(1)), granting(bob, roleIds.contributor));
  const grant = access.authorizer.needs(asking(actorOf(bob)), write, workspace);
  const wanted = {
    scope: workspace,
    roleDefinitionId: roleIds.owner,
    principalId: bob,
    principalType: 'User',
  } as const;
  await assert.rejects(access.assign(grant, wanted), { code: 'AuthorizationFailed' });
  await assert.rejects(access.unassignAll(grant, workspace), { code: 'AuthorizationFailed' });
  await assert.rejects(access.unassignPrincipal(grant, ann), { code: 'AuthorizationFailed' });
});

test('hostile scopes neither grant nor pass', async (t) => {
  const { access, call } = await openAccess(t);
  await call(ann, 'PUT', assignmentPath(workspace, guid(1)), granting(bob, roleIds.owner));
  for (const tail of [
    '/..%2fOther',
    '%2f..%2f..',
    '/x%5c..%5cOther/y',
    `/x/${'a/'.repeat(60)}b`,
    '/computes/%00',
    '/computes/a%25b',
    '/providers/x',
    '/providers',
  ]) {
    const answer = await call(bob, 'PUT', assignmentPath(`${workspace}${tail}`, guid(2)), granting(bob, roleIds.owner));
    assert.ok(
      answer.status === 400 || answer.status === 403,
      `${tail}: ${answer.status} ${JSON.stringify(answer.body)}`,
    );
  }
  const evaluate = (scope: string) => access.evaluator.decide(actorOf(bob), read, scope);
  for (const scope of [
    `${workspace}/../Other`,
    `${workspace}/./x`,
    `${workspace}/..`,
    `${workspace}\\..\\Other`,
    `${workspace}\0`,
    `${workspace}/${'a'.repeat(9_000)}`,
    workspace.slice(1),
    '',
  ])
    assert.deepEqual(evaluate(scope), { allowed: false, why: 'malformedScope' }, scope.slice(0, 100));
  for (const scope of [
    '/',
    subscription,
    group,
    `${workspace}x`,
    `${group}/providers/x/__proto__/constructor`,
    `/x${workspace}`,
  ])
    assert.equal(evaluate(scope).allowed, false, scope);
  assert.equal(evaluate(`${workspace}//computes//x/`).allowed, true);
});
