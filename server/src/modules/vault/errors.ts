// What the service of keys calls its refusals.

import type { Collection } from './objects.store.ts';
import { collectionFailures, vaultFailures } from './vault.errors.ts';

export const {
  BadParameter: badParameter,
  KeyExpired: keyExpired,
  KeyNotYetValid: keyNotYetValid,
  KeyOperationNotPermitted: operationNotPermitted,
} = vaultFailures;
export const disabled = (collection: Collection, operation: string) =>
  collectionFailures[collection].disabled(operation);
export { keyTypeNotServed } from './keys.rules.ts';
