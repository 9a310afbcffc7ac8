// What an assignment is, once it has been checked: a role, for a principal, at a scope and everything below it.

import type { Conditions } from './conditions.rules.ts';

export type PrincipalType = 'User' | 'Group' | 'ServicePrincipal' | 'ForeignGroup' | 'Device';

export type Assignment = {
  /** GUID in lower case, unique over the server. */
  readonly name: string;
  /** As it was written when it was made. */
  readonly scope: string;
  /** `idKey(scope)`. */
  readonly scopeKey: string;
  /** GUID in lower case. */
  readonly roleId: string;
  /** Object id in lower case. */
  readonly principalId: string;
  readonly principalType: PrincipalType;
  readonly description: string | undefined;
  /** Beyond Azure: grants nothing from this moment on. Milliseconds since 1970. */
  readonly expiresAtMs: number | undefined;
  /** Beyond Azure: holds only with a second factor, or from some addresses. */
  readonly conditions: Conditions | undefined;
  readonly createdOn: string;
  readonly updatedOn: string;
  readonly createdBy: string;
  readonly updatedBy: string;
};
