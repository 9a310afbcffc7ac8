// Role definitions, permissions, the catalogue and explanations, through the real door.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtInRoles, checkCatalogue, roleIds } from './index.ts';
import {
  actorOf,
  ann,
  assignmentPath,
  bob,
  carol,
  catalogue,
  definitionPath,
  group,
  guid,
  nobody,
  openAccess,
  robot,
  subscription,
  team,
  workspace,
} from './testing.ts';

const ml = 'Microsoft.MachineLearningServices/workspaces';
const custom = (
  roleName: string,
  actions: readonly string[],
  scopes: readonly string[] = [subscription],
  more: object = {},
) => ({
  properties: {
    roleName,
    description: 'made by a test',
    type: 'CustomRole',
    permissions: [{ actions, ...more }],
    assignableScopes: scopes,
  },
});
const granting = (principalId: string, roleDefinitionId: string) => ({ properties: { roleDefinitionId, principalId } });
const list = (scope: string, filter = '') =>
  `${scope}/providers/Microsoft.Authorization/roleDefinitions?api-version=2022-04-01${filter && `&$filter=${encodeURIComponent(filter)}`}`;
const names = (body: Record<string, unknown>) =>
  (body.value as { properties: { roleName: string } }[]).map((each) => each.properties.roleName);

test('everybody finds the built-in roles, by name, under the ids of the scope that was asked', async (t) => {
  const { call } = await openAccess(t);
  const owner = await call(robot, 'GET', list(workspace, "roleName eq 'owner'"));
  assert.deepEqual(owner.body, {
    value: [
      {
        id: `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${roleIds.owner}`,
        name: roleIds.owner,
        type: 'Microsoft.Authorization/roleDefinitions',
        properties: {
          roleName: 'Owner',
          description: 'Full control of every resource, and may grant access to others.',
          type: 'BuiltInRole',
          permissions: [{ actions: ['*'], notActions: [], dataActions: [], notDataActions: [] }],
          assignableScopes: ['/'],
          createdOn: '2015-02-02T21:55:09.8806423Z',
          updatedOn: '2015-02-02T21:55:09.8806423Z',
          createdBy: null,
          updatedBy: null,
        },
      },
    ],
  });
  assert.equal(names((await call(robot, 'GET', list(''))).body).length, builtInRoles.length);
  const one = await call(robot, 'GET', definitionPath('/', roleIds.reader.toUpperCase()));
  assert.equal(one.body.id, `/providers/Microsoft.Authorization/roleDefinitions/${roleIds.reader}`);
  const none = await call(ann, 'GET', definitionPath(subscription, guid(5)));
  assert.deepEqual([none.status, none.body.error?.code], [404, 'RoleDefinitionDoesNotExist']);
  const bad = await call(ann, 'GET', list(group, "roleName ne 'x'"));
  assert.deepEqual([bad.status, bad.body.error?.code], [400, 'InvalidFilterInQueryString']);
});

test('ids and names of built-in roles are unique, and every pattern is one that a role may carry', () => {
  for (const key of ['id', 'roleName'] as const)
    assert.equal(new Set(builtInRoles.map((role) => role[key].toLowerCase())).size, builtInRoles.length);
  assert.deepEqual(new Set(builtInRoles.map((role) => role.id)), new Set(Object.values(roleIds)));
});

test('a custom role is made with 201, changed with 201, and counts at once', async (t) => {
  const { access, call } = await openAccess(t);
  const path = definitionPath(subscription, guid(1));
  const made = await call(ann, 'PUT', path, custom('Runner', [`${ml}/*/read`]));
  assert.equal(made.status, 201);
  assert.equal((await call(ann, 'PUT', assignmentPath(workspace, guid(2)), granting(bob, guid(1)))).status, 201);
  const start = { name: `${ml}/computes/start/action`, plane: 'control' } as const;
  assert.equal(access.evaluator.decide(actorOf(bob), start, workspace).allowed, false);
  assert.equal((await call(ann, 'PUT', path, custom('Runner', [`${ml}/computes/*/action`]))).status, 201);
  assert.equal(access.evaluator.decide(actorOf(bob), start, workspace).allowed, true);
  const held = await call(ann, 'DELETE', path);
  assert.deepEqual([held.status, held.body.error?.code], [400, 'RoleDefinitionHasAssignments']);
  await call(ann, 'DELETE', assignmentPath(workspace, guid(2)));
  assert.equal((await call(ann, 'DELETE', path)).status, 200);
  assert.equal((await call(ann, 'DELETE', path)).status, 204);
});

