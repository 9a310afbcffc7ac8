// Which types of keys vaults here hold, and whose fault it is when an operation fails.

import { Failure } from '#kernel/errors/failure';
import { vaultFailures } from './vault.errors.ts';

/** Types that the protocol has and vaults here do not hold. */
const typesNotServed: Readonly<Record<string, string>> = {
  EC: 'Elliptic-curve keys (EC)',
  'EC-HSM': 'Elliptic-curve keys in hardware (EC-HSM)',
  'RSA-HSM': 'Keys in hardware (RSA-HSM)',
  oct: 'Symmetric keys (oct)',
  'oct-HSM': 'Symmetric keys in hardware (oct-HSM)',
};

/** Of a type that the protocol has, it is said that the server lacks it: sending another is no advice to who needs this one. */
export function keyTypeNotServed(kty: string): Failure {
  const known = Object.hasOwn(typesNotServed, kty) ? typesNotServed[kty] : undefined;
  return known === undefined ? vaultFailures.unknownKeyType() : vaultFailures.KeyTypeNotServed(known);
}

/** What the caller sent is at fault when it does not open or does not fit, not what is stored. */
export function asParameters<R>(act: () => R): R {
  try {
    return act();
  } catch (thrown) {
    if (thrown instanceof Failure && thrown.kind === 'integrity') throw vaultFailures.notOpened();
    if (thrown instanceof Failure && thrown.kind === 'invalid') throw vaultFailures.notFitting(thrown.message);
    throw thrown;
  }
}
