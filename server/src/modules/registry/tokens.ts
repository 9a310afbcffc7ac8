// Tokens of the registry protocol. One kind stands for a principal and is a ceiling: it lists what its client asked for, and
// whether the principal may do that is decided again at every use. The other kind carries its own bounds: it pulls one
// repository of one registry and does nothing else. No token is stored.

import { registryActions } from '@strongroom/contract/registry.actions';
import { type Actor, createActor } from '#kernel/authority/actor';
import { type Bounds, type BoundsRule, ruleFor } from '#kernel/authority/bounds';
import { type AuthenticationFacts, claimsOfFacts, factsInClaims, refusedFromMs } from '#kernel/authority/facts';
import type { Action } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { Failure } from '#kernel/errors/failure';
import type { Registries, RegistryEntry } from './registries.ts';
import { registryIdOf } from './requests.ts';
import { type RepositoryRef, repositoryScope } from './scopes.ts';

/** What this module holds of the maker of tokens. */
export type Tokens = {
  issueToken(token: {
    readonly purpose: string;
    readonly audience: string;
    readonly subject: string;
    readonly claims?: Readonly<Record<string, unknown>>;
    readonly ttlSeconds: number;
  }): Promise<{ readonly token: string; readonly tokenId: string; readonly expiresAt: Date }>;
  /** Throws `unauthenticated`. */
  verifyToken(
    token: string,
    expected: { readonly purpose: string; readonly audience: string },
  ): Promise<Readonly<Record<string, unknown>>>;
};

type Principal = {
  readonly objectId: string;
  readonly kind: 'user' | 'application' | 'managedIdentity';
  readonly name: string;
  readonly clientId: string | undefined;
};

/** What this module holds of identity: who a credential stands for, as long as what it stands on stands. */
export type Principals = {
  /** Throws `unauthenticated`. */
  principalOf(objectId: unknown, standing: unknown): Promise<Principal>;
  bySecret(
    clientId: string,
    secret: string,
  ): Promise<{ readonly principal: Principal; readonly standing: string } | undefined>;
};

export type RepositoryAction = 'pull' | 'push' | 'delete';
/** `name` is `{registry}/{repository}`. */
export type Listed = { readonly name: string; readonly actions: readonly RepositoryAction[] };

export type RegistryTokens = {
  /** For the very principal that proved itself, with what it asked for. */
  issue(
    actor: Actor,
    listed: readonly Listed[],
  ): Promise<{ readonly token: string; readonly expiresInSeconds: number }>;
  issuePull(
    actor: Actor,
    entry: RegistryEntry,
    repository: string,
    digest: string,
    ttlSeconds: number,
  ): Promise<string>;
  /**
   * The actor of a token of ours, for a request that names a repository or for one that names none; undefined for another kind of
   * token. Throws `unauthenticated`.
   */
  actorOf(token: string, namesRepository: boolean): Promise<Actor | undefined>;
  principal(principal: Principal, method: string, standing: string): Actor;
  /** Whether the token that proved this actor lists the action; actors that came without such a token list everything. */
  lists(actor: Actor, name: string, action: RepositoryAction): boolean;
};

export const actionOf: Readonly<Record<RepositoryAction, Action>> = {
  pull: registryActions.pull,
  push: registryActions.push,
  delete: registryActions.deleteArtifacts,
};

const ruleOf = (ref: RepositoryRef, actions: readonly RepositoryAction[], reason: string): BoundsRule => ({
  scope: repositoryScope(ref),
  // What is written in a token of ours and is none of these allows nothing.
  actions: actions.flatMap((action) => (Object.hasOwn(actionOf, action) ? [actionOf[action].name] : [])),
  reason,
});

const purpose = 'registry';
const audience = 'urn:strongroom:registry';
/** The principal's roles count at every use; this is how long a stolen token is worth them. */
const tokenSeconds = 900;
export const pullTokenSecondsMax = 86_400;

