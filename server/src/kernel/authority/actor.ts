// Who acts. An Actor is what a credential proved; it grants nothing by itself. Authentication schemes (identity, and the surfaces
// that accept run tokens and keys) make it, all by `createActor`; it is read everywhere.

import type { Bounds } from '#kernel/authority/bounds';
import { type AuthenticationFacts, hasMfa, nothingProved } from '#kernel/authority/facts';

declare const brand: unique symbol;

export type ActorKind = 'user' | 'application' | 'managedIdentity' | 'run' | 'agent' | 'system' | 'anonymous';

export type Authentication = AuthenticationFacts & {
  /** What was shown for this request: `bearer`, `runToken`, `key`, `none`, … */
  readonly method: string;
  /** Of the facts: that more than one factor was shown. */
  readonly mfa: boolean;
  /** Identifies the token in the audit log (`uti` or `jti`); never the token. */
  readonly tokenId: string | undefined;
  /** What the credential stands on, for what is issued in its turn. Says nothing to anybody but `identity`. */
  readonly standing?: string;
  /** When it ends by itself, where it says so: what is issued in its turn ends no later. */
  readonly endsAtMs?: number;
};

export type Actor = {
  /** Only `createActor` makes one: a fact that a maker forgot would be decided on, and recorded, as if it were not so. */
  readonly [brand]: 'Actor';
  readonly kind: ActorKind;
  /** Object id in the directory; for a system actor or an anonymous one the all-zero GUID. */
  readonly objectId: string;
  readonly tenantId: string;
  /** Display name: user principal name, application name. */
  readonly name: string;
  /** Client id of the application that carries the call, where there is one. */
  readonly applicationId: string | undefined;
  readonly groups: readonly string[];
  readonly authentication: Authentication;
  /** What the credential reaches at most, whatever roles there are. */
  readonly bounds?: Bounds;
};

const nobody = '00000000-0000-0000-0000-000000000000';

/** Runs and agents always, and whoever else carries bounds: a bound is never ignored. */
export const isBounded = ({ kind, bounds }: Actor): boolean =>
  kind === 'run' || kind === 'agent' || bounds !== undefined;

export function createActor(of: {
  readonly kind: ActorKind;
  readonly objectId: string;
  readonly tenantId: string;
  readonly name: string;
  readonly applicationId?: string | undefined;
  /** Object ids of all groups that it is in, directly or through others. */
  readonly groups?: readonly string[] | undefined;
  readonly method: string;
  readonly tokenId?: string | undefined;
  readonly standing?: string | undefined;
  readonly endsAtMs?: number | undefined;
  /** Of the sign-in that the credential stands on; absent where none is behind it. */
  readonly facts?: AuthenticationFacts | undefined;
  readonly bounds?: Bounds | undefined;
}): Actor {
  const {
    kind,
    objectId,
    tenantId,
    name,
    applicationId,
    groups = [],
    method,
    tokenId,
    standing,
    endsAtMs,
    bounds,
  } = of;
  const { methods, at, from } = of.facts ?? nothingProved;
  const facts = { methods, at, from };
  const authentication: Authentication = Object.freeze({
    method,
    mfa: hasMfa(facts),
    ...facts,
    tokenId,
    ...(standing === undefined ? {} : { standing }),
    ...(endsAtMs === undefined ? {} : { endsAtMs }),
  });
  return Object.freeze({
    ...{ kind, objectId, tenantId, name, applicationId, groups, authentication },
    ...(bounds === undefined ? {} : { bounds }),
  }) as Actor; // the brand is a type, not a value, so the cast is the making
}

export const anonymous = createActor({
  kind: 'anonymous',
  objectId: nobody,
  tenantId: nobody,
  name: 'anonymous',
  method: 'none',
});

/** Whoever acts for a resource: its managed identity, by the roles that were given to it. */
export const managedIdentity = (
  { objectId, name }: { readonly objectId: string; readonly name: string },
  tenantId: string,
  bounds?: Bounds,
): Actor => createActor({ kind: 'managedIdentity', objectId, tenantId, name, method: 'managedIdentity', bounds });

/** How an actor is known whom no request brought: what he asked for goes on in his name. No scheme says this of a caller. */
const onBehalfMethod = 'onBehalf';

/** Whoever asked for what goes on now, as he proved himself then. What he may do is decided at each act. */
export type Asker = Pick<Actor, 'kind' | 'objectId' | 'tenantId' | 'name'> & { readonly facts?: AuthenticationFacts };

export const onBehalfOf = ({ kind, objectId, tenantId, name, facts }: Asker): Actor =>
  createActor({ kind, objectId, tenantId, name, facts, method: onBehalfMethod });

/** Whether no request brought him: what the house does of what somebody asked for. */
export const isOnBehalf = ({ authentication }: Actor): boolean => authentication.method === onBehalfMethod;

export const systemActor = createActor({
  kind: 'system',
  objectId: nobody,
  tenantId: nobody,
  name: 'Strongroom',
  method: 'none',
});
