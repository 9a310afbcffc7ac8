// Tokens of the registry protocol. One kind stands for a principal and is a ceiling: it lists what its client asked for, and
// whether the principal may do that is decided again at every use. Another kind is worth such tokens and nothing else: what
// Azure's clients exchange an access token for. The third carries its own bounds: it pulls one repository of one registry and
// does nothing else. No token is stored.

import { registryActions } from '@strongroom/contract/registry.actions';
import { type Actor, createActor } from '#kernel/authority/actor';
import type { Bounds, BoundsRule } from '#kernel/authority/bounds';
import { type AuthenticationFacts, claimsOfFacts, factsInClaims, refusedFromMs } from '#kernel/authority/facts';
import type { Action } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { pathOf, type Registries, type RegistryEntry } from './registries.service.ts';
import { registryFailures } from './registry.errors.ts';
import { registryIdOf } from './requests.wire.ts';
import { type RepositoryRef, repositoryScope } from './scopes.rules.ts';

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

export type RepositoryAction = 'pull' | 'push' | 'delete' | 'metadata_read' | 'metadata_write';
/** `name` is `{registry}/{repository}`, or `catalog`: the names of what there is. */
export type Listed =
  | { readonly type: 'repository'; readonly name: string; readonly actions: readonly RepositoryAction[] }
  | { readonly type: 'registry'; readonly name: 'catalog'; readonly actions: readonly ['*'] };

/** What a request needs a token to list; nothing at the door of the protocol. */
export type Asked = { readonly name: string; readonly action: RepositoryAction } | 'catalog' | undefined;

export type RegistryTokens = {
  /** For the very principal that proved itself, with what it asked for. */
  issue(
    actor: Actor,
    listed: readonly Listed[],
  ): Promise<{ readonly token: string; readonly expiresInSeconds: number }>;
  /** Worth tokens of the same principal for a while, no longer than what proved the actor is worth anything itself. */
  issueRefresh(actor: Actor): Promise<string>;
  /** Who a token of `issueRefresh` stands for. Throws `unauthenticated`. */
  refreshedBy(token: string): Promise<Actor>;
  isRefresh(token: string): boolean;
  issuePull(
    actor: Actor,
    entry: RegistryEntry,
    repository: string,
    digest: string,
    ttlSeconds: number,
  ): Promise<string>;
  /**
   * The actor of a token of ours, for a request that asks for this; undefined for another kind of token. Throws `unauthenticated`,
   * also where the token does not list what is asked for.
   */
  actorOf(token: string, asked: Asked): Promise<Actor | undefined>;
  principal(principal: Principal, method: string, standing: string): Actor;
};

export const actionOf: Readonly<Record<RepositoryAction, Action>> = {
  pull: registryActions.pull,
  push: registryActions.push,
  delete: registryActions.deleteArtifacts,
  metadata_read: registryActions.pull,
  metadata_write: registryActions.push,
};

const describing: ReadonlySet<RepositoryAction> = new Set(['metadata_read', 'metadata_write', 'delete']);
const content: ReadonlySet<RepositoryAction> = new Set(['pull', 'push', 'delete']);

function requireListed(listed: readonly Listed[], asked: Asked): void {
  if (asked === undefined) return;
  if (asked === 'catalog') {
    if (listed.some(({ type, name }) => type === 'registry' && name === 'catalog')) return;
    throw registryFailures.catalogNotListed();
  }
  const { name, action } = asked;
  if (listed.some((one) => one.type === 'repository' && one.name === name && one.actions.includes(action))) return;
  throw registryFailures.actionNotListed(action, name);
}

const ruleOf = (ref: RepositoryRef, actions: readonly RepositoryAction[], reason: string): BoundsRule => ({
  scope: repositoryScope(ref),
  // What is written in a token of ours and is none of these allows nothing.
  actions: actions.flatMap((action) => (Object.hasOwn(actionOf, action) ? [actionOf[action].name] : [])),
  reason,
});