test('custom roles survive a restart', async (t) => {
  const { call, reopen } = await openAccess(t);
  await call(ann, 'PUT', definitionPath(subscription, guid(1)), custom('Runner', [`${ml}/read`]));
  await call(ann, 'PUT', assignmentPath(workspace, guid(2)), granting(bob, guid(1)));
  const again = await reopen();
  const read = { name: `${ml}/read`, plane: 'control' } as const;
  assert.equal(again.evaluator.decide(actorOf(bob), read, workspace).allowed, true);
});

test('what a custom role may be is checked', async (t) => {
  const { call } = await openAccess(t);
  await call(ann, 'PUT', definitionPath(subscription, guid(9)), custom('Taken', ['*/read']));
  for (const [name, body, status, code] of [
    [guid(1), custom('owner', ['*/read']), 409, 'RoleDefinitionWithSameNameExists'],
    [guid(1), custom('TAKEN', ['*/read']), 409, 'RoleDefinitionWithSameNameExists'],
    [guid(1), custom('x', ['(a+)+$']), 400, 'InvalidRequestContent'],
    [guid(1), custom('x', ['Microsoft.\u212aeyVault/*']), 400, 'InvalidRequestContent'],
    [guid(1), custom('x', ['*'], ['/']), 400, 'InvalidRequestContent'],
    [guid(1), custom('x', ['*'], []), 400, 'InvalidRequestContent'],
    [
      guid(1),
      custom('x', ['*'], ['/providers/Microsoft.Management/managementGroups/all']),
      400,
      'InvalidRequestContent',
    ],
    [guid(1), custom('x', ['*'], [`${group}/../other`]), 400, 'InvalidResourceId'],
    [guid(1), custom('', ['*']), 400, 'InvalidRequestContent'],
    [guid(1), { properties: { ...custom('x', ['*']).properties, type: 'BuiltInRole' } }, 400, 'InvalidRequestContent'],
    [guid(1), custom('x', ['*'], [subscription], { condition: 'true' }), 400, 'InvalidRequestContent'],
    ['constructor', custom('x', ['*']), 400, 'InvalidRoleDefinitionId'],
    [roleIds.reader, custom('x', ['*']), 400, 'RoleDefinitionUpdateNotPermitted'],
  ] as const) {
    const answer = await call(ann, 'PUT', definitionPath(subscription, name), body);
    assert.deepEqual([answer.status, answer.body.error?.code], [status, code], JSON.stringify(body));
  }
  const fixed = await call(ann, 'DELETE', definitionPath(subscription, roleIds.owner));
  assert.deepEqual([fixed.status, fixed.body.error?.code], [400, 'RoleDefinitionUpdateNotPermitted']);
});

test('a role of more patterns than it may have is refused before one of them is looked at', async (t) => {
  const { call } = await openAccess(t);
  const path = definitionPath(subscription, guid(1));
  const actions = Array.from({ length: 700 }, (_, at) => `Microsoft.Nope/x${at}/read`);
  const lists = { notActions: actions, dataActions: actions };
  const answer = await call(ann, 'PUT', path, custom('x', actions, [subscription], lists));
  assert.deepEqual([answer.status, answer.body.error?.code], [400, 'InvalidRequestContent']);
  assert.match(answer.body.error?.message ?? '', /at most 2000/);
});

