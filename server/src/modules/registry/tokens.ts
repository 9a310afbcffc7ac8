// Tokens of the registry protocol. One kind stands for a principal and is a ceiling: it lists what its client asked for, and
// whether the principal may do that is decided again at every use. The other kind carries its own bounds: it pulls one
// repository of one registry and does nothing else. No token is stored.

import { registryActions } from '@strongroom/contract/registry.actions';
import { type Actor, createActor } from '#kernel/authority/actor';
import { type AuthenticationFacts, claimsOfFacts, factsInClaims } from '#kernel/authority/facts';
import { Failure } from '#kernel/errors/failure';
import { pathOf, type Registries, type RegistryEntry } from './registries.ts';
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
  /** The actor of a token of ours; undefined for another kind of token. Throws `unauthenticated`. */
  actorOf(token: string): Promise<Actor | undefined>;
  principal(principal: Principal, method: string, standing: string): Actor;
  /** Whether the token that proved this actor lists the action; actors that came without such a token list everything. */
  lists(actor: Actor, name: string, action: RepositoryAction): boolean;
};

const purpose = 'registry';
const audience = 'urn:strongroom:registry';
/** The principal's roles count at every use; this is how long a stolen token is worth them. */
const tokenSeconds = 900;
export const pullTokenSecondsMax = 86_400;

export function createRegistryTokens(deps: {
  readonly tokens: Tokens;
  readonly principals: Principals;
  readonly registries: Registries;
  readonly tenantId: string;
}): RegistryTokens {
  const { tokens, principals, registries, tenantId } = deps;
  const ceilings = new WeakMap<Actor, readonly Listed[]>();

  function asActor(
    { kind, objectId, name, clientId }: Principal,
    proof: {
      readonly method: string;
      readonly standing: string;
      readonly tokenId?: string;
      readonly facts?: AuthenticationFacts;
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
        workspaceId: repositoryScope(ref),
        runId: `pull of ${ref.repository}`,
        experimentId: undefined,
        actions: [registryActions.pull.name],
        inputs: [],
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

    async actorOf(token) {
      if (typeOf(token) !== `${purpose}+jwt`) return undefined;
      const claims = await tokens.verifyToken(token, { purpose, audience });
      const tokenId = String(claims['jti']);
      const pull = pullOf(claims);
      if (pull !== undefined) {
        // A registry of the same name that was made anew is not the one that the token was made for.
        const entry = registries.find(pull.registry);
        if (entry?.uniqueId !== pull.uniqueId) throw refused('The registry that this token was made for is gone.');
        const actor = puller(claims, { registry: entry.id, repository: pull.repository }, tokenId);
        ceilings.set(actor, [{ name: `${pathOf(entry.name)}/${pull.repository}`, actions: ['pull'] }]);
        return actor;
      }
      const { standing } = claims;
      const principal = await principals.principalOf(claims['sub'], standing);
      const facts = factsInClaims(claims);
      const actor = asActor(principal, { method: 'registryToken', tokenId, standing: String(standing), facts });
      ceilings.set(actor, listedIn(claims['access']));
      return actor;
    },

    principal: (principal, method, standing) => asActor(principal, { method, standing }),

    lists(actor, name, action) {
      const ceiling = ceilings.get(actor);
      return ceiling === undefined || ceiling.some((one) => one.name === name && one.actions.includes(action));
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
