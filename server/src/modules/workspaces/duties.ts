// What a workspace does without being asked: it furnishes itself behind the request that creates it, and clears away what it made.

import { accessActions } from '@strongroom/contract/access.actions';
import type { Action } from '@strongroom/contract/action';
import { actionsOfType, resourcesActions } from '@strongroom/contract/resources.actions';
import { storageActions } from '@strongroom/contract/storage.actions';
import type { Duty } from '#kernel/authority/duty';
import { dependentTypes, workspaceType } from './dependents.rules.ts';

const groupType = 'Microsoft.Resources/resourceGroups';
const dependents = Object.values(dependentTypes).map(actionsOfType);
const reads = dependents.map(({ read }) => read);
const workspace = actionsOfType(workspaceType);

export const workspacesDuties = {
  find: {
    name: 'workspaces.find',
    why: 'A service of the workspace needs its record, for a caller whose decision reaches the workspace.',
    actions: [workspace.read],
    under: workspaceType,
    record: { level: 'none', reason: 'reads for the act that asks; what is shown of it that act decides and records' },
  },
  findAll: {
    name: 'workspaces.find-all',
    why: 'What workspaces keep in containers is out of the reach of those who may write beside it, and kept in memory.',
    actions: [workspace.read],
    under: '/',
    record: { level: 'none', reason: 'reads which workspaces there are, and shows them to nobody' },
  },
  measure: {
    name: 'workspaces.measure',
    why: 'The usage of a workspace counts what its account and its registry hold, for who may see it there.',
    actions: [actionsOfType(dependentTypes.storageAccount).read, actionsOfType(dependentTypes.containerRegistry).read],
    under: '/',
    record: { level: 'none', reason: 'reads for the request, which decides on what is shown' },
  },
  findHolders: {
    name: 'workspaces.find-holders',
    why: 'A vault, account or registry that a living workspace stands on is not removed under it.',
    actions: [workspace.read, resourcesActions.readGroup],
    under: '/',
    record: { level: 'none', reason: 'reads which workspaces there are, for the request that removes' },
  },
  furnish: {
    name: 'workspaces.furnish',
    why: 'A workspace makes its vault, account, registry, insights and datastores by the request that creates it.',
    actions: [
      workspace.write,
      ...dependents.map(({ write }) => write),
      ...reads,
      actionsOfType(`${workspaceType}/datastores`).write,
      storageActions.writeContainers,
    ],
    under: groupType,
    record: { level: 'part', of: 'the creation of the workspace' },
  },
  furnishGiven: {
    name: 'workspaces.furnish-given-account',
    why: 'In a storage account that its creator named, the workspace makes its containers.',
    actions: [storageActions.writeContainers],
    under: dependentTypes.storageAccount,
    record: {
      level: 'part',
      of: 'the creation of the workspace, whose caller was asked for the right to write the account',
    },
  },
  letIdentityAct: {
    name: 'workspaces.let-identity-act',
    why: 'The identity of a workspace gets its roles, and gets them back when somebody asks to resync the keys.',
    actions: [accessActions.writeRoleAssignments],
    under: '/',
    record: { level: 'activity' },
  },
  removeOwn: {
    name: 'workspaces.remove-own',
    why: 'What a workspace made for itself goes with it.',
    actions: [...dependents.map(({ remove }) => remove)] as [Action, ...Action[]],
    under: groupType,
    record: { level: 'activity' },
  },
  lookAtOwn: {
    name: 'workspaces.look-at-own',
    why: 'A removal that goes on after a stop looks for what is left of what the workspace made for itself.',
    actions: reads as [Action, ...Action[]],
    under: groupType,
    record: { level: 'none', reason: 'reads for the removal, which is recorded' },
  },
  protect: {
    name: 'workspaces.protect-own',
    why: "What a workspace made for itself is kept under the same version of its customer's key.",
    actions: [
      actionsOfType(dependentTypes.storageAccount).write,
      actionsOfType(dependentTypes.containerRegistry).write,
    ],
    under: groupType,
    record: { level: 'part', of: 'the request that created the workspace or named another version of the key' },
  },
  withdrawKeyRole: {
    name: 'workspaces.withdraw-key-role',
    why: 'An identity that may use one key alone keeps no role at a key that its workspace no longer uses.',
    actions: [accessActions.deleteRoleAssignments],
    under: '/',
    record: { level: 'activity' },
  },
  withdrawRoles: {
    name: 'workspaces.withdraw-roles',
    why: 'The identity of a removed workspace keeps no role anywhere.',
    actions: [accessActions.deleteRoleAssignments],
    under: '/',
    record: { level: 'part', of: 'the removal of the workspace' },
  },
} as const satisfies Record<string, Duty>;