test('an action that nothing has is refused with the name that was meant; what Azure has and we do not is taken', async (t) => {
  const { call } = await openAccess(t);
  const path = definitionPath(subscription, guid(1));
  const secret = 'Microsoft.KeyVault/vaults/secrets/getSecret/action';
  for (const [side, pattern, meant] of [
    ['actions', 'Microsoft.Nope/x/read', undefined],
    ['actions', 'Microsoft.Nope/*', undefined],
    ['actions', 'nope', undefined],
    ['actions', 'Microsoft.MachineLearningService/workspaces/read', `${ml}/read`],
    ['actions', 'Mircosoft.MachineLearningServices/*', 'Microsoft.MachineLearningServices/*'],
    ['actions', 'Microsoft.MachineLearningServices/workspace/read', `${ml}/read`],
    ['actions', 'Microsoft.MachineLearningServices/workspace/*/read', `${ml}/*/read`],
    ['actions', `${ml}/raed`, `${ml}/read`],
    ['notActions', `${ml}/listKey/action`, `${ml}/listKeys/action`],
    ['dataActions', 'Microsoft.KeyVault/vaults/secret/getSecret/action', secret],
    ['notDataActions', 'Microsoft.KeyVault/vault/*', 'Microsoft.KeyVault/vaults/*'],
    // Two letters off and more, and names that nothing has.
    ['actions', `${ml}/modls/rad`, `${ml}/models/read`],
    ['actions', `${ml}/envirnmnts/*`, `${ml}/environments/*`],
    ['notActions', `${ml}/conputs/write`, `${ml}/computes/write`],
    ['actions', `${ml}/whatever/read`, undefined],
    ['actions', `${ml}/*/raed`, undefined],
    ['actions', '*/raed', undefined],
    ['actions', 'Microsoft.Storage/storageAccounts/blobs/read', undefined],
    ['dataActions', 'Microsoft.KeyVault/vaults/secrets/getSecrt/actoin', secret],
  ] as const) {
    const more = side === 'actions' ? {} : { [side]: [pattern] };
    const answer = await call(ann, 'PUT', path, custom('x', side === 'actions' ? [pattern] : [], [subscription], more));
    assert.deepEqual([answer.status, answer.body.error?.code], [400, 'InvalidActionOrNotAction'], pattern);
    assert.ok(answer.body.error?.message.includes(pattern));
    if (meant !== undefined) assert.ok(answer.body.error?.message.includes(`Write '${meant}'`), pattern);
  }
  for (const [side, right] of [
    ['actions', 'dataActions'],
    ['notActions', 'notDataActions'],
  ] as const) {
    const body = custom(
      'x',
      side === 'actions' ? [secret] : ['*'],
      [subscription],
      side === 'actions' ? {} : { [side]: [secret] },
    );
    const answer = await call(ann, 'PUT', path, body);
    assert.equal(answer.body.error?.code, 'InvalidActionOrNotAction', side);
    assert.ok(answer.body.error?.message.includes(`data plane: name it in ${right}.`), answer.body.error?.message);
  }
  assert.equal((await call(bob, 'PUT', path, custom('x', ['Microsoft.Nope/x/read']))).status, 403);
  const taken = custom(
    'x',
    [
      '*',
      '*/read',
      `${ml.toUpperCase()}/READ`,
      `${ml}/modules/read`,
      `${ml}/labeling/projects/*`,
      `${ml}/services/aks/score/action`,
      `${ml}/datasets/registered/profile/read`,
      `${ml}/endpoints/pipelines/*`,
      `${ml}/metadata/codes/*/write`,
      `${ml}/connections/listsecrets/action`,
      'Microsoft.ContainerRegistry/registries/webhooks/read',
      'Microsoft.Insights/metrics/read',
      'Microsoft.Compute/virtualMachines/start/action',
      'microsoft.insights/alertRules/*',
      'Microsoft.Resources/deployments/*',
    ],
    [subscription],
    { notActions: ['Microsoft.Authorization/*/Delete'], dataActions: [secret, 'Microsoft.KeyVault/vaults/*'] },
  );
  assert.equal((await call(ann, 'PUT', path, taken)).status, 201);
});

