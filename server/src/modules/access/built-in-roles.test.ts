// The table of the article "Enterprise security for Azure Machine Learning": who may do what with Owner,
// Contributor and Reader, row by row, by the actions that Azure's documentation names for each. The golden matrix of all roles
// is in server/test.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { auditActions } from '@strongroom/contract/audit.actions';
import type { Action } from '#kernel/authority/grant';
import { idKey } from '#kernel/ids/ids';
import { builtInRoles, roleIds } from './built-in-roles.data.ts';
import { createEvaluator } from './evaluator.service.ts';
import { compileRole } from './role.rules.ts';
import { actorOf, bob, group, workspace } from './testing.ts';

type Row = {
  readonly operation: string;
  /** All of these are needed. */
  readonly actions: readonly string[];
  readonly scope: string;
  readonly roles: readonly ('Owner' | 'Contributor' | 'Reader')[];
};

const all = ['Owner', 'Contributor', 'Reader'] as const;
const writers = ['Owner', 'Contributor'] as const;
const ml = 'Microsoft.MachineLearningServices/workspaces';

const article: readonly Row[] = [
  {
    operation: 'create a workspace, with what it depends on',
    actions: [
      `${ml}/write`,
      'Microsoft.Storage/storageAccounts/write',
      'Microsoft.KeyVault/vaults/write',
      'Microsoft.ContainerRegistry/registries/write',
      'Microsoft.Insights/components/write',
    ],
    scope: group,
    roles: writers,
  },
  {
    operation: 'share a workspace',
    actions: ['Microsoft.Authorization/roleAssignments/write'],
    scope: workspace,
    roles: ['Owner'],
  },
  {
    operation: 'upgrade a workspace to the Enterprise edition',
    actions: [`${ml}/write`, `${ml}/upgradeEdition/action`],
    scope: workspace,
    roles: ['Owner'],
  },
  { operation: 'create a compute target', actions: [`${ml}/computes/write`], scope: workspace, roles: writers },
  { operation: 'attach a compute target', actions: [`${ml}/computes/write`], scope: workspace, roles: writers },
  { operation: 'attach a data store', actions: [`${ml}/datastores/write`], scope: workspace, roles: writers },
  {
    operation: 'run an experiment (v1)',
    actions: [
      `${ml}/experiments/read`,
      `${ml}/environments/write`,
      `${ml}/experiments/runs/write`,
      `${ml}/metadata/artifacts/write`,
      `${ml}/metadata/snapshots/write`,
      `${ml}/environments/build/action`,
      `${ml}/experiments/runs/submit/action`,
      `${ml}/environments/readSecrets/action`,
    ],
    scope: workspace,
    roles: writers,
  },
  {
    operation: 'run an experiment (v2)',
    actions: [`${ml}/jobs/write`, `${ml}/jobs/cancel/action`, `${ml}/metadata/codes/versions/write`],
    scope: workspace,
    roles: writers,
  },
  {
    operation: 'view runs and metrics',
    actions: [`${ml}/experiments/runs/read`, `${ml}/jobs/read`, `${ml}/metrics/read`],
    scope: workspace,
    roles: all,
  },
  {
    operation: 'register a model',
    actions: [`${ml}/models/write`, `${ml}/models/versions/write`],
    scope: workspace,
    roles: writers,
  },
  {
    operation: 'create an image',
    actions: [`${ml}/images/write`, `${ml}/environments/build/action`, `${ml}/models/package/action`],
    scope: workspace,
    roles: writers,
  },
  { operation: 'deploy a web service (AKS)', actions: [`${ml}/services/aks/write`], scope: workspace, roles: writers },
  { operation: 'deploy a web service (ACI)', actions: [`${ml}/services/aci/write`], scope: workspace, roles: writers },
  {
    operation: 'deploy a web service (v2)',
    actions: [`${ml}/onlineEndpoints/write`, `${ml}/onlineEndpoints/deployments/write`],
    scope: workspace,
    roles: writers,
  },
  {
    operation: 'view models and images',
    actions: [`${ml}/models/read`, `${ml}/models/versions/read`, `${ml}/images/read`],
    scope: workspace,
    roles: all,
  },
  // With a token, whose route asks for the read of the workspace; a key needs listkeys, which a Reader does not have.
  { operation: 'call a web service with a token', actions: [`${ml}/read`], scope: workspace, roles: all },
  {
    operation: 'call a web service with a key that it looks up',
    actions: [`${ml}/services/aks/score/action`, `${ml}/services/aks/listkeys/action`],
    scope: workspace,
    roles: writers,
  },
];

for (const { operation, actions, scope, roles } of article) {
  test(`the article's table: ${roles.join(', ')} may ${operation}, and no other of the three`, () => {
    for (const roleName of all) {
      const allowed = actions.every((name) => decides(roleName, { name, plane: 'control' }, scope));
      assert.equal(allowed, roles.includes(roleName), roleName);
    }
  });
}

/** Somebody with that one role on the resource group of the workspace. */
function decides(roleName: 'Owner' | 'Contributor' | 'Reader', action: Action, scope: string): boolean {
  const evaluator = createEvaluator({ nowMs: () => 0 });
  for (const definition of builtInRoles) evaluator.putRole(definition);
  evaluator.putAssignment({
    name: 'one',
    scope: group,
    scopeKey: idKey(group),
    roleId: { Owner: roleIds.owner, Contributor: roleIds.contributor, Reader: roleIds.reader }[roleName],
    principalId: bob,
    principalType: 'User',
    description: undefined,
    expiresAtMs: undefined,
    conditions: undefined,
    createdOn: '',
    updatedOn: '',
    createdBy: '',
    updatedBy: '',
  });
  return evaluator.decide(actorOf(bob), action, scope).allowed;
}

test('a Data Scientist works in a workspace and changes neither it nor its computes', () => {
  const definition = builtInRoles.find(({ roleName }) => roleName === 'AzureML Data Scientist');
  assert.ok(definition);
  const { allows } = compileRole(definition);
  const holds = (name: string) => allows({ name: `${ml}/${name}`, plane: 'control' });
  for (const name of [
    'read',
    'experiments/runs/submit/action',
    'models/versions/write',
    'computes/read',
    'computes/start/action',
  ])
    assert.ok(holds(name), name);
  for (const name of [
    'write',
    'delete',
    'computes/write',
    'computes/delete',
    'computes/listKeys/action',
    'listKeys/action',
    'upgradeEdition/action',
  ])
    assert.ok(!holds(name), name);
});

test('no wildcard, of no role, archives or drops the audit log; a role that names it does', () => {
  const { archiveSegment, dropSegment } = auditActions;
  const holds = (actions: readonly string[]) => {
    const [owner] = builtInRoles;
    assert.ok(owner);
    const permission = { actions, notActions: [], dataActions: [], notDataActions: [] };
    const { allows } = compileRole({ ...owner, permissions: [permission] });
    return [archiveSegment, dropSegment].map(allows);
  };
  for (const wildcard of ['*', '*/action', 'Strongroom.Audit/*', '*/drop/action', 'Strongroom.Audit/segments/drop/*'])
    assert.deepEqual(holds([wildcard]), [false, false], wildcard);
  assert.deepEqual(holds([dropSegment.name.toUpperCase()]), [false, true]);
  const names = builtInRoles
    .filter((definition) => [archiveSegment, dropSegment].some(compileRole(definition).allows))
    .map(({ roleName }) => roleName);
  assert.deepEqual(names, ['Strongroom Audit Archivist']);
});
