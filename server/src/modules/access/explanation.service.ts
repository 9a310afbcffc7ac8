// Why somebody may or may not do something, in words: the same decision that a request would get, and every assignment that
// was considered for it. Answers questions only; it decides nothing of its own.

import type { AccessExplanation } from '@strongroom/contract/access';
import { type Actor, createActor, isBounded } from '#kernel/authority/actor';
import type { Action } from '#kernel/authority/grant';
import { unreachable } from '#kernel/errors/failure';
import { accessFailures } from './access.errors.ts';
import type { Evaluator } from './evaluator.service.ts';
import type { Principals } from './principals.port.ts';
import { assignmentId } from './scope.rules.ts';
import type { Applicable, Refusal } from './verdict.types.ts';

/** Named in the answer at most; a principal in many groups can have very many. */
const consideredMax = 100;

export type Question = {
  /** Somebody in the directory, or the very actor of a request (a run token, say). */
  readonly who: { readonly principalId: string } | { readonly actor: Actor };
  /** With a plane; a name alone is looked up in the catalogue. */
  readonly action: Action | string;
  readonly scope: string;
  readonly address?: string;
};

export type Explain = (question: Question) => Promise<AccessExplanation>;

export function createExplain(options: {
  readonly evaluator: Evaluator;
  readonly principals: Principals;
  readonly catalogue: readonly Action[];
  readonly tenantId: string;
  readonly nowMs: () => number;
}): Explain {
  const { evaluator, principals, catalogue, tenantId, nowMs } = options;

  /** With whether it can prove itself at all: roles of somebody who is disabled are still there, and do nothing. */
  async function actorOf(who: Question['who']): Promise<{ readonly actor: Actor; readonly isDisabled: boolean }> {
    if ('actor' in who) return { actor: who.actor, isDisabled: false };
    const found = await principals.find(who.principalId.toLowerCase());
    if (!found) throw accessFailures.PrincipalNotFound(who.principalId, tenantId);
    const { objectId, name, groups } = found;
    const kind = found.type === 'ServicePrincipal' ? 'application' : 'user';
    const actor = createActor({ kind, objectId, tenantId, name, groups, method: 'none' });
    return { actor, isDisabled: !found.isEnabled };
  }

  function actionOf(action: Action | string): Action {
    if (typeof action !== 'string') return action;
    const known = catalogue.find((each) => each.name.toLowerCase() === action.toLowerCase());
    return { name: action, plane: known?.plane ?? 'control' };
  }

  function effectOf({ assignment, role }: Applicable, action: Action): string {
    if (!role.allows(action)) {
      const other = role.allows({ ...action, plane: action.plane === 'control' ? 'data' : 'control' });
      return other
        ? `covers it on the other plane only: '${action.name}' belongs to the ${action.plane} plane`
        : 'does not hold this action';
    }
    if (assignment.expiresAtMs !== undefined && assignment.expiresAtMs <= nowMs())
      return `would cover it, but ended at ${new Date(assignment.expiresAtMs).toISOString()}`;
    const { conditions } = assignment;
    if (!conditions) return 'covers it';
    const demands = [
      ...(conditions.requireMfa ? ['a second factor'] : []),
      ...(conditions.allowedAddresses.length > 0 ? [`an address in ${conditions.allowedAddresses.join(', ')}`] : []),
    ];
    return `covers it with ${demands.join(' and ')}`;
  }

  return async ({ who, action: asked, scope, address }) => {
    const { actor, isDisabled } = await actorOf(who);
    const action = actionOf(asked);
    const verdict = evaluator.decide(actor, action, scope, address);
    const considered = isBounded(actor) && actor.bounds?.roles !== 'needed' ? [] : evaluator.applicable(actor, scope);
    return {
      principalId: actor.objectId,
      action: action.name,
      plane: action.plane,
      scope,
      allowed: verdict.allowed && !isDisabled,
      explanation: isDisabled
        ? `${actor.name} may not do '${action.name}' at '${scope}': it is disabled in the directory.`
        : verdict.allowed
          ? `${actor.name} may do '${action.name}' at '${scope}': ${verdict.because.reason}.`
          : `${actor.name} may not do '${action.name}' at '${scope}': ${inWords(verdict.why)}`,
      considered: considered.slice(0, consideredMax).map((each) => ({
        roleAssignmentId: assignmentId(each.assignment.scope, each.assignment.name),
        roleName: each.role.definition.roleName,
        scope: each.assignment.scope,
        assignedTo: each.assignment.principalId,
        effect: effectOf(each, action),
      })),
    };
  };
}

function inWords(why: Refusal): string {
  switch (why) {
    case 'malformedScope':
      return 'the scope is not one that anything can be at (a dot segment, a backslash or a control character).';
    case 'notAPrincipal':
      return 'only principals of the directory hold roles.';
    case 'outsideBounds':
      return 'its token does not list this action, or the scope lies outside what the token is for. Roles do not add to it.';
    case 'noAssignment':
      return 'no role is assigned to it, or to a group that it is in, at this scope or above it.';
    case 'noRoleCovers':
      return 'none of the roles assigned at this scope or above it holds this action.';
    case 'expired':
      return 'the assignment that covered it has ended.';
    case 'conditionUnmet':
      return 'the assignment that would cover it asks for a second factor or for another address.';
    default:
      return unreachable(why);
  }
}
