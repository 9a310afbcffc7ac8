// Wrapping of data keys under a 32-byte wrapping key: the root key, a vault master key, a
// workspace key. Same layout as sealed values, another context, so that neither opens as the other.
// It must only ever see keys: rotation of a wrapping key rewraps these and touches no data.

import { cryptoFailures } from './crypto.errors.ts';
import { type DataKey, encodeAssociated, KEY_BYTES, openEnvelope, sealEnvelope } from './envelope.ts';

const WHAT = 'wrapped key';

/**
 * Wraps a 32-byte key. `purpose` is a list of names that say what the key is for (for example
 * `['workspace', id, 'run database']`); it must be equal at unwrapping.
 */
export function wrapKey(wrapping: DataKey, purpose: readonly string[], key: Uint8Array): Uint8Array {
  if (key.length !== KEY_BYTES)
    throw cryptoFailures.InvalidCryptoArgument(`A wrapped key has exactly ${KEY_BYTES} bytes.`);
  return sealEnvelope(wrapping, encodePurpose(purpose), key);
}

/** Unwraps a key, or throws `integrity`. `wrappingById` returns the wrapping key that the envelope names. */
export function unwrapKey(
  wrappingById: (id: string) => DataKey | undefined,
  purpose: readonly string[],
  wrapped: Uint8Array,
): Uint8Array {
  const key = openEnvelope(wrappingById, encodePurpose(purpose), wrapped, WHAT);
  if (key.length !== KEY_BYTES) throw cryptoFailures.IntegrityCheckFailed(WHAT);
  return key;
}

function encodePurpose(purpose: readonly string[]): Uint8Array {
  if (purpose.length === 0)
    throw cryptoFailures.InvalidCryptoArgument('A wrapped key needs a purpose: name what the key is for.');
  return encodeAssociated(['strongroom/key/1', ...purpose]);
}
