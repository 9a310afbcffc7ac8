// How somebody gets to have a role at `/`, where none is assigned at first: the whole audit log is read there. By Azure's own call,
// which makes the caller User Access Administrator of everything; here for one person alone, whom the installation names.

import type { Actor } from '#kernel/authority/actor';
import type { Grants } from '#kernel/authority/grant';
import { activity, type Route, route, signedIn } from '#kernel/http/route';
import { accessFailures } from './access.errors.ts';
import type { Assignments } from './assignments.service.ts';
import { roleIds } from './built-in-roles.data.ts';
import { accessDuties } from './duties.ts';

/** @param administrator object id of the tenant's administrator; absent: nobody is */
export function elevationRoute(deps: {
  readonly grants: Pick<Grants, 'duty'>;
  readonly assignments: Pick<Assignments, 'assign'>;
  readonly administrator: string | undefined;
}): Route {
  const { grants, assignments, administrator } = deps;

  function requireAdministrator(actor: Actor): void {
    // A person: the application of the first start holds a secret that lies in a file, and a run only acts in somebody's name.
    if (actor.kind === 'user' && administrator !== undefined && actor.objectId === administrator) return;
    throw accessFailures.AuthorizationFailed(actor, 'Microsoft.Authorization/elevateAccess/action', '/');
  }

  return route({
    operation: 'GlobalAdministrator_ElevateAccess',
    surface: 'arm',
    method: 'POST',
    path: '/providers/Microsoft.Authorization/elevateAccess',
    summary: "Makes the tenant's administrator User Access Administrator of everything",
    access: signedIn(
      'no role can allow it, because none is assigned above subscriptions: the one administrator of the tenant may',
    ),
    audit: activity(),
    async handle({ actor }) {
      requireAdministrator(actor);
      await assignments.assign(grants.duty(accessDuties.elevateAdministrator, '/'), {
        scope: '/',
        roleDefinitionId: roleIds.userAccessAdministrator,
        principalId: actor.objectId,
        principalType: 'User',
      });
      return { status: 200 };
    },
  });
}
