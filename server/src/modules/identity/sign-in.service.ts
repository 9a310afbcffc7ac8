// Checks a user name and a password. One answer for every way of being wrong, in about the same time, and fewer and
// fewer answers for whoever keeps asking. What a try is counted by is decided here (ADR 13): a stranger by his network, and by
// name from that network; a browser that signed in before by itself alone, so that no stranger can keep its user out.

import { addressKeys } from '#kernel/addresses/addresses';
import type { Clock } from '#kernel/clock/clock';
import type { Database } from '#kernel/database/database';
import type { Attempts, Counted } from './attempts.service.ts';
import type { Directory } from './directory.service.ts';
import * as store from './directory.store.ts';
import { identityFailures } from './identity.errors.ts';
import type { Passwords } from './passwords.service.ts';

export type SignedIn = {
  readonly objectId: string;
  /** Under which the password was checked: a later one was not proved. */
  readonly generation: number;
  /** Nothing may be issued before the password was changed. */
  readonly mustChange: boolean;
  /** Failed tries by others since the user signed in the last time. */
  readonly failedElsewhere: { readonly count: number; readonly lastAt: Date } | undefined;
};

export type SignIn = {
  /**
   * @throws Failure `unauthenticated` (code InvalidUserNameOrPassword) when they do not fit or the user is disabled,
   * `throttled` (TooManyAttempts) while what the try is counted by is locked
   */
  verify(attempt: {
    readonly userName: string;
    readonly password: string;
    readonly address: string | undefined;
    /** The id of the caller's device, if it is one that this user signed in with before. */
    readonly deviceOf?: (objectId: string) => string | undefined;
  }): Promise<SignedIn>;
  /**
   * Another password in place of one that must be changed, for whoever just said it. Answers the generation that counts now.
   * @throws Failure `invalid` when the new one is not good enough, `conflict` when the account was changed meanwhile
   */
  choosePassword(proved: { readonly objectId: string; readonly generation: number }, next: string): Promise<number>;
  /** Of somebody who is signed in: his tries count by themselves, and keep nobody from signing in. Throws as `verify`. */
  verifyOwn(userName: string, password: string): Promise<void>;
};

/** What a stranger's try is counted by. The first is the narrowest. */
function countedOf(userName: string, address: string | undefined): readonly Counted[] {
  const { near, wide } = addressKeys(address);
  const name = userName.toLowerCase();
  return [
    { by: 'nameHere', value: `${near} ${name}` },
    { by: 'name', value: name },
    { by: 'network', value: near },
    ...(wide === undefined
      ? []
      : ([
          { by: 'nameAtSite', value: `${wide} ${name}` },
          { by: 'site', value: wide },
        ] as const)),
  ];
}

export function createSignIn(options: {
  readonly database: Database;
  readonly clock: Clock;
  readonly passwords: Passwords;
  readonly attempts: Attempts;
  readonly directory: Pick<Directory, 'findPrincipal' | 'hashPassword' | 'replacePassword'>;
}): SignIn {
  const { database, clock, passwords, attempts, directory } = options;

  async function check(
    userName: string,
    password: string,
    counted: (credential: store.CredentialRow | undefined) => readonly Counted[],
  ): Promise<SignedIn> {
    const known = await store.findCredential(database.read, userName);
    const attempt = await attempts.begin(counted(known));
    try {
      // Again: what waited for its turn must not be checked against a password that was changed meanwhile.
      const credential = await store.findCredential(database.read, userName);
      // constant time: a hash is computed for a name that nobody has, too.
      const matches = await passwords.verify(credential?.passwordHash, password);
      if (credential === undefined || !matches || credential.enabled !== 1) {
        // One write either way: of a name that nobody has it touches no row.
        await attempt.failed((tx) => store.countFailedTry(tx, userName, clock.epochMs()));
        throw identityFailures.InvalidUserNameOrPassword();
      }
      const { objectId, generation, mustChange, failedTries, lastFailedAtMs } = credential;
      const others = failedTries - Math.ceil(attempt.ownFailures);
      await attempt.succeeded((tx) => store.forgetFailedTries(tx, objectId));
      return {
        objectId,
        generation,
        mustChange: mustChange === 1,
        failedElsewhere: others > 0 ? { count: others, lastAt: new Date(lastFailedAtMs ?? 0) } : undefined,
      };
    } finally {
      attempt.end();
    }
  }

  return {
    verify: ({ userName, password, address, deviceOf }) =>
      check(userName, password, (credential) => {
        const device = credential && deviceOf?.(credential.objectId);
        return device === undefined ? countedOf(userName, address) : [{ by: 'device', value: device }];
      }),
    async choosePassword({ objectId, generation }, next) {
      const user = await directory.findPrincipal(objectId);
      const credential = user && (await store.findCredential(database.read, user.name));
      if (user === undefined || credential === undefined || credential.generation !== generation)
        throw identityFailures.AccountChanged();
      const hash = await directory.hashPassword(next, [user.name, user.displayName]);
      if (await passwords.verify(credential.passwordHash, next)) throw identityFailures.samePassword();
      const replaced = await database.write((tx) => directory.replacePassword(tx, objectId, generation, hash));
      if (replaced === undefined) throw identityFailures.AccountChanged();
      return replaced;
    },
    async verifyOwn(userName, password) {
      await check(userName, password, () => [{ by: 'ownPassword', value: userName }]);
    },
  };
}
