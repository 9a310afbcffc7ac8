// Decide → record → act → conclude, written once. The pipeline uses it for a request, and whoever acts from inside for what he
// does: a further permission of the same caller, a managed identity, a duty of the house. What cannot be recorded is not done:
// the intent is durable before the act begins, and a refusal is a record too. Fails closed.

import { type Actor, type Asker, managedIdentity, onBehalfOf } from '#kernel/authority/actor';
import type { AuditIntent, AuditOutcome, AuditTrail } from '#kernel/authority/audit';
import type { Duty, RecordedDuty } from '#kernel/authority/duty';
import type { Action, Grant, Grants } from '#kernel/authority/grant';
import { sha256Hex } from '#kernel/crypto/digest';
import { randomUuid } from '#kernel/crypto/random';
import { asFailure, type Failure } from '#kernel/errors/failure';

/** An act as the log names it. */
export type Facts = {
  /** The operation of the protocol that it is like, or one of its own. */
  readonly operation: string;
  readonly action: Action;
  readonly scope: string;
  /** Never a secret. */
  readonly parameters: AuditIntent['parameters'];
};

/** Acts that begin inside, each decided, recorded and concluded by itself. All throw what the decision or the work throws. */
export type Acts = {
  /** By a further permission of the same caller. Throws `forbidden`. */
  also<R>(grant: Grant, facts: Facts, work: (granted: Grant) => Promise<R>): Promise<R>;
  /** As the managed identity that acts for a resource, by its own roles. Throws `forbidden`. */
  as<R>(
    principal: { readonly objectId: string; readonly name: string },
    facts: Facts & { readonly reason: string },
    work: (granted: Grant) => Promise<R>,
  ): Promise<R>;
  /** In the name of who asked for what goes on now, by the roles that he has at this moment. Throws `forbidden`. */
  onBehalf<R>(
    asker: Asker,
    facts: Facts & { readonly reason: string },
    work: (granted: Grant) => Promise<R>,
  ): Promise<R>;
  /** What the house does by itself. Throws `internal` where the duty does not declare the action or does not reach the scope. */
  duty<R>(duty: RecordedDuty, facts: Facts, work: (granted: Grant) => Promise<R>): Promise<R>;
};

/** Records the intent, acts, records the outcome. */
export async function recorded<R>(
  audit: Pick<AuditTrail, 'begin'>,
  level: 'activity' | 'access',
  intent: AuditIntent,
  act: () => Promise<R>,
  outcomeOf: (done: R) => AuditOutcome = () => ({ status: 200, code: undefined }),
): Promise<R> {
  const mark = await audit.begin(level, intent);
  let done: R;
  try {
    done = await act();
  } catch (thrown) {
    const failure = asFailure(thrown);
    await mark.conclude(outcomeOfFailure(failure));
    throw failure;
  }
  await mark.conclude(outcomeOf(done));
  return done;
}

export const outcomeOfFailure = ({ status, code }: Failure): AuditOutcome => ({ status, code });

/** Grants of duties that are recorded. Held by `createActs` alone, so that none of them acts without its record. */
export type Duties = { grant(duty: Duty, action: Action, scope: string): Grant };

export function createActs(deps: {
  readonly grants: Pick<Grants, 'also' | 'as' | 'onBehalf'>;
  readonly duties: Duties;
  readonly audit: Pick<AuditTrail, 'begin' | 'refused'>;
  readonly tenantId: string;
}): Acts {
  const { grants, duties, audit, tenantId } = deps;

  async function perform<R>(
    asking: { readonly actor: Actor; readonly requestId: string; readonly address: string | undefined },
    facts: Facts,
    decide: () => Grant,
    work: (granted: Grant) => Promise<R>,
  ): Promise<R> {
    let granted: Grant;
    try {
      granted = decide();
    } catch (thrown) {
      const failure = asFailure(thrown);
      await audit.refused(intentOf(asking, facts, 'refused', failure.code), outcomeOfFailure(failure));
      throw failure;
    }
    return recorded(audit, 'activity', intentOf(granted, facts, 'allowed', granted.reason), () => work(granted));
  }

  return {
    also: (grant, facts, work) => perform(grant, facts, () => grants.also(grant, facts.action, facts.scope), work),
    as: (principal, { reason, ...facts }, work) => {
      const asking = { actor: managedIdentity(principal, tenantId), requestId: randomUuid(), address: undefined };
      return perform(asking, facts, () => grants.as(principal, facts.action, facts.scope, reason), work);
    },
    onBehalf: (asker, { reason, ...facts }, work) => {
      const asking = { actor: onBehalfOf(asker), requestId: randomUuid(), address: undefined };
      return perform(asking, facts, () => grants.onBehalf(asker, facts.action, facts.scope, reason), work);
    },
    duty: async (duty, facts, work) => {
      const granted = duties.grant(duty, facts.action, facts.scope);
      return recorded(audit, 'activity', intentOf(granted, facts, 'allowed', granted.reason), () => work(granted));
    },
  };
}

/** What is recorded of many things that are destroyed in one act: how many, and the SHA-256 of their names, one a line, sorted. */
export const counted = (names: readonly string[]): Facts['parameters'] => ({
  count: names.length,
  namesDigest: sha256Hex(Buffer.from([...names].sort().join('\n'))),
});

/** Of an act that no request names: it has no method and no path. */
function intentOf(
  asking: { readonly actor: Actor; readonly requestId: string; readonly address: string | undefined },
  { operation, action, scope, parameters }: Facts,
  decision: 'allowed' | 'refused',
  reason: string,
): AuditIntent {
  const { actor, requestId, address } = asking;
  return {
    operation,
    action: action.name,
    scope,
    actor,
    requestId,
    correlationId: requestId,
    clientRequestId: undefined,
    method: '',
    path: '',
    address,
    userAgent: undefined,
    decision,
    reason,
    parameters,
    bodyDigest: undefined,
  };
}
