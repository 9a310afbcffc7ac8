// The door of identity: who are you. Gives compose the sign-in surface with its routes, and gives other modules the
// directory, the bearer scheme and tokens. It uses no other module; what protects its secrets is handed in.

import { tenantDomain } from '@strongroom/contract/identity';
import { nothingProved } from '#kernel/authority/facts';
import type { Clock } from '#kernel/clock/clock';
import { randomToken } from '#kernel/crypto/random';
import type { Database } from '#kernel/database/database';
import { tableOf } from '#kernel/errors/failures';
import type { Scheme } from '#kernel/http/surface';
import type { Log } from '#kernel/log/log';
import type { Module } from '#kernel/module';
import type { Telemetry } from '#kernel/telemetry/telemetry';
import { accessClaims, accessTokenSeconds, issuerOf } from './access-claims.rules.ts';
import { createAttempts } from './attempts.service.ts';
import { knownAudiences, readRequested } from './audiences.rules.ts';
import { type BearerOptions, createBearerScheme } from './bearer.scheme.ts';
import { type Bootstrapped, bootstrap, renewCredentials } from './bootstrap.service.ts';
import { createDevices } from './devices.service.ts';
import { createDirectory, type Directory } from './directory.service.ts';
import { graphFailures } from './graph.errors.ts';
import { graphRoutes } from './graph.routes.ts';
import { createGraph } from './graph.service.ts';
import { createGraphSurface } from './graph.surface.ts';
import { identityFailures } from './identity.errors.ts';
import { createInteractions } from './interaction.service.ts';
import type { Leaving } from './leaving.port.ts';
import { identityMeters } from './meters.ts';
import { directoryTables } from './migrations/0001-directory.ts';
import { sessionTables } from './migrations/0002-sessions.ts';
import { generations } from './migrations/0003-generations.ts';
import { signInAttempts } from './migrations/0004-attempts.ts';
import { secretNames } from './migrations/0005-secret-names.ts';
import { oauthFailures } from './oauth.errors.ts';
import { oauthRoutes } from './oauth.routes.ts';
import { createOAuth } from './oauth.service.ts';
import { createOpenIdRecords } from './openid.store.ts';
import { createOpenIdClients } from './openid-clients.service.ts';
import { createOpenIdHost } from './openid-host.wire.ts';
import { type Calls, createProvider } from './openid-provider.wire.ts';
import { createPasswords } from './passwords.service.ts';
import { createRate } from './rate.service.ts';
import { createRevocations } from './revocations.service.ts';
import { createSignIn } from './sign-in.service.ts';
import { createSigningKeys, type SecretStore } from './signing-keys.service.ts';
import { createStandings, type Standings, standingOf } from './standings.service.ts';
import { createOAuthSurface } from './surface.ts';
import { createTokens, createVerifier, signAccessToken, type Tokens } from './tokens.service.ts';

export type { BearerOptions } from './bearer.scheme.ts';
export { type Bootstrapped, readBootstrapped } from './bootstrap.service.ts';
export type { Directory, Principal } from './directory.service.ts';
export { html, type Markup, type Page, page } from './frame.page.ts';
export { pageAnswer } from './pages.wire.ts';
export { createSignedAddresses, type SignedAddress, type SignedAddresses } from './signed-addresses.scheme.ts';
export type { SecretStore } from './signing-keys.service.ts';
export type { Standing, Standings } from './standings.service.ts';
export { accessTokenType, type IssuedToken, type NewToken, type TokenClaims, type Tokens } from './tokens.service.ts';

/** For compose, which opens the database before there is an identity module. */
export const identityMigrations = {
  module: 'identity',
  migrations: [directoryTables, sessionTables, generations, signInAttempts, secretNames],
};

export type Tenant = { readonly tenantId: string; readonly domain: string; readonly displayName: string };

export type Identity = Module & {
  readonly directory: Directory;
  /** Accepts our access tokens for these audiences. Put it last: it refuses every bearer token that is not one. */
  readonly bearerScheme: (options: BearerOptions) => Scheme;
  readonly tokens: Tokens;
  /** For credentials that other modules issue to principals: what they stand on, and whether it still stands. */
  readonly standings: Standings;
  /** New credentials for the administrator and the automation application, when nobody was told the first ones. */
  renewCredentials(): Promise<{ readonly password: string; readonly clientSecret: string }>;
  readonly tenant: Tenant;
  /** Every audience that tokens are issued for, in normal form. */
  readonly audiences: readonly string[];
  /**
   * An access token for a principal that proved itself elsewhere: a managed identity through its agent. `resource` as the
   * client spelled it, `origin` one of ours. Throws `invalid` (invalid_scope), `unauthenticated` when it is gone or disabled.
   */
  issueAccessToken(input: { readonly objectId: string; readonly resource: string; readonly origin: string }): Promise<{
    readonly accessToken: string;
    readonly expiresInSeconds: number;
    readonly expiresOn: Date;
    readonly resource: string;
    readonly clientId: string;
  }>;
  /** Removes what has expired. For a periodic task; every few minutes. */
  sweep(): Promise<void>;
};

/** The facts of the installation, made at its first start: before anything is composed, and the same at every later one. */
export const firstStart = (database: Database, clock: Clock): Promise<Bootstrapped> =>
  bootstrap(database, createDirectory({ database, clock, passwords: createPasswords() }));