const purpose = 'registry';
const refreshPurpose = 'registry-refresh';
const audience = 'urn:strongroom:registry';
/** The principal's roles count at every use; this is how long a stolen token is worth them. */
const tokenSeconds = 900;
/** As Azure's. What it is made from mostly ends earlier, and it ends with that. */
const refreshTokenSeconds = 3 * 3600;
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
      readonly endsAtMs?: number;
      readonly facts?: AuthenticationFacts;
      readonly bounds?: Bounds;
    },
  ): Actor {
    return createActor({ kind, objectId, tenantId, name, applicationId: clientId, ...proof });
  }

  /**
   * Two words of the protocol may stand for one right. A request that describes has what the token lists for describing, and any
   * other what it lists for content, so that neither word is worth the other in what services ask for besides.
   */
  function ceilingOf(
    listed: readonly Listed[],
    { action: asked }: Exclude<Asked, 'catalog' | undefined>,
    untilMs: number | undefined,
  ): Bounds {
    const words = describing.has(asked) ? describing : content;
    const rules = listed.flatMap((one) =>
      one.type === 'repository'
        ? [
            ruleOf(
              refOf(one.name),
              one.actions.filter((action) => words.has(action)),
              `token for ${one.name}`,
            ),
          ]
        : [],
    );
    return { roles: 'needed', rules, untilMs };
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
      // What it stands on ends, and it with that.
      const { endsAtMs = Number.POSITIVE_INFINITY } = actor.authentication;
      const ttlSeconds = Math.min(tokenSeconds, Math.floor((endsAtMs - clock.epochMs()) / 1000));
      if (ttlSeconds <= 0) throw registryFailures.accessTokenEnded();
      const { token } = await tokens.issueToken({
        purpose,
        audience,
        subject: actor.objectId,
        claims: { ...claimsOfFacts(actor.authentication), access: listed, standing: actor.authentication.standing },
        ttlSeconds,
      });
      return { token, expiresInSeconds: ttlSeconds };
    },

    async issueRefresh(actor) {
      const { standing, endsAtMs = Number.POSITIVE_INFINITY } = actor.authentication;
      const ttlSeconds = Math.min(refreshTokenSeconds, Math.floor((endsAtMs - clock.epochMs()) / 1000));
      // Taken a moment after its end, as clocks differ: good enough to act by, and not to make another one of.
      if (ttlSeconds <= 0) throw registryFailures.accessTokenEnded();
      const claims = { ...claimsOfFacts(actor.authentication), standing };
      const subject = actor.objectId;
      const { token } = await tokens.issueToken({ purpose: refreshPurpose, audience, subject, claims, ttlSeconds });
      return token;
    },

    async refreshedBy(token) {
      const claims = await tokens.verifyToken(token, { purpose: refreshPurpose, audience });
      const { sub, standing, jti, exp } = claims;
      const principal = await principals.principalOf(sub, standing);
      const proof = { method: 'registryRefreshToken', tokenId: String(jti), facts: factsInClaims(claims) };
      return asActor(principal, { ...proof, standing: String(standing), endsAtMs: Number(exp) * 1000 });
    },

    isRefresh: (token) => typeOf(token) === `${refreshPurpose}+jwt`,

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

    async actorOf(token, asked) {
      if (typeOf(token) !== `${purpose}+jwt`) return undefined;
      const claims = await tokens.verifyToken(token, { purpose, audience });
      const tokenId = String(claims['jti']);
      const pull = pullOf(claims);
      if (pull !== undefined) {
        // A registry of the same name that was made anew is not the one that the token was made for.
        const entry = registries.find(pull.registry);
        if (entry?.uniqueId !== pull.uniqueId) throw registryFailures.registryGone();
        const name = `${pathOf(entry.name)}/${pull.repository}`;
        requireListed([{ type: 'repository', name, actions: ['pull'] }], asked);
        return puller(claims, { registry: entry.id, repository: pull.repository }, tokenId);
      }
      const { standing } = claims;
      const principal = await principals.principalOf(claims['sub'], standing);
      const listed = listedIn(claims['access']);
      requireListed(listed, asked);
      return asActor(principal, {
        ...{ method: 'registryToken', tokenId, standing: String(standing), facts: factsInClaims(claims) },
        // A ceiling over repositories. What names none is decided by the principal's roles alone.
        ...(typeof asked === 'object' ? { bounds: ceilingOf(listed, asked, refusedFromMs(claims)) } : {}),
      });
    },

    principal: (principal, method, standing) => asActor(principal, { method, standing }),
  };
}

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
    throw registryFailures.pullsNothing();
  return { registry, uniqueId, repository };
}

function listedIn(access: unknown): readonly Listed[] {
  return Array.isArray(access) ? (access as readonly Listed[]) : [];
}
