// The custody of keys in software: the private half is sealed in the row of its version and opened for one operation at a time.
// It never blocks the event loop for longer than one private operation: keys are made on another thread, one at a time.

import { generateRsaKey, importRsaParts, importRsaPkcs8, type RsaBits, type RsaKey } from '#kernel/crypto/rsa';
import type { Database } from '#kernel/database/database';
import { createTurn } from '#kernel/turns/turns';
import type { FreshKey, KeyCustody, KeyRef } from './custody.types.ts';
import { asParameters } from './keys.rules.ts';
import type { Material } from './material.service.ts';
import * as store from './objects.store.ts';
import { vaultFailures } from './vault.errors.ts';

/** Generating takes a thread for seconds; one at a time, and no more than this at it and waiting. */
const generationsMax = 16;

const atOf = ({ vault, name, number, version }: KeyRef): store.VersionAt => ({
  ...{ vault, collection: 'keys', name },
  ...{ number, version },
});

export function createSoftwareCustody(deps: { readonly database: Database; readonly material: Material }): KeyCustody {
  const { database, material } = deps;
  const generating = createTurn({ max: generationsMax, refuse: () => vaultFailures.Throttled() });
  const generate = (bits: RsaBits): Promise<RsaKey> => generating(() => generateRsaKey(bits));

  function fresh(vault: string, key: RsaKey): FreshKey {
    return {
      publicHalf: { bits: key.bits, ...key.parts },
      async bind() {
        const seal = await material.sealer(vault);
        return (ref) => {
          const pkcs8 = key.exportPkcs8();
          try {
            return seal(atOf(ref), pkcs8);
          } finally {
            pkcs8.fill(0);
          }
        };
      },
      // What the row would have kept went with the row.
      drop: async () => {},
    };
  }

  async function opened(ref: KeyRef): Promise<RsaKey> {
    const pkcs8 = await material.open(atOf(ref));
    try {
      return importRsaPkcs8(pkcs8);
    } finally {
      pkcs8.fill(0);
    }
  }

  const decrypt: KeyCustody['decrypt'] = async (ref, algorithm, ciphertext) => {
    const key = await opened(ref);
    return asParameters(() => key.decrypt(algorithm, ciphertext));
  };

  return {
    create: async (vault, bits) => fresh(vault, await generate(bits)),
    import: async (vault, parts) =>
      fresh(
        vault,
        asParameters(() => importRsaParts(parts)),
      ),
    decrypt,
    unwrap: decrypt,
    async sign(ref, algorithm, digest) {
      const key = await opened(ref);
      return asParameters(() => key.signDigest(algorithm, digest));
    },
    // The key lies in the row of its version.
    destroy: (refs) => database.write((tx) => store.removeVersions(tx, refs.map(atOf)), { rows: refs.length }),
    destroyAll: (vault) => database.write((tx) => store.removeVersionsOf(tx, vault, 'keys')),
  };
}
