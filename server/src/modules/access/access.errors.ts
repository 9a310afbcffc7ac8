// The failures of access, with Azure's codes and words, because public clients and scripts match on them.
// Source: Azure RBAC, "troubleshoot"; Resource Manager error codes. Codes of our own are marked.

import type { Actor } from '#kernel/authority/actor';
import { defineFailures } from '#kernel/errors/failures';
import type { Misspelled } from './spelling.rules.ts';

const shown = (text: string) => text.slice(0, 2_048);

/** Of roles that are asked for by their id, and of those that an assignment names. */
export const roleFailures = defineFailures(
  'access',
  {
    definitionNotFound: {
      kind: 'notFound',
      code: 'RoleDefinitionDoesNotExist',
      meaning: 'A role is asked for that there is not, or not at this scope.',
      remedy: 'List the role definitions of the scope.',
      say: (roleId: string) => notThere(roleId),
    },
    definitionDoesNotExist: {
      kind: 'invalid',
      code: 'RoleDefinitionDoesNotExist',
      meaning: 'An assignment names a role that there is not, or not at this scope.',
      remedy: 'List the role definitions of the scope.',
      say: (roleId: string) => notThere(roleId),
    },
  },
  { fewWords: 'Azure has one word for a role that is not there: its status says whether it was asked for or named.' },
);

const notThere = (roleId: string) =>
  `The specified role definition with ID '${shown(roleId)}' does not exist at this scope. List the role definitions of the scope to see which do.`;

