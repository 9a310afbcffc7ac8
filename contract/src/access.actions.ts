// Actions of access itself: who may see, grant and withdraw roles. Contributor holds only the reads.
// Source: Azure RBAC, Microsoft.Authorization operations.

import { control } from './action.ts';

export const accessActions = {
  readRoleAssignments: control('Microsoft.Authorization/roleAssignments/read'),
  writeRoleAssignments: control('Microsoft.Authorization/roleAssignments/write'),
  deleteRoleAssignments: control('Microsoft.Authorization/roleAssignments/delete'),
  readRoleDefinitions: control('Microsoft.Authorization/roleDefinitions/read'),
  writeRoleDefinitions: control('Microsoft.Authorization/roleDefinitions/write'),
  deleteRoleDefinitions: control('Microsoft.Authorization/roleDefinitions/delete'),
} as const;
