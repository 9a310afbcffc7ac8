// What an issued credential stands on, and whether that still stands. Every token that acts for a principal names the
// generation of the principal's credentials that it was issued under and, where there is one, the client secret that asked
// for it or the sign-in that it came of. All three are compared for equality at every use. Times are never compared here: a
// clock has a grain, within which a withdrawn password would go on working, and it can be set back.

import type { Clock } from '#kernel/clock/clock';
import type { Database } from '#kernel/database/database';
import type { Telemetry } from '#kernel/telemetry/telemetry';
import type { Directory, Principal } from './directory.service.ts';
import * as store from './directory.store.ts';
import { identityFailures } from './identity.errors.ts';
import { identityMeters } from './meters.ts';

/** `7`, `7.secret.{id of the secret}` or `7.grant.{key of the sign-in}`. A claim of tokens; others only hand it on. */
export type Standing = string;

export type Standings = {
  /**
   * The principal, if it exists, is enabled, and what the token stands on has not changed since.
   * @throws Failure `unauthenticated` (InvalidAuthenticationToken) that says which
   */
  principalOf(objectId: unknown, standing: unknown): Promise<Principal>;
  /** Who this secret belongs to, with what a token for it stands on; undefined when it is not right. */
  bySecret(
    clientId: string,
    secret: string,
  ): Promise<{ readonly principal: Principal; readonly standing: Standing } | undefined>;
};

type Ground = { readonly by: 'secret' | 'grant'; readonly id: string };

export const standingOf = ({ generation }: Pick<Principal, 'generation'>, ground?: Ground): Standing =>
  ground === undefined ? String(generation) : `${generation}.${ground.by}.${ground.id}`;

export function createStandings(deps: {
  readonly database: Database;
  readonly clock: Clock;
  readonly directory: Pick<Directory, 'findPrincipal' | 'findBySecret'>;
  readonly isGrant: (key: string) => Promise<boolean>;
  readonly telemetry: Telemetry;
}): Standings {
  const { database, clock, directory, isGrant } = deps;
  const failures = deps.telemetry.counter(identityMeters.failures);

  async function stands({ clientId = '' }: Principal, { by, id }: Ground): Promise<boolean> {
    if (by === 'grant') return await isGrant(id);
    const end = await database.remembered(`secret ${clientId} ${id}`, (tx) => store.secretEnd(tx, clientId, id));
    return end !== undefined && end > clock.epochMs();
  }

  return {
    async principalOf(objectId, standing) {
      const principal = typeof objectId === 'string' ? await directory.findPrincipal(objectId) : undefined;
      if (principal === undefined || !principal.enabled)
        throw identityFailures.InvalidAuthenticationToken(
          'The principal that this token was issued to was removed or disabled.',
        );
      const read = readStanding(standing);
      if (read === undefined)
        throw identityFailures.InvalidAuthenticationToken('This token does not say what it stands on. Sign in again.');
      if (read.generation !== principal.generation)
        throw identityFailures.InvalidAuthenticationToken(
          'What this token stands on has changed since it was issued: a new password, sessions that were ended, or an account that was disabled for a time. Sign in again.',
        );
      if (read.ground !== undefined && !(await stands(principal, read.ground)))
        throw identityFailures.InvalidAuthenticationToken(
          read.ground.by === 'secret'
            ? 'The client secret that this token was issued for was removed or has expired. Sign in with another one.'
            : 'The sign-in that this token came of was ended. Sign in again.',
        );
      return principal;
    },
    async bySecret(clientId, secret) {
      const found = await directory.findBySecret(clientId, secret);
      if (found === undefined) {
        failures.add({ method: 'client_secret' });
        return undefined;
      }
      const { principal, secretId } = found;
      return { principal, standing: standingOf(principal, { by: 'secret', id: secretId }) };
    },
  };
}

function readStanding(
  standing: unknown,
): { readonly generation: number; readonly ground: Ground | undefined } | undefined {
  if (typeof standing !== 'string') return undefined;
  const [, generation, by, id = ''] = /^(\d{1,15})(?:\.(secret|grant)\.([0-9a-f-]{1,64}))?$/.exec(standing) ?? [];
  if (generation === undefined) return undefined;
  return {
    generation: Number(generation),
    ground: by === 'secret' || by === 'grant' ? { by, id } : undefined,
  };
}
