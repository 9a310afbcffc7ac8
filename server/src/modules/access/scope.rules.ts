// Scopes and ids as callers of Microsoft.Authorization write them: checked here before anything is stored under them.

import { idKey, parseResourceId } from '#kernel/ids/ids';
import { accessFailures } from './access.errors.ts';

const guid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export const isGuid = (text: string): boolean => guid.test(text);

/** The scope without doubled or trailing slashes. Throws `invalid` unless it is the root or a well-formed id. */
export function checkedScope(scope: string): string {
  return idKey(scope) === '/' ? '/' : parseResourceId(scope).id;
}

/** `isWithin` of two keys: whoever looks through every assignment makes none of them anew. */
export const isKeyWithin = (key: string, outer: string): boolean =>
  outer === '/' || key === outer || key.startsWith(`${outer}/`);

/**
 * The GUID of a role definition, from `{guid}` or from an id at any scope. The scope in the id does not matter: Azure
 * names one definition by many ids. Throws `invalid`.
 */
export function roleIdOf(id: string): string {
  const last = /^(?:.*\/providers\/microsoft\.authorization\/roledefinitions\/)?([^/]+)$/i.exec(id)?.[1] ?? '';
  if (!isGuid(last)) throw accessFailures.InvalidRoleDefinitionId(id);
  return last.toLowerCase();
}

/** `/subscriptions/{id}` as written, or an empty string at the root: what ids of definitions begin with. */
export const subscriptionOf = (scope: string): string => /^\/subscriptions\/[^/]+/i.exec(scope)?.[0] ?? '';

export const definitionId = (scope: string, roleId: string): string =>
  `${subscriptionOf(scope)}/providers/Microsoft.Authorization/roleDefinitions/${roleId}`;

export const assignmentId = (scope: string, name: string): string =>
  `${scope === '/' ? '' : scope}/providers/Microsoft.Authorization/roleAssignments/${name}`;
