// Decisions become grants here, and only here: the one importer of the mint. The pipeline asks once a request (Authorizer),
// services ask for what more they need (Grants). A refusal is Azure's, to the letter, so that public clients understand it;
// it says the same whether or not the thing at the scope exists.

import { managedIdentity, systemActor } from '#kernel/authority/actor';
import type { Authorizer, Decision } from '#kernel/authority/authorizer';
import type { Action, Grant, Grants } from '#kernel/authority/grant';
import { mintGrant } from '#kernel/authority/mint';
import { authorizationFailed } from './errors.ts';
import type { Evaluator } from './evaluator.ts';

export function createAuthority(options: {
  readonly evaluator: Pick<Evaluator, 'decide'>;
  readonly tenantId: string;
}): { readonly authorizer: Authorizer; readonly grants: Grants } {
  const { evaluator, tenantId } = options;

  function grantTo(decision: Decision, action: Action, scope: string): Grant {
    const { actor, requestId, address } = decision;
    const verdict = evaluator.decide(actor, action, scope, address);
    if (!verdict.allowed) throw authorizationFailed(actor, action.name, scope);
    return mint(decision, action.name, scope, verdict.because.reason, requestId);
  }

  function mint(decision: Decision, action: string, scope: string, reason: string, requestId: string): Grant {
    const { actor, address } = decision;
    return mintGrant({
      actor,
      action,
      scope,
      requestId,
      reason,
      address,
      ...(actor.bounds ? { within: actor.bounds } : {}),
    });
  }

  const authorizer: Authorizer = {
    needs: grantTo,
    listing(decision, action, scope) {
      const { actor, requestId, address } = decision;
      const whole = evaluator.decide(actor, action, scope, address);
      return mintGrant({
        actor,
        action: action.name,
        scope,
        requestId,
        reason: whole.allowed ? whole.because.reason : 'shows only what the caller may read',
        address,
        visibility: {
          all: whole.allowed,
          sees: (id) => evaluator.decide(actor, action, id, address).allowed,
        },
        ...(actor.bounds ? { within: actor.bounds } : {}),
      });
    },
    signedIn(decision, reason) {
      // Who is bounded acts in a person's name, and what is open to every signed-in person (a password, a token) is not open to him.
      const { actor } = decision;
      if (actor.kind === 'anonymous' || actor.kind === 'run' || actor.bounds !== undefined)
        throw authorizationFailed(actor, 'signedIn', '/');
      return mint(decision, '', '/', `signed in: ${reason}`, decision.requestId);
    },
    open: (decision, reason) => mint(decision, '', '/', `open: ${reason}`, decision.requestId),
  };

  const grants: Grants = {
    also(grant, action, scope) {
      if (isSystem(grant)) return systemGrant(grant.requestId, action.name, scope, grant.reason);
      return grantTo(grant, action, scope);
    },
    mayAlso: (grant, action, scope) =>
      isSystem(grant) || evaluator.decide(grant.actor, action, scope, grant.address).allowed,
    as(principal, action, scope, reason) {
      const actor = managedIdentity(principal, tenantId);
      const verdict = evaluator.decide(actor, action, scope);
      if (!verdict.allowed) throw authorizationFailed(actor, action.name, scope);
      return mintGrant({
        actor,
        action: action.name,
        scope,
        requestId: 'system',
        reason: `${verdict.because.reason}: ${reason}`,
        address: undefined,
      });
    },
    system: (reason) => systemGrant('system', 'system', '/', `system: ${reason}`),
  };
  return { authorizer, grants };
}

/** The very object, not its look: no credential can prove to be it. */
const isSystem = (grant: Grant): boolean => grant.actor === systemActor;

function systemGrant(requestId: string, action: string, scope: string, reason: string): Grant {
  return mintGrant({ actor: systemActor, action, scope, requestId, reason, address: undefined });
}