export function createRegistryTokens(deps: {
  readonly tokens: Tokens;
  readonly principals: Principals;
  readonly registries: Registries;
  readonly clock: Clock;
  readonly tenantId: string;
}): RegistryTokens {
  const { tokens, principals, registries, clock, tenantId } = deps;

  const refOf = (name: string): RepositoryRef => {
    const [path = '', ...repository] = name.split('/');
    return { registry: registryIdOf(registries, path), repository: repository.join('/') };
  };

  function asActor(
    { kind, objectId, name, clientId }: Principal,
    proof: {
      readonly method: string;
      readonly standing: string;
      readonly tokenId?: string;
      readonly facts?: AuthenticationFacts;
      readonly bounds?: Bounds;
    },
  ): Actor {
    return createActor({ kind, objectId, tenantId, name, applicationId: clientId, ...proof });
  }

  /** Bounds that name one repository: `access` allows nothing else, whatever roles there are. */
  function puller(claims: Readonly<Record<string, unknown>>, ref: RepositoryRef, tokenId: string): Actor {
    return createActor({
      kind: 'run',
      objectId: String(claims['sub']),
      tenantId,
      name: `pull of ${ref.repository}`,
      method: 'registryToken',
      tokenId,
      facts: factsInClaims(claims),
      bounds: {
        roles: 'ignored',
        rules: [ruleOf(ref, ['pull'], `token that pulls ${ref.repository}`)],
        untilMs: refusedFromMs(claims),
      },
    });
  }

  return {
    async issue(actor, listed) {
      const { token } = await tokens.issueToken({
        purpose,
        audience,
        subject: actor.objectId,
        claims: { ...claimsOfFacts(actor.authentication), access: listed, standing: actor.authentication.standing },
        ttlSeconds: tokenSeconds,
      });
      return { token, expiresInSeconds: tokenSeconds };
    },

    async issuePull(actor, entry, repository, digest, ttlSeconds) {
      const { token } = await tokens.issueToken({
        purpose,
        audience,
        subject: actor.objectId,
        claims: {
          ...claimsOfFacts(actor.authentication),
          pull: { registry: entry.id, uniqueId: entry.uniqueId, repository, digest },
        },
        ttlSeconds,
      });
      return token;
    },

    async actorOf(token, namesRepository) {
      if (typeOf(token) !== `${purpose}+jwt`) return undefined;
      const claims = await tokens.verifyToken(token, { purpose, audience });
      const tokenId = String(claims['jti']);
      const pull = pullOf(claims);
      if (pull !== undefined) {
        // A registry of the same name that was made anew is not the one that the token was made for.
        const entry = registries.find(pull.registry);
        if (entry?.uniqueId !== pull.uniqueId) throw refused('The registry that this token was made for is gone.');
        return puller(claims, { registry: entry.id, repository: pull.repository }, tokenId);
      }
      const { standing } = claims;
      const principal = await principals.principalOf(claims['sub'], standing);
      const facts = factsInClaims(claims);
      const rules = listedIn(claims['access']).map(({ name, actions }) =>
        ruleOf(refOf(name), actions, `token for ${name}`),
      );
      return asActor(principal, {
        ...{ method: 'registryToken', tokenId, standing: String(standing), facts },
        // A ceiling over repositories. What names none is decided by the principal's roles alone.
        ...(namesRepository ? { bounds: { roles: 'needed', rules, untilMs: refusedFromMs(claims) } } : {}),
      });
    },

    principal: (principal, method, standing) => asActor(principal, { method, standing }),

    lists(actor, name, action) {
      const { bounds } = actor;
      if (bounds === undefined) return true;
      const now = { nowMs: clock.epochMs(), address: undefined };
      return ruleFor(bounds, actionOf[action].name, repositoryScope(refOf(name)), now) !== undefined;
    },
  };
}

const refused = (message: string) => new Failure({ kind: 'unauthenticated', code: 'UNAUTHORIZED', message });

/** The header's word for the kind of token. Not believed, only used to leave other kinds to other schemes. */
function typeOf(token: string): string | undefined {
  try {
    const header: unknown = JSON.parse(Buffer.from(token.split('.', 1)[0] ?? '', 'base64url').toString('utf8'));
    const type = typeof header === 'object' && header !== null && 'typ' in header ? header.typ : undefined;
    return typeof type === 'string' ? type.toLowerCase() : undefined;
  } catch {
    return undefined;
  }
}

// We signed what these two read, and a shape that we did not write grants nothing.
function pullOf(claims: Readonly<Record<string, unknown>>) {
  const pull = claims['pull'];
  if (pull === undefined) return undefined;
  const { registry, uniqueId, repository } = pull as Readonly<Record<string, unknown>>;
  if (typeof registry !== 'string' || typeof uniqueId !== 'string' || typeof repository !== 'string')
    throw refused('This token does not say what it pulls.');
  return { registry, uniqueId, repository };
}

function listedIn(access: unknown): readonly Listed[] {
  return Array.isArray(access) ? (access as readonly Listed[]) : [];
}
