// Addresses that carry their own credential, for clients that were written against shared access signatures: they follow a
// link and send no token. The signature is a token of ours, and no power of its own: it names the decision that it was
// issued by, and that decision is made again, for the same principal, at every use; and it stands on what its maker's own
// token stood on. So a role that is taken away, a person who is disabled, a password that changes, a client secret that is
// removed end the address at once, and its time ends it in any case. It opens the one
// scope and the actions that it lists, of those what `through` may do itself, where the address names one: so an address of a
// workspace's container is no more than what the workspace may. Must never be logged: the query of a request is not.

import { type Actor, createActor, isBounded, managedIdentity } from '#kernel/authority/actor';
import type { Authorizer, Decision } from '#kernel/authority/authorizer';
import { claimsOfFacts, factsInClaims, refusedFromMs } from '#kernel/authority/facts';
import type { Action, Grant } from '#kernel/authority/grant';
import { Failure } from '#kernel/errors/failure';
import type { Exchange } from '#kernel/http/exchange';
import type { Scheme } from '#kernel/http/surface';
import { identityFailures } from './identity.errors.ts';
import type { Standings } from './standings.service.ts';
import type { Tokens } from './tokens.service.ts';

export type SignedAddress = {
  /** The surface whose scheme takes it. */
  readonly surface: string;
  /** All that it opens. */
  readonly scope: string;
  readonly actions: readonly Action[];
  /** What the principal must be allowed, at the scope of the grant, whenever the address is used: the grant's own action. */
  readonly action: Action;
  /** What he must be allowed besides, at every use too. */
  readonly also?: readonly { readonly action: Action; readonly scope: string }[];
  /**
   * Whose roles must allow each of the actions at the scope when it is done: the maker himself, or an identity that he acts
   * through. Without one the decision above is enough.
   */
  readonly through?: { readonly objectId: string; readonly name: string };
  readonly ttlSeconds: number;
};

export type SignedAddresses = {
  /** The value of the query parameter `sig`. Throws `forbidden` for a caller who is himself bounded. */
  sign(grant: Grant, address: SignedAddress): Promise<{ readonly signature: string; readonly expiresAt: Date }>;
  /** Stands first on its surface: where a signature is sent, nothing else is looked at. */
  scheme(surface: string): Scheme;
};

const purpose = 'address';
const audienceOf = (surface: string) => `urn:strongroom:address:${surface}`;

export function createSignedAddresses(deps: {
  readonly tokens: Pick<Tokens, 'issueToken' | 'verifyToken'>;
  readonly standings: Pick<Standings, 'principalOf'>;
  readonly authorizer: Pick<Authorizer, 'needs'>;
  readonly tenantId: string;
}): SignedAddresses {
  const { tokens, standings, authorizer, tenantId } = deps;

  async function actorOf(signature: string, surface: string, exchange: Exchange): Promise<Actor> {
    const claims = await tokens
      .verifyToken(signature, { purpose, audience: audienceOf(surface) })
      .catch((thrown: unknown) => {
        throw identityFailures.signatureInvalid({ cause: thrown });
      });
    const { sub, jti, action, at, also, scope, actions, through, standing } = claims;
    if (
      ![sub, jti, at, scope].every((claim) => typeof claim === 'string' && claim !== '') ||
      !isAction(action) ||
      !isListOf(actions, isAction) ||
      !(also === undefined || isListOf(also, isDecision)) ||
      !(through === undefined || isPrincipal(through))
    )
      throw identityFailures.signatureOfNothing();
    const principal = await standings.principalOf(sub, standing).catch((thrown: unknown) => {
      throw identityFailures.addressWithdrawn({ cause: thrown });
    });
    const maker = {
      kind: principal.kind,
      objectId: principal.objectId,
      tenantId,
      name: principal.name,
      applicationId: principal.clientId,
      method: 'signedAddress',
      tokenId: String(jti),
      standing: String(standing),
      // Of who made the address: whoever follows it proves nothing of his own.
      facts: factsInClaims(claims),
    };
    // Order matters: decided as the principal, roles and all, before it is bounded.
    const decision = { actor: createActor(maker), requestId: exchange.requestId, address: exchange.address };
    authorizer.needs(decision, action, String(at));
    for (const further of also ?? []) authorizer.needs(decision, further.action, further.scope);
    const opened = through === undefined ? actions : whatMay(through, actions, String(scope), decision);
    return createActor({
      ...maker,
      bounds: {
        roles: 'ignored',
        rules: [
          {
            scope: String(scope),
            actions: opened.map(({ name }) => name),
            reason: `signed address of ${principal.name}`,
          },
        ],
        untilMs: refusedFromMs(claims),
      },
    });
  }

  /** Of these actions those that a principal may do there by his own roles now. */
  function whatMay(
    through: NonNullable<SignedAddress['through']>,
    actions: readonly Action[],
    scope: string,
    decision: Decision,
  ): readonly Action[] {
    // An identity of ours comes from nowhere: what is assigned to it for some addresses only, it does not hold.
    const asked =
      through.objectId === decision.actor.objectId
        ? decision
        : { ...decision, actor: managedIdentity(through, tenantId), address: undefined };
    return actions.filter((action) => {
      try {
        authorizer.needs(asked, action, scope);
        return true;
      } catch (thrown) {
        if (thrown instanceof Failure && thrown.kind === 'forbidden') return false;
        throw thrown;
      }
    });
  }

  return {
    async sign(grant, { surface, scope, actions, action, also, through, ttlSeconds }) {
      const { standing } = grant.actor.authentication;
      if (isBounded(grant.actor) || grant.action !== action.name || !standing)
        throw identityFailures.AuthorizationFailed();
      const { token, expiresAt } = await tokens.issueToken({
        purpose,
        audience: audienceOf(surface),
        subject: grant.actor.objectId,
        claims: {
          ...claimsOfFacts(grant.actor.authentication),
          ...{ standing, action, at: grant.scope, also, scope, actions, through },
        },
        ttlSeconds,
      });
      return { signature: token, expiresAt };
    },
    scheme: (surface) => ({
      name: 'signed address',
      authenticate(exchange) {
        const [signature, ...more] = exchange.target.query.all('sig');
        if (signature === undefined) return undefined;
        if (more.length > 0) throw identityFailures.signatureTwice();
        return actorOf(signature, surface, exchange);
      },
    }),
  };
}

const isAction = (claim: unknown): claim is Action => {
  if (typeof claim !== 'object' || claim === null) return false;
  const { name, plane } = claim as Readonly<Record<string, unknown>>;
  return typeof name === 'string' && name !== '' && (plane === 'control' || plane === 'data');
};

const isDecision = (claim: unknown): claim is { readonly action: Action; readonly scope: string } => {
  if (typeof claim !== 'object' || claim === null) return false;
  const { action, scope } = claim as Readonly<Record<string, unknown>>;
  return isAction(action) && typeof scope === 'string' && scope !== '';
};

const isPrincipal = (claim: unknown): claim is NonNullable<SignedAddress['through']> => {
  if (typeof claim !== 'object' || claim === null) return false;
  const { objectId, name } = claim as Readonly<Record<string, unknown>>;
  return typeof objectId === 'string' && objectId !== '' && typeof name === 'string';
};

const isListOf = <T>(claim: unknown, is: (one: unknown) => one is T): claim is readonly T[] =>
  Array.isArray(claim) && claim.every(is);
