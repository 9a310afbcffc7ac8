// Role assignments at what is not there. None can be made any more and those of a resource go with it, but a folder of an earlier
// version, or a crash between the two, may have left one: it would give its principal the role at whatever takes the name. Looked
// for at each start; each that is withdrawn is recorded.

import { accessActions } from '@strongroom/contract/access.actions';
import type { Acts } from '#kernel/authority/perform';
import type { Log } from '#kernel/log/log';
import type { Assignment } from './assignment.types.ts';
import type { Assignments } from './assignments.service.ts';
import { accessDuties } from './duties.ts';
import type { Evaluator } from './evaluator.service.ts';
import type { Scopes } from './scopes.port.ts';

export type Strays = {
  /** Withdraws what is assigned at nothing, and says how many that were. What cannot be looked at stays. */
  sweep(signal: AbortSignal): Promise<number>;
};

export function createStrays(deps: {
  readonly evaluator: Pick<Evaluator, 'assignments'>;
  readonly assignments: Pick<Assignments, 'unassign'>;
  readonly scopes: Pick<Scopes, 'isGone'>;
  readonly acts: Pick<Acts, 'duty'>;
  readonly log: Log;
}): Strays {
  const { evaluator, assignments, scopes, acts, log } = deps;

  async function withdraw(stray: Assignment): Promise<void> {
    const { name, scope, roleId: roleDefinitionId, principalId } = stray;
    const facts = {
      operation: 'RoleAssignments_Delete',
      action: accessActions.deleteRoleAssignments,
      scope,
      parameters: { name, roleDefinitionId, principalId },
    };
    await acts.duty(accessDuties.withdrawStray, facts, (grant) =>
      assignments.unassign(grant, { scope, roleDefinitionId, principalId }, () => scopes.isGone(scope)),
    );
  }

  return {
    async sweep(signal) {
      let count = 0;
      for (const each of [...evaluator.assignments()]) {
        if (signal.aborted) break;
        try {
          if (!(await scopes.isGone(each.scope))) continue;
          await withdraw(each);
          count += 1;
        } catch (error) {
          // A workspace whose customer refuses his key, or the last Owner: the next start looks again.
          log.warn({ module: 'access', scope: each.scope, error }, 'a role assignment could not be looked at');
        }
      }
      if (count > 0)
        log.warn({ module: 'access', count }, 'roles that were assigned at what does not exist were withdrawn');
      return count;
    },
  };
}
