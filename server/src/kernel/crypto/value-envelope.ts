// Sealed values: secrets, credentials and key material inside database rows.
// Promises: a value opens only in the table, row, column and version it was sealed for, so
// somebody who can write the database cannot move one secret into another's row.
// It must not be used for anything large (see stream-aead.ts) or for keys (see key-wrap.ts).

import { cryptoFailures } from './crypto.errors.ts';
import { type DataKey, encodeAssociated, openEnvelope, sealEnvelope } from './envelope.ts';

export type { DataKey } from './envelope.ts';
export { ENVELOPE_OVERHEAD_BYTES, MAX_ENVELOPE_PLAINTEXT_BYTES } from './envelope.ts';

/** Where a sealed value lives. `version` counts the writes of that cell (0 or more), so that an old ciphertext does not come back. */
export interface Place {
  readonly table: string;
  readonly row: string;
  readonly column: string;
  readonly version: number;
}

const WHAT = 'sealed value';

/** Seals `plaintext` for exactly one place. Layout: envelope.ts; adds 45 bytes. */
export function sealValue(key: DataKey, place: Place, plaintext: Uint8Array): Uint8Array {
  return sealEnvelope(key, encodePlace(place), plaintext);
}

/**
 * Opens a value in the place it is read from. `keyById` returns the key that an envelope names.
 * Throws `integrity` if key, place or a single bit is another.
 */
export function openValue(
  keyById: (id: string) => DataKey | undefined,
  place: Place,
  envelope: Uint8Array,
): Uint8Array {
  return openEnvelope(keyById, encodePlace(place), envelope, WHAT);
}

function encodePlace(place: Place): Uint8Array {
  if (!Number.isSafeInteger(place.version) || place.version < 0) {
    throw cryptoFailures.InvalidCryptoArgument('The version of a sealed value is a whole number, 0 or more.');
  }
  return encodeAssociated(['strongroom/value/1', place.table, place.row, place.column, String(place.version)]);
}
