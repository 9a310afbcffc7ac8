// For service tests below `access`: an authorizer whose rules a test lists itself. Only tests import it (the dependency
// table allows kernel/testing to mint, and refuses kernel/testing to product code).

import { declaredActions } from '@strongroom/contract/actions';
import { type Actor, createActor, isBounded, onBehalfOf, systemActor } from '#kernel/authority/actor';
import type { AuditIntent, AuditOutcome, AuditTrail } from '#kernel/authority/audit';
import type { Authorizer } from '#kernel/authority/authorizer';
import { type Bounds, ruleFor, rulesBelow } from '#kernel/authority/bounds';
import { type Duty, dutyAllows, exceeded, holdToDuty } from '#kernel/authority/duty';
import type { Action, Grant, Grants } from '#kernel/authority/grant';
import { mintGrant } from '#kernel/authority/mint';
import { type Acts, createActs } from '#kernel/authority/perform';
import { Failure } from '#kernel/errors/failure';
import { isWithin } from '#kernel/ids/ids';

export const testActor = createActor({
  kind: 'user',
  objectId: '11111111-1111-4111-8111-111111111111',
  tenantId: '22222222-2222-4222-8222-222222222222',
  name: 'tester@strongroom.local',
  method: 'bearer',
  tokenId: 'test-token',
  standing: '1',
});

export type Rule = (action: string, scope: string, actor: Actor) => boolean;

/** A grant as `access` would mint it. */
export function testGrant(fields: Partial<Omit<Grant, symbol>> = {}): Grant {
  return mintGrant({
    actor: testActor,
    action: 'test',
    scope: '/',
    requestId: 'test-request',
    reason: 'test',
    address: '127.0.0.1',
    ...fields,
  });
}

export function testAuthority(rule: Rule = () => true): { authorizer: Authorizer; grants: Grants } {
  // Bounds are judged by the code that judges them in the server; the rest is the test's rule. Time stands still.
  const allows: Rule = (action, scope, actor) => {
    const { bounds } = actor;
    if (bounds === undefined) return !isBounded(actor) && rule(action, scope, actor);
    if (ruleFor(bounds, action, scope, { nowMs: 0, address: undefined }) === undefined) return false;
    return bounds.roles === 'ignored' || rule(action, scope, actor);
  };
  const refuse = (actor: Actor, action: string, scope: string) =>
    new Failure({
      kind: 'forbidden',
      code: 'AuthorizationFailed',
      message: `The client '${actor.name}' with object id '${actor.objectId}' does not have authorization to perform action '${action}' over scope '${scope}'.`,
    });
  const decide = (actor: Actor, action: string, scope: string, requestId: string, address: string | undefined) => {
    if (!allows(action, scope, actor)) throw refuse(actor, action, scope);
    return mintGrant({
      actor,
      action,
      scope,
      requestId,
      reason: 'test',
      address,
    });
  };
  return {
    authorizer: {
      needs: (decision, action, scope) =>
        decide(decision.actor, action.name, scope, decision.requestId, decision.address),
      within(decision, action, under) {
        const { actor, requestId, address } = decision;
        const [rule] = rulesBelow(actor.bounds ?? noBounds, action.name, under, { nowMs: 0, address });
        if (rule === undefined) throw refuse(actor, action.name, under);
        return decide(actor, action.name, isWithin(under, rule.scope) ? under : rule.scope, requestId, address);
      },
      listing: (decision, action, scope) =>
        mintGrant({
          actor: decision.actor,
          action: action.name,
          scope,
          requestId: decision.requestId,
          reason: 'test',
          address: decision.address,
          visibility: {
            all: allows(action.name, scope, decision.actor),
            sees: (id) => allows(action.name, id, decision.actor),
          },
        }),
      signedIn: (decision, reason) =>
        mintGrant({
          actor: decision.actor,
          action: '',
          scope: '/',
          requestId: decision.requestId,
          reason,
          address: decision.address,
        }),
      open: (decision, reason) =>
        mintGrant({
          actor: decision.actor,
          action: '',
          scope: '/',
          requestId: decision.requestId,
          reason,
          address: decision.address,
        }),
    },
    grants: {
      also(grant, action, scope) {
        if (grant.duty === undefined) return decide(grant.actor, action.name, scope, grant.requestId, grant.address);
        if (!dutyAllows(grant.duty, grant.scope, action, scope)) throw exceeded(grant.duty, action.name);
        return dutyGrant(grant.duty, action, scope);
      },
      mayAlso: (grant, action, scope) =>
        grant.duty === undefined
          ? allows(action.name, scope, grant.actor)
          : dutyAllows(grant.duty, grant.scope, action, scope),
      as: (principal, action, scope, reason) =>
        decide({ ...testActor, kind: 'managedIdentity', ...principal }, action.name, scope, reason, undefined),
      onBehalf: (asker, action, scope, reason) => decide(onBehalfOf(asker), action.name, scope, reason, undefined),
      proved(grant, actor, reason) {
        const isNobody = actor.kind === 'anonymous' || actor.kind === 'run' || actor.bounds !== undefined;
        if (isNobody || grant.actor.kind !== 'anonymous') throw refuse(actor, 'signedIn', '/');
        const { requestId, address } = grant;
        return mintGrant({ actor, action: '', scope: '/', requestId, reason, address });
      },
      duty: (duty, scope) => dutyGrant(duty, duty.actions[0], scope),
    },
  };
}

/** As `access` mints it: held to what the duty declares. */
function dutyGrant(duty: Duty, action: Action, scope: string): Grant {
  holdToDuty(duty, action, scope);
  return mintGrant({
    actor: systemActor,
    action: action.name,
    scope,
    requestId: 'duty',
    reason: `duty: ${duty.name}`,
    address: undefined,
    duty,
  });
}

/** A grant of the house with all that is declared, for tests that stand where a duty would. `more` are actions of the test's own. */
export function houseGrant(...more: readonly Action[]): Grant {
  const actions = [...declaredActions, ...more] as unknown as Duty['actions']; // a table that is never empty
  const record = { level: 'none', reason: 'a test' } as const;
  const duty: Duty = { name: 'test.house', why: 'A test stands where a duty would.', actions, under: '/', record };
  return dutyGrant(duty, actions[0], '/');
}

/** Acts from inside over an authority and a record of the test's own. */
export function testActs(grants: Pick<Grants, 'also' | 'as' | 'onBehalf'>, audit: AuditTrail = testAudit()): Acts {
  const duties = { grant: dutyGrant };
  return createActs({ grants, duties, audit, tenantId: testActor.tenantId });
}
const noBounds: Bounds = { roles: 'ignored', rules: [] };

/** Keeps what was recorded, in order. */
export function testAudit(): AuditTrail & {
  readonly entries: readonly { level: string; intent: AuditIntent; outcome: AuditOutcome | undefined }[];
} {
  const entries: { level: string; intent: AuditIntent; outcome: AuditOutcome | undefined }[] = [];
  return {
    entries,
    async begin(level, intent) {
      const entry = { level, intent, outcome: undefined as AuditOutcome | undefined };
      entries.push(entry);
      return {
        conclude: async (outcome) => {
          entry.outcome = outcome;
        },
      };
    },
    async refused(intent, outcome) {
      entries.push({ level: 'refused', intent, outcome });
    },
    async stranger(intent, outcome) {
      entries.push({ level: 'refused', intent, outcome });
    },
    listing: () => ({ proved: () => {} }),
  };
}
