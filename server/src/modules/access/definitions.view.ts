// Role definitions between the wire and the domain.

import type { RoleDefinitionRequest, RoleDefinitionView } from '@strongroom/contract/access';
import { accessFailures } from './access.errors.ts';
import type { DefinitionDraft } from './definitions.service.ts';
import type { Permission, RoleDefinition } from './role.rules.ts';
import { definitionId } from './scope.rules.ts';

/** `around`: the scope of the request; Azure names one definition by its id in each subscription. */
export function definitionView(definition: RoleDefinition, around: string): RoleDefinitionView {
  const { id, roleName, description, type, permissions, assignableScopes } = definition;
  const { createdOn, updatedOn, createdBy, updatedBy } = definition;
  return {
    id: definitionId(around, id),
    name: id,
    type: 'Microsoft.Authorization/roleDefinitions',
    properties: {
      roleName,
      description,
      type,
      permissions: permissions.map(permissionView),
      assignableScopes: [...assignableScopes],
      createdOn,
      updatedOn,
      createdBy,
      updatedBy,
    },
  };
}

export function permissionView(permission: Permission) {
  return {
    actions: [...permission.actions],
    notActions: [...permission.notActions],
    dataActions: [...permission.dataActions],
    notDataActions: [...permission.notDataActions],
  };
}

export function definitionDraftOf(body: RoleDefinitionRequest): DefinitionDraft {
  const { roleName, description, type, permissions, assignableScopes } = body.properties;
  if (type && type.toLowerCase() !== 'customrole')
    throw accessFailures.InvalidRequestContent(
      'properties.type',
      "properties.type must be 'CustomRole'; built-in roles are not written.",
    );
  return {
    roleName,
    description: description ?? '',
    permissions: permissions.map((block) => ({
      actions: block.actions ?? [],
      notActions: block.notActions ?? [],
      dataActions: block.dataActions ?? [],
      notDataActions: block.notDataActions ?? [],
    })),
    assignableScopes,
  };
}