test('a custom role reaches as far as its assignable scopes, and those need the right to write it', async (t) => {
  const { call } = await openAccess(t);
  await call(ann, 'PUT', assignmentPath(group, guid(1)), granting(bob, roleIds.owner));
  const wide = await call(
    bob,
    'PUT',
    definitionPath(group, guid(2)),
    custom('Wide', ['*/read'], [group, subscription]),
  );
  assert.deepEqual([wide.status, wide.body.error?.code], [403, 'LinkedAuthorizationFailed']);
  assert.equal(
    (await call(bob, 'PUT', definitionPath(group, guid(2)), custom('Narrow', ['*/read'], [group]))).status,
    201,
  );
  const above = await call(ann, 'PUT', assignmentPath(subscription, guid(3)), granting(carol, guid(2)));
  assert.deepEqual([above.status, above.body.error?.code], [400, 'RoleDefinitionDoesNotExist']);
  assert.equal((await call(ann, 'PUT', assignmentPath(workspace, guid(3)), granting(carol, guid(2)))).status, 201);
  const shrunk = custom('Narrow', ['*/read'], [`${group}2`]);
  const left = await call(ann, 'PUT', definitionPath(subscription, guid(2)), shrunk);
  assert.deepEqual([left.status, left.body.error?.code], [400, 'RoleDefinitionHasAssignments']);
  // Listed where it can be assigned, and above only when asked, to those who may read there.
  const shown = async (who: string, scope: string, filter = "type eq 'CustomRole'") =>
    names((await call(who, 'GET', list(scope, filter))).body);
  assert.deepEqual(await shown(ann, workspace), ['Narrow']);
  assert.deepEqual(await shown(ann, subscription), []);
  assert.deepEqual(await shown(ann, subscription, "atScopeAndBelow() and type eq 'CustomRole'"), ['Narrow']);
  assert.deepEqual(await shown(ann, ''), ['Narrow']);
  assert.deepEqual(await shown(robot, workspace), []);
  assert.deepEqual(await shown(robot, ''), []);
});

test('writing roles is no way around granting: changing an assigned role needs the right to grant', async (t) => {
  const { access, call } = await openAccess(t);
  const author = custom('Role author', ['Microsoft.Authorization/roleDefinitions/*', '*/read']);
  assert.equal((await call(ann, 'PUT', definitionPath(subscription, guid(1)), author)).status, 201);
  assert.equal((await call(ann, 'PUT', assignmentPath(subscription, guid(2)), granting(bob, guid(1)))).status, 201);
  const widened = await call(bob, 'PUT', definitionPath(subscription, guid(1)), custom('Role author', ['*']));
  assert.deepEqual([widened.status, widened.body.error?.code], [403, 'LinkedAuthorizationFailed']);
  assert.equal((await call(bob, 'PUT', definitionPath(subscription, guid(3)), custom('New', ['*']))).status, 201);
  assert.equal((await call(bob, 'PUT', assignmentPath(subscription, guid(4)), granting(bob, guid(3)))).status, 403);
  const write = { name: `${ml}/write`, plane: 'control' } as const;
  assert.equal(access.evaluator.decide(actorOf(bob), write, workspace).allowed, false);
});

test('permissions are the blocks of the roles that the caller holds there', async (t) => {
  const { call } = await openAccess(t);
  await call(ann, 'PUT', assignmentPath(group, guid(1)), granting(team, roleIds.reader));
  const asked = async (who: string, scope: string) =>
    (await call(who, 'GET', `${scope}/providers/Microsoft.Authorization/permissions`)).body.value;
  assert.deepEqual(await asked(carol, workspace), [
    { actions: ['*/read'], notActions: [], dataActions: [], notDataActions: [] },
  ]);
  assert.deepEqual(await asked(carol, subscription), []);
  assert.deepEqual(await asked(bob, workspace), []);
});

