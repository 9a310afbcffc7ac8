// Who may change the directory. Under Microsoft.Authorization on purpose: whoever can set a password can become its owner,
// so these belong to those who may grant roles, and Contributor, who may not, does not hold them.

import { control } from './action.ts';

export const identityActions = {
  writePrincipals: control('Microsoft.Authorization/principals/write'),
  deletePrincipals: control('Microsoft.Authorization/principals/delete'),
} as const;
