// The failures of access, with Azure's codes and words, because public clients and scripts match on them.
// Source: Azure RBAC, "troubleshoot"; Resource Manager error codes. Codes of our own are marked.

import type { Actor } from '#kernel/authority/actor';
import { Failure } from '#kernel/errors/failure';
import type { Misspelled } from './spelling.ts';

const shown = (text: string) => text.slice(0, 2_048);

export const authorizationFailed = (actor: Actor, action: string, scope: string) =>
  new Failure({
    kind: 'forbidden',
    code: 'AuthorizationFailed',
    message: `The client '${actor.name}' with object id '${actor.objectId}' does not have authorization to perform action '${action}' over scope '${shown(scope)}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
  });

export const linkedAuthorizationFailed = (actor: Actor, action: string, scopes: readonly string[]) =>
  new Failure({
    kind: 'forbidden',
    code: 'LinkedAuthorizationFailed',
    message: `The client '${actor.name}' with object id '${actor.objectId}' has permission to perform this operation, but needs action '${action}' on the linked scope(s) '${shown(scopes.join(', '))}' as well. Ask someone who has it there, or leave those scopes out.`,
  });

const invalid = (code: string, message: string, target?: string) =>
  new Failure({ kind: 'invalid', code, message, ...(target === undefined ? {} : { target }) });

export const invalidAssignmentId = (name: string) =>
  invalid(
    'InvalidRoleAssignmentId',
    `The role assignment ID '${shown(name)}' is not valid. The role assignment ID must be a GUID.`,
  );

export const invalidDefinitionId = (name: string) =>
  invalid(
    'InvalidRoleDefinitionId',
    `The role definition ID '${shown(name)}' is not valid. Give a GUID, or an id that ends in /providers/Microsoft.Authorization/roleDefinitions/{guid}.`,
  );

export const assignmentNotFound = (name: string) =>
  new Failure({
    kind: 'notFound',
    code: 'RoleAssignmentNotFound',
    message: `The role assignment '${name}' is not found at this scope.`,
  });

const definitionMissing = (kind: 'invalid' | 'notFound') => (roleId: string) =>
  new Failure({
    kind,
    code: 'RoleDefinitionDoesNotExist',
    message: `The specified role definition with ID '${shown(roleId)}' does not exist at this scope. List the role definitions of the scope to see which do.`,
  });
export const definitionNotFound = definitionMissing('notFound');
export const definitionDoesNotExist = definitionMissing('invalid');

export const principalNotFound = (principalId: string, tenantId: string) =>
  invalid(
    'PrincipalNotFound',
    `Principal ${principalId} does not exist in the directory ${tenantId}. Check the object id (of the service principal, not of the application). If it was created a moment ago, set principalType and try again.`,
  );

export const unmatchedPrincipalType = (principalId: string, actual: string, given: string) =>
  invalid(
    'UnmatchedPrincipalType',
    `The PrincipalId '${principalId}' has type '${actual}', which is different from the specified PrincipalType '${given}'.`,
  );

export const assignmentExists = (name: string) =>
  new Failure({
    kind: 'conflict',
    code: 'RoleAssignmentExists',
    message: `The role assignment already exists. The ID of the existing role assignment is ${name.replaceAll('-', '')}.`,
  });

export const updateNotPermitted = () =>
  invalid(
    'RoleAssignmentUpdateNotPermitted',
    'Tenant ID, application ID, principal ID, role and scope of a role assignment are not allowed to be updated. Delete it and create another, or choose another name (a new GUID).',
  );

export const assignmentLimitExceeded = (limit: number) =>
  invalid(
    'RoleAssignmentLimitExceeded',
    `The subscription has the most role assignments that it may have (${limit}). Assign roles to groups, or remove assignments that are no longer needed.`,
  );

/** Ours: Azure refuses too, under a code that it does not document. */
export const lastOwner = (subscription: string) =>
  new Failure({
    kind: 'conflict',
    code: 'LastOwnerCannotBeRemoved',
    message: `This is the last lasting Owner of ${subscription}, and without one nobody could grant access again. Make somebody else Owner first.`,
  });

/** Ours: accepting a condition that is not evaluated would grant more than was asked. */
export const conditionNotServed = () =>
  invalid(
    'RoleAssignmentConditionNotSupported',
    'Attribute conditions are not evaluated here, so an assignment with one is refused rather than granted without it. Use requireMfa, allowedAddresses or expiresOn, or a narrower scope.',
    'properties.condition',
  );

export const invalidProperty = (target: string, message: string) => invalid('InvalidRequestContent', message, target);

export const invalidFilter = (message: string) => invalid('InvalidFilterInQueryString', message, '$filter');

/** `side`: the list of a permission that names it. */
export const invalidAction = (side: string, pattern: string, { meant, otherPlane }: Misspelled) =>
  invalid(
    'InvalidActionOrNotAction',
    `'${shown(pattern)}' does not match any of the actions supported by the providers. ${adviceOf(side, meant, otherPlane)} GET /providers/Microsoft.Authorization/providerOperations lists those that are served here.`,
    `properties.permissions.${side}`,
  );

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

export const builtInRoleFixed = (roleName: string) =>
  invalid(
    'RoleDefinitionUpdateNotPermitted',
    `'${roleName}' is a built-in role and cannot be changed or deleted. Create a custom role under a new GUID.`,
  );

export const roleNameTaken = (roleName: string) =>
  new Failure({
    kind: 'conflict',
    code: 'RoleDefinitionWithSameNameExists',
    message: `A role definition named '${roleName}' exists already. Names of roles are unique; choose another.`,
  });

export const definitionHasAssignments = (message: string) => invalid('RoleDefinitionHasAssignments', message);

export const definitionLimitExceeded = (limit: number) =>
  invalid(
    'RoleDefinitionLimitExceeded',
    `There are ${limit} custom roles, which is the most there may be. Delete some that are no longer assigned.`,
  );
