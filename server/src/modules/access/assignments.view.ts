// Role assignments between the wire and the domain. Answers have every property that Azure's have; ours come on top and
// only where they are set, so that an unmodified client sees what it knows.

import type { RoleAssignment, RoleAssignmentRequest } from '@strongroom/contract/access';
import { accessFailures } from './access.errors.ts';
import type { Assignment } from './assignment.types.ts';
import type { AssignmentDraft } from './assignments.service.ts';
import { type Conditions, isAddressRange } from './conditions.rules.ts';
import { assignmentId, definitionId, subscriptionOf } from './scope.rules.ts';

/** `around`: the scope of the request; ids of definitions are answered in its subscription, as in the list of definitions. */
export function assignmentView(assignment: Assignment, around: string): RoleAssignment {
  const { conditions } = assignment;
  return {
    id: assignmentId(assignment.scope, assignment.name),
    name: assignment.name,
    type: 'Microsoft.Authorization/roleAssignments',
    properties: {
      roleDefinitionId: definitionId(subscriptionOf(around) === '' ? assignment.scope : around, assignment.roleId),
      principalId: assignment.principalId,
      principalType: assignment.principalType,
      scope: assignment.scope,
      description: assignment.description ?? null,
      condition: null,
      conditionVersion: null,
      createdOn: assignment.createdOn,
      updatedOn: assignment.updatedOn,
      createdBy: assignment.createdBy,
      updatedBy: assignment.updatedBy,
      delegatedManagedIdentityResourceId: null,
      ...(assignment.expiresAtMs === undefined ? {} : { expiresOn: new Date(assignment.expiresAtMs).toISOString() }),
      ...(conditions?.requireMfa ? { requireMfa: true } : {}),
      ...(conditions && conditions.allowedAddresses.length > 0
        ? { allowedAddresses: [...conditions.allowedAddresses] }
        : {}),
    },
  };
}

/** Throws for what would grant more than was asked if it were ignored. */
export function draftOf(body: RoleAssignmentRequest): AssignmentDraft {
  const { properties } = body;
  if (properties.condition) throw accessFailures.RoleAssignmentConditionNotSupported();
  return {
    roleDefinitionId: properties.roleDefinitionId,
    principalId: properties.principalId,
    principalType: properties.principalType ?? undefined,
    description: properties.description ?? undefined,
    expiresAtMs: endOf(properties.expiresOn ?? undefined),
    conditions: conditionsOf(properties),
  };
}

function endOf(expiresOn: string | undefined): number | undefined {
  if (expiresOn === undefined) return undefined;
  const shape = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/;
  const ms = shape.test(expiresOn) ? Date.parse(expiresOn) : Number.NaN;
  if (Number.isNaN(ms))
    throw accessFailures.InvalidRequestContent(
      'properties.expiresOn',
      'properties.expiresOn must be a time with its zone, like 2030-01-31T12:00:00Z.',
    );
  return ms;
}

function conditionsOf(properties: RoleAssignmentRequest['properties']): Conditions | undefined {
  const requireMfa = properties.requireMfa ?? false;
  const allowedAddresses = properties.allowedAddresses ?? [];
  const wrong = allowedAddresses.find((range) => !isAddressRange(range));
  if (wrong !== undefined)
    throw accessFailures.InvalidRequestContent(
      'properties.allowedAddresses',
      `'${wrong}' is not an address or a range. Write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32.`,
    );
  return requireMfa || allowedAddresses.length > 0 ? { requireMfa, allowedAddresses } : undefined;
}