export const accessFailures = defineFailures('access', {
  AuthorizationFailed: {
    kind: 'forbidden',
    meaning: 'No role of the caller allows the action at the scope, or the scope does not exist.',
    remedy: 'Ask for a role that has the action there. If access was granted a moment ago, refresh the credentials.',
    say: (actor: Actor, action: string, scope: string) =>
      `The client '${actor.name}' with object id '${actor.objectId}' does not have authorization to perform action '${action}' over scope '${shown(scope)}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
  },
  LinkedAuthorizationFailed: {
    kind: 'forbidden',
    meaning: 'The caller may do this, but needs an action at other scopes that it reaches as well.',
    remedy: 'Ask somebody who has it there, or leave those scopes out.',
    say: (actor: Actor, action: string, scopes: readonly string[]) =>
      `The client '${actor.name}' with object id '${actor.objectId}' has permission to perform this operation, but needs action '${action}' on the linked scope(s) '${shown(scopes.join(', '))}' as well. Ask someone who has it there, or leave those scopes out.`,
  },
  InvalidRoleAssignmentId: {
    kind: 'invalid',
    meaning: 'The name of a role assignment is no GUID.',
    remedy: 'Give a new GUID.',
    say: (name: string) =>
      `The role assignment ID '${shown(name)}' is not valid. The role assignment ID must be a GUID.`,
  },
  InvalidRoleDefinitionId: {
    kind: 'invalid',
    meaning: 'The id of a role definition is neither a GUID nor an id that ends in one.',
    remedy: 'Give a GUID, or an id that ends in /providers/Microsoft.Authorization/roleDefinitions/{guid}.',
    say: (name: string) =>
      `The role definition ID '${shown(name)}' is not valid. Give a GUID, or an id that ends in /providers/Microsoft.Authorization/roleDefinitions/{guid}.`,
  },
  RoleAssignmentNotFound: {
    kind: 'notFound',
    meaning: 'There is no role assignment of this name at this scope.',
    remedy: 'List the role assignments of the scope.',
    say: (name: string) => `The role assignment '${name}' is not found at this scope.`,
  },
  PrincipalNotFound: {
    kind: 'invalid',
    meaning: 'The directory holds no principal of this object id.',
    remedy: 'Give the object id of the service principal, not that of the application.',
    say: (principalId: string, tenantId: string) =>
      `Principal ${principalId} does not exist in the directory ${tenantId}. Check the object id (of the service principal, not of the application). If it was created a moment ago, set principalType and try again.`,
  },
  UnmatchedPrincipalType: {
    kind: 'invalid',
    meaning: 'The principal is of another type than the assignment says.',
    remedy: 'Give its own type, or leave principalType out.',
    say: (principalId: string, actual: string, given: string) =>
      `The PrincipalId '${principalId}' has type '${actual}', which is different from the specified PrincipalType '${given}'.`,
  },
  RoleAssignmentExists: {
    kind: 'conflict',
    meaning: 'The principal has this role at this scope already, under another name.',
    remedy: 'Use the assignment whose name the message says.',
    say: (name: string) =>
      `The role assignment already exists. The ID of the existing role assignment is ${name.replaceAll('-', '')}.`,
  },
  RoleAssignmentUpdateNotPermitted: {
    kind: 'invalid',
    say: 'Tenant ID, application ID, principal ID, role and scope of a role assignment are not allowed to be updated. Delete it and create another, or choose another name (a new GUID).',
  },
  RoleAssignmentLimitExceeded: {
    kind: 'invalid',
    meaning: 'The subscription has as many role assignments as it may have.',
    remedy: 'Assign roles to groups, or remove assignments that are no longer needed.',
    say: (limit: number) =>
      `The subscription has the most role assignments that it may have (${limit}). Assign roles to groups, or remove assignments that are no longer needed.`,
  },
  /** Ours: Azure refuses too, under a code that it does not document. */
  LastOwnerCannotBeRemoved: {
    kind: 'conflict',
    meaning: 'The assignment is that of the last lasting Owner.',
    remedy: 'Make somebody else Owner first.',
    say: (subscription: string) =>
      `This is the last lasting Owner of ${subscription}, and without one nobody could grant access again. Make somebody else Owner first.`,
  },
  /** Ours: accepting a condition that is not evaluated would grant more than was asked. */
  RoleAssignmentConditionNotSupported: {
    kind: 'invalid',
    meaning: 'An assignment carries an attribute condition, which is not evaluated here.',
    remedy: 'Use requireMfa, allowedAddresses or expiresOn, or a narrower scope.',
    say: () => ({
      message:
        'Attribute conditions are not evaluated here, so an assignment with one is refused rather than granted without it. Use requireMfa, allowedAddresses or expiresOn, or a narrower scope.',
      target: 'properties.condition',
    }),
  },
  InvalidRequestContent: {
    kind: 'invalid',
    meaning: 'A property of an assignment or of a role has a value that it does not take.',
    remedy: 'Follow the message, which says what it takes.',
    say: (target: string, message: string) => ({ message, target }),
  },
  filterTooLong: {
    kind: 'invalid',
    code: 'InvalidFilterInQueryString',
    meaning: 'A $filter is longer than any that is served.',
    remedy: 'Send a shorter one.',
    say: (charactersMax: number) => ({
      message: `The $filter is longer than ${charactersMax} characters.`,
      target: '$filter',
    }),
  },
  filterNotServed: {
    kind: 'invalid',
    code: 'InvalidFilterInQueryString',
    meaning: 'A $filter is not one of those that are served.',
    remedy: 'Follow the message, which lists them.',
    say: (filter: string) => ({
      message: `The $filter '${filter.slice(0, 200)}' is not one that this operation takes. Role assignments: atScope(), principalId eq '{id}', assignedTo('{id}'). Role definitions: roleName eq '{name}', type eq 'CustomRole', atScopeAndBelow(). Join them with 'and'.`,
      target: '$filter',
    }),
  },
  InvalidActionOrNotAction: {
    kind: 'invalid',
    meaning: 'A custom role names an action that nothing serves, or one of the other plane.',
    remedy: 'GET /providers/Microsoft.Authorization/providerOperations lists those that are served.',
    /** `side`: the list of a permission that names it. */
    say: (side: string, pattern: string, { meant, otherPlane }: Misspelled) => ({
      message: `'${shown(pattern)}' does not match any of the actions supported by the providers. ${adviceOf(side, meant, otherPlane)} GET /providers/Microsoft.Authorization/providerOperations lists those that are served here.`,
      target: `properties.permissions.${side}`,
    }),
  },
  RoleDefinitionUpdateNotPermitted: {
    kind: 'invalid',
    meaning: 'The role is built in.',
    remedy: 'Create a custom role under a new GUID.',
    say: (roleName: string) =>
      `'${roleName}' is a built-in role and cannot be changed or deleted. Create a custom role under a new GUID.`,
  },
  RoleDefinitionWithSameNameExists: {
    kind: 'conflict',
    meaning: 'There is a role of this name.',
    remedy: 'Choose another name.',
    say: (roleName: string) =>
      `A role definition named '${roleName}' exists already. Names of roles are unique; choose another.`,
  },
  RoleDefinitionHasAssignments: {
    kind: 'invalid',
    meaning: 'A role that is to be deleted is assigned.',
    remedy: 'Remove its assignments first; the message says where they are.',
    say: (roleName: string, scopes: readonly string[]) =>
      `There are existing role assignments referencing role '${roleName}', at ${scopes.slice(0, 5).join(', ')}. Remove them first.`,
  },
  assignedOutside: {
    kind: 'invalid',
    code: 'RoleDefinitionHasAssignments',
    meaning: 'A role is assigned at a scope that its new assignableScopes leave out.',
    remedy: 'Remove that assignment first.',
    say: (outside: string) =>
      `The role is assigned at '${outside}', which the new assignableScopes leave out. Remove that assignment first.`,
  },
  RoleDefinitionLimitExceeded: {
    kind: 'invalid',
    meaning: 'There are as many custom roles as there may be.',
    remedy: 'Delete some that are no longer assigned.',
    say: (limit: number) =>
      `There are ${limit} custom roles, which is the most there may be. Delete some that are no longer assigned.`,
  },
  ProviderNotFound: {
    kind: 'notFound',
    meaning: 'The operations of a provider are asked for that there is not.',
    remedy: 'List the providers.',
    say: (name: string) => `There is no provider '${name}' here. List the providers to see which there are.`,
  },
});

function adviceOf(side: string, meant: readonly string[], otherPlane: boolean): string {
  if (otherPlane) {
    const isData = /data/i.test(side);
    const right = {
      actions: 'dataActions',
      notActions: 'notDataActions',
      dataActions: 'actions',
      notDataActions: 'notActions',
    };
    return `It is an action of the ${isData ? 'control' : 'data'} plane: name it in ${right[side as keyof typeof right]}.`;
  }
  if (meant.length === 0) return 'Leave it out, or name another:';
  return `Write ${meant.map((name) => `'${shown(name)}'`).join(' or ')} if that is what you mean, or name another:`;
}
