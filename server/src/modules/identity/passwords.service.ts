// Passwords: Argon2id with OWASP's parameters, at most a few at once. What everybody tries first (lists of leaked passwords,
// keyboard rows, years, the user's own name) is refused when it is set, as NIST SP 800-63B asks. A password is checked even for a user that does not
// exist, so that neither the answer nor its time tells. Must never log, return or store what was typed.

import { hash, verify } from '@node-rs/argon2';
import { randomToken } from '#kernel/crypto/random';
import { Failure } from '#kernel/errors/failure';
import { identityFailures } from './identity.errors.ts';
import { strengthOf } from './strength.service.ts';

/** 19 MiB, two passes, one lane: OWASP's recommendation for Argon2id, the library's default. The hash names its own. */
const parameters = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
const lengthMin = 12;
const lengthMax = 1024;
const concurrent = 4;
const waitingMax = 64;

export type Passwords = {
  /**
   * @param about what must not be all there is to it: names of the user
   * @throws Failure `invalid` (InvalidPassword) when it is too short, too long or easy to guess
   */
  hash(password: string, about?: readonly string[]): Promise<string>;
  /** `expected` undefined stands for a user that does not exist: takes the same time and is false. */
  verify(expected: string | undefined, password: string): Promise<boolean>;
};

/** 20 random characters in groups, 119 bits: as long as nobody has to type it twice. */
export function generatePassword(): string {
  const letters = randomToken(48).replace(/[^A-Za-z0-9]/g, '');
  return (letters.slice(0, 20).match(/.{5}/g) ?? [letters]).join('-');
}

/** Every guess that is made before the hundred-millionth, by the estimate of zxcvbn: far more than the common ones. */
const scoreMin = 3;
/** What is longer is judged by its beginning: the estimate grows faster than the password. */
const estimatedLength = 100;

async function isEasy(password: string, about: readonly string[]): Promise<boolean> {
  const names = about
    .flatMap((name) => [name, ...name.split('@'), ...name.split(/[\s@.]+/)])
    .flatMap((name) => [name, name.replaceAll(/[^\p{L}\p{N}]/gu, '')])
    .filter((name) => name !== '');
  const question = { password: password.slice(0, estimatedLength), about: [...names, 'strongroom'] };
  return (await strengthOf(question)) < scoreMin;
}

export function createPasswords(): Passwords {
  let running = 0;
  const waiting: (() => void)[] = [];
  let decoy: Promise<string> | undefined;

  /** Each hash takes 19 MiB and a core: a flood of sign-ins must queue, and then be refused. */
  async function bounded<T>(work: () => Promise<T>): Promise<T> {
    if (running >= concurrent) {
      if (waiting.length >= waitingMax) throw identityFailures.TooManySignIns();
      await new Promise<void>((next) => waiting.push(next));
    } else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  }

  return {
    async hash(password, about = []) {
      if (password.length < lengthMin || password.length > lengthMax)
        throw identityFailures.passwordLength(lengthMin, lengthMax);
      if (await isEasy(password, about)) throw identityFailures.easyPassword();
      return await bounded(() => hash(password, parameters));
    },
    async verify(expected, password) {
      decoy ??= hash(randomToken(), parameters);
      const against = expected ?? (await decoy);
      const matches =
        password.length <= lengthMax && (await bounded(() => verify(against, password)).catch(refuseMalformed));
      return matches && expected !== undefined;
    },
  };
}

/** fails closed: a stored hash that cannot be read matches nothing; being busy is said, not hidden. */
function refuseMalformed(thrown: unknown): boolean {
  if (thrown instanceof Failure) throw thrown;
  return false;
}