export function createIdentity(deps: {
  /** Migrated, and first started: the facts of the installation are there. */
  readonly database: Database;
  readonly installed: Bootstrapped;
  readonly clock: Clock;
  readonly log: Log;
  readonly telemetry: Telemetry;
  readonly secretStore: SecretStore;
  /** What this server is called by, each `https://host[:port]` in lower case; the first is the usual one. */
  readonly origins: readonly string[];
  /** The domain below which vaults and accounts have names, with its port. */
  readonly domain: string;
  /** Audiences besides the usual ones. */
  readonly furtherAudiences?: readonly string[];
  /** Asked before a principal is disabled or removed. Managed identities are removed by their resources, which ask themselves. */
  readonly leaving: Leaving;
  readonly keyRotationDays?: number;
}): Identity {
  const { database, clock, log, telemetry, secretStore, origins, domain } = deps;
  const { tenantId, subscriptionId } = deps.installed;
  const audiences = knownAudiences(origins, domain, deps.furtherAudiences);

  const passwords = createPasswords();
  const attempts = createAttempts({ database, clock, telemetry });
  const directory = createDirectory({ database, clock, passwords });
  const revocations = createRevocations({ database, clock });
  const signingKeys = createSigningKeys({
    secretStore,
    clock,
    ...(deps.keyRotationDays === undefined ? {} : { rotationDays: deps.keyRotationDays }),
  });
  const verifier = createVerifier({ signingKeys, clock });
  const tokens = createTokens({
    signingKeys,
    verifier,
    revocations,
    clock,
    issuer: () => `urn:strongroom:tenant:${tenantId}`,
  });
  const records = createOpenIdRecords({ database, clock });
  const clients = createOpenIdClients(directory, origins);
  const standings = createStandings({ database, clock, directory, isGrant: records.isGrant, telemetry });
  const bearerScheme = createBearerScheme({ verifier, revocations, standings, tenantId, origins });

  const calls: Calls = new WeakMap();
  const host = createOpenIdHost({
    tenantId,
    origins,
    calls,
    signingKid: async () => (await signingKeys.current()).kid,
    create: async (origin) =>
      createProvider({
        origin,
        tenantId,
        audiences,
        signingJwk: (await signingKeys.current()).privateJwk,
        records,
        clients,
        directory,
        standings,
        clock,
        log,
        calls,
      }),
  });
  const beginnings = createRate({ clock, limit: 300, windowMs: 60_000 });
  const oauth = createOAuth({ audiences, tenantId, attempts, beginnings, clock });
  const signIn = createSignIn({ database, clock, passwords, attempts, directory });
  const devices = createDevices({ secretStore, clock });
  const interactions = createInteractions({ signIn, devices, tenantId, clock });
  const graph = createGraph({ database, directory, signIn, clock, leaving: deps.leaving });
  const graphBearer = bearerScheme({ audiences: origins.map((origin) => `${origin}/msgraph`) });

  async function sweep(): Promise<void> {
    await records.sweep();
    await revocations.sweep();
    await attempts.sweep();
  }

  return {
    name: 'identity',
    failures: [tableOf(identityFailures), tableOf(oauthFailures), tableOf(graphFailures)],
    surfaces: [
      createOAuthSurface({ tenantId, now: () => clock.now() }),
      createGraphSurface({ bearer: graphBearer, now: () => clock.now() }),
    ],
    routes: [
      ...oauthRoutes({ visit: host.visit, oauth, interactions, signingKeys, tenantId }),
      ...graphRoutes({ graph, subscriptionId }),
    ],
    migrations: identityMigrations,
    meters: Object.values(identityMeters),
    async start() {
      await devices.load();
      await revocations.load();
      await signingKeys.current();
    },
    directory,
    bearerScheme,
    tokens,
    standings,
    renewCredentials: () => renewCredentials(database, directory),
    tenant: { tenantId, domain: tenantDomain, displayName: 'Strongroom' },
    audiences,
    async issueAccessToken({ objectId, resource, origin }) {
      const requested = readRequested({ scope: undefined, resource }, audiences);
      const principal = await directory.findPrincipal(objectId);
      if (principal === undefined || !principal.enabled || principal.kind === 'user' || !principal.clientId)
        throw identityFailures.IdentityNotFound();
      if (!origins.includes(origin)) throw new Error('a token is issued under one of our own origins');
      const epochSeconds = Math.floor(clock.epochMs() / 1000);
      const claims = accessClaims({
        principal,
        audience: requested.asked ?? resource,
        issuer: issuerOf(origin, tenantId),
        tenantId,
        clientId: principal.clientId,
        tokenId: randomToken(16),
        standing: standingOf(principal),
        facts: nothingProved,
        epochSeconds,
      });
      return {
        accessToken: await signAccessToken(signingKeys, claims),
        expiresInSeconds: accessTokenSeconds,
        expiresOn: new Date((epochSeconds + accessTokenSeconds) * 1000),
        resource,
        clientId: principal.clientId,
      };
    },
    periodic: [{ name: 'identity-sweep', everyMs: 300_000, run: sweep }],
    sweep,
  };
}
