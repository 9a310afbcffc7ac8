// Decisions become grants here, and only here: the one importer of the mint. The pipeline asks once a request (Authorizer),
// services ask for what more they need (Grants). A refusal is Azure's, to the letter, so that public clients understand it;
// it says the same whether or not the thing at the scope exists.

import { isBounded, managedIdentity, onBehalfOf, systemActor } from '#kernel/authority/actor';
import type { Authorizer, Decision } from '#kernel/authority/authorizer';
import { type Duty, dutyAllows, exceeded, holdToDuty } from '#kernel/authority/duty';
import type { Action, Grant, Grants } from '#kernel/authority/grant';
import { mintGrant } from '#kernel/authority/mint';
import type { Duties } from '#kernel/authority/perform';
import { randomUuid } from '#kernel/crypto/random';
import { accessFailures } from './access.errors.ts';
import type { Evaluator } from './evaluator.service.ts';

export function createAuthority(options: {
  readonly evaluator: Pick<Evaluator, 'decide' | 'boundedScope'>;
  readonly tenantId: string;
}): { readonly authorizer: Authorizer; readonly grants: Grants; readonly duties: Duties } {
  const { evaluator, tenantId } = options;

  function grantTo(decision: Decision, action: Action, scope: string): Grant {
    const { actor, requestId, address } = decision;
    const verdict = evaluator.decide(actor, action, scope, address);
    if (!verdict.allowed) throw accessFailures.AuthorizationFailed(actor, action.name, scope);
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
    });
  }

  const authorizer: Authorizer = {
    needs: grantTo,
    within(decision, action, under) {
      const scope = evaluator.boundedScope(decision.actor, action, under, decision.address);
      if (scope === undefined) throw accessFailures.AuthorizationFailed(decision.actor, action.name, under);
      return grantTo(decision, action, scope);
    },
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
      });
    },
    signedIn(decision, reason) {
      // Who is bounded acts in a person's name, and what is open to every signed-in person (a password, a token) is not open to him.
      const { actor } = decision;
      if (actor.kind === 'anonymous' || isBounded(actor))
        throw accessFailures.AuthorizationFailed(actor, 'signedIn', '/');
      return mint(decision, '', '/', `signed in: ${reason}`, decision.requestId);
    },
    open: (decision, reason) => mint(decision, '', '/', `open: ${reason}`, decision.requestId),
  };

  const grants: Grants = {
    also(grant, action, scope) {
      if (grant.duty === undefined) return grantTo(grant, action, scope);
      if (!dutyAllows(grant.duty, grant.scope, action, scope))
        throw exceeded(grant.duty, `${action.name} at ${scope}, with a grant for ${grant.scope}`);
      return dutyGrant(grant.duty, action, scope, grant.requestId);
    },
    mayAlso: (grant, action, scope) =>
      grant.duty === undefined
        ? evaluator.decide(grant.actor, action, scope, grant.address).allowed
        : dutyAllows(grant.duty, grant.scope, action, scope),
    as(principal, action, scope, reason) {
      const actor = managedIdentity(principal, tenantId);
      const verdict = evaluator.decide(actor, action, scope);
      if (!verdict.allowed) throw accessFailures.AuthorizationFailed(actor, action.name, scope);
      // For this one act: what else the identity's roles allow is no business of whoever holds the grant.
      const rules = [{ scope, actions: [action.name], reason: verdict.because.reason }];
      return mintGrant({
        actor: managedIdentity(principal, tenantId, { roles: 'needed', rules }),
        action: action.name,
        scope,
        requestId: randomUuid(),
        reason: `${verdict.because.reason}: ${reason}`,
        address: undefined,
      });
    },
    onBehalf(asker, action, scope, reason) {
      const actor = onBehalfOf(asker);
      const verdict = evaluator.decide(actor, action, scope);
      if (!verdict.allowed) throw accessFailures.AuthorizationFailed(actor, action.name, scope);
      return mintGrant({
        actor,
        action: action.name,
        scope,
        requestId: randomUuid(),
        reason: `${verdict.because.reason}: ${reason}`,
        address: undefined,
      });
    },
    proved(grant, actor, reason) {
      // A caller who is known already cannot become another one.
      if (grant.actor.kind !== 'anonymous') throw accessFailures.AuthorizationFailed(grant.actor, 'signedIn', '/');
      return authorizer.signedIn({ actor, requestId: grant.requestId, address: grant.address }, reason);
    },
    duty: (duty, scope) => grantOfDuty(duty, duty.actions[0], scope),
  };
  return { authorizer, grants, duties: { grant: grantOfDuty } };
}

function grantOfDuty(duty: Duty, action: Action, scope: string): Grant {
  holdToDuty(duty, action, scope);
  return dutyGrant(duty, action, scope, randomUuid());
}

/** The duty on the grant is what counts, and only this file puts it there: no credential can prove to be the house. */
function dutyGrant(duty: Duty, action: Action, scope: string, requestId: string): Grant {
  const reason = `duty: ${duty.name}`;
  return mintGrant({ actor: systemActor, action: action.name, scope, requestId, reason, address: undefined, duty });
}
