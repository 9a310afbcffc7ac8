// Checks a user name and a password. One answer for every way of being wrong, in about the same time, and fewer and
// fewer answers for whoever keeps asking.

import type { Database } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import type { Attempts, Counted } from './attempts.ts';
import * as store from './directory.store.ts';
import type { Passwords } from './passwords.ts';

/** Under the generation that the password was checked in: a later one was not proved. */
export type SignedIn = { readonly objectId: string; readonly generation: number };

export type SignIn = {
  /**
   * @throws Failure `unauthenticated` (code InvalidUserNameOrPassword) when they do not fit or the user is disabled,
   * `throttled` (TooManyAttempts) while the name or the address is locked
   */
  verify(userName: string, password: string, address: string | undefined): Promise<SignedIn>;
};

export function createSignIn(options: {
  readonly database: Database;
  readonly passwords: Passwords;
  readonly attempts: Attempts;
}): SignIn {
  const { database, passwords, attempts } = options;
  return {
    async verify(userName, password, address) {
      const user: Counted = { by: 'user', value: userName };
      const counted: readonly Counted[] = address === undefined ? [user] : [user, { by: 'address', value: address }];
      const end = attempts.begin(counted);
      try {
        const credential = await store.findCredential(database.read, userName);
        // constant time: a hash is computed for a name that nobody has, too.
        const matches = await passwords.verify(credential?.passwordHash, password);
        if (credential === undefined || !matches || credential.enabled !== 1) {
          await attempts.failed(counted);
          throw new Failure({
            kind: 'unauthenticated',
            code: 'InvalidUserNameOrPassword',
            message: 'The user name or the password is not right.',
          });
        }
        // Only the name is forgiven: an address that guesses at many names may own one of them.
        await attempts.succeeded([user]);
        return { objectId: credential.objectId, generation: credential.generation };
      } finally {
        end();
      }
    },
  };
}