test('an explanation names the assignment that allows, or says why none does', async (t) => {
  const { access, call } = await openAccess(t);
  await call(ann, 'PUT', assignmentPath(group, guid(1)), granting(team, roleIds.reader));
  await call(ann, 'PUT', assignmentPath(workspace, guid(2)), granting(carol, roleIds.keyVaultSecretsUser));
  const explain = async (principalId: string, action: string, more = '') =>
    await call(
      ann,
      'GET',
      `${workspace}/providers/Strongroom.Access/explanations?principalId=${principalId}&action=${action}${more}`,
    );
  const yes = await explain(carol, `${ml}/read`);
  assert.deepEqual(yes.body, {
    principalId: carol,
    action: `${ml}/read`,
    plane: 'control',
    scope: workspace,
    allowed: true,
    explanation: `carol@strongroom.local may do '${ml}/read' at '${workspace}': Reader at ${group}.`,
    considered: [
      {
        roleAssignmentId: `${workspace}/providers/Microsoft.Authorization/roleAssignments/${guid(2)}`,
        roleName: 'Key Vault Secrets User',
        scope: workspace,
        assignedTo: carol,
        effect: 'does not hold this action',
      },
      {
        roleAssignmentId: `${group}/providers/Microsoft.Authorization/roleAssignments/${guid(1)}`,
        roleName: 'Reader',
        scope: group,
        assignedTo: team,
        effect: 'covers it',
      },
    ],
  });
  const no = await explain(carol, `${ml}/write`);
  assert.equal(no.body.allowed, false);
  assert.match(String(no.body.explanation), /none of the roles assigned at this scope or above it holds this action/);
  assert.match(String((await explain(bob, `${ml}/read`)).body.explanation), /no role is assigned to it/);
  const secret = 'microsoft.keyvault/vaults/secrets/getsecret/action';
  assert.equal((await explain(carol, secret)).body.allowed, true);
  assert.equal((await explain(carol, secret, '&plane=control')).body.allowed, false);
  assert.equal((await explain(nobody, `${ml}/read`)).body.error?.code, 'PrincipalNotFound');
  const refused = await call(
    bob,
    'GET',
    `${workspace}/providers/Strongroom.Access/explanations?principalId=${bob}&action=x`,
  );
  assert.equal(refused.status, 403);
  const run = actorOf(ann, { kind: 'run' });
  const bounded = await access.explain({ who: { actor: run }, action: `${ml}/read`, scope: workspace });
  assert.deepEqual([bounded.allowed, bounded.considered], [false, []]);
});

test('an explanation says of somebody disabled that the roles do nothing', async (t) => {
  const { access, people } = await openAccess(t);
  const asked = { who: { principalId: ann }, action: 'Microsoft.KeyVault/register/action', scope: subscription };
  assert.equal((await access.explain(asked)).allowed, true);
  const known = people.get(ann);
  if (known) people.set(ann, { ...known, isEnabled: false });
  const { allowed, explanation, considered } = await access.explain(asked);
  assert.equal(allowed, false);
  assert.match(explanation, /disabled in the directory/);
  assert.equal(considered.length, 1);
});

test('the catalogue is published by provider and type', async (t) => {
  const { call } = await openAccess(t);
  const all = await call(robot, 'GET', '/providers/Microsoft.Authorization/providerOperations?api-version=2022-04-01');
  const value = all.body.value as { name: string }[];
  assert.deepEqual(
    value.map((each) => each.name),
    ['Microsoft.MachineLearningServices', 'Microsoft.KeyVault'],
  );
  const vault = await call(robot, 'GET', '/providers/Microsoft.Authorization/providerOperations/microsoft.keyvault');
  const { resourceTypes, operations } = vault.body as {
    resourceTypes: { name: string; operations: { name: string; isDataAction: boolean }[] }[];
    operations: { name: string }[];
  };
  assert.deepEqual(
    resourceTypes.map((each) => each.name),
    ['vaults/secrets'],
  );
  assert.equal(resourceTypes[0]?.operations[0]?.isDataAction, true);
  assert.deepEqual(
    operations.map((each) => each.name),
    ['Microsoft.KeyVault/register/action'],
  );
  const none = await call(robot, 'GET', '/providers/Microsoft.Authorization/providerOperations/constructor');
  assert.equal(none.status, 404);
});

test('the check of the catalogue names unknown, unused and ambiguous actions', () => {
  assert.deepEqual(checkCatalogue(catalogue, catalogue), []);
  const used = { name: 'A/b/read', plane: 'control' } as const;
  assert.deepEqual(checkCatalogue([used], []), ['A/b/read is used and not declared']);
  assert.deepEqual(checkCatalogue([], [used]), ['A/b/read is declared and not used']);
  assert.deepEqual(checkCatalogue([used], [{ ...used, plane: 'data' }]), [
    'A/b/read is used on the control plane and declared on the data plane',
  ]);
  assert.deepEqual(checkCatalogue([used], [used, { ...used, name: 'a/B/read' }]), [
    'a/B/read (control) is also declared as A/b/read (control)',
  ]);
});
