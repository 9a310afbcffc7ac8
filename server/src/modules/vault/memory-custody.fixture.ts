// For tests: a custody that keeps the platform's key objects, as hardware would keep its own, and leaves the vault's rows nothing
// but a name. That it passes the contract shows that nothing in the port needs a private key to come out.

import { randomUUID } from 'node:crypto';
import { generateRsaKey, importRsaParts, type RsaKey } from '#kernel/crypto/rsa';
import type { FreshKey, KeyCustody, KeyRef } from './custody.types.ts';
import { asParameters } from './keys.rules.ts';
import { vaultFailures } from './vault.errors.ts';

/** What is left of a key once nothing can export it. */
type Held = Pick<RsaKey, 'decrypt' | 'signDigest'> & { readonly ref: KeyRef };

export function createMemoryCustody(): KeyCustody & { readonly held: () => number } {
  const keys = new Map<string, Held>();
  const idOf = ({ vault, version }: KeyRef) => `${vault}/${version}`;

  function heldAt(ref: KeyRef): Held {
    const held = keys.get(idOf(ref));
    // Its place is all of it: the same version under another name or number is nobody's.
    if (held === undefined || held.ref.name.toLowerCase() !== ref.name.toLowerCase() || held.ref.number !== ref.number)
      throw vaultFailures.KeyNotFound(ref.name);
    return held;
  }

  function fresh({ decrypt, signDigest, bits, parts }: RsaKey): FreshKey {
    let bound: KeyRef | undefined;
    return {
      publicHalf: { bits, ...parts },
      bind: async () => (ref) => {
        bound = ref;
        keys.set(idOf(ref), { decrypt, signDigest, ref });
        return Buffer.from(randomUUID());
      },
      async drop() {
        if (bound !== undefined) keys.delete(idOf(bound));
      },
    };
  }

  const decrypt: KeyCustody['decrypt'] = async (ref, algorithm, ciphertext) => {
    const held = heldAt(ref);
    return asParameters(() => held.decrypt(algorithm, ciphertext));
  };

  return {
    create: async (_vault, bits) => fresh(await generateRsaKey(bits)),
    import: async (_vault, parts) => fresh(asParameters(() => importRsaParts(parts))),
    decrypt,
    unwrap: decrypt,
    async sign(ref, algorithm, digest) {
      const held = heldAt(ref);
      return asParameters(() => held.signDigest(algorithm, digest));
    },
    async destroy(refs) {
      for (const ref of refs) keys.delete(idOf(ref));
    },
    async destroyAll(vault) {
      for (const id of keys.keys()) if (id.startsWith(`${vault}/`)) keys.delete(id);
    },
    held: () => keys.size,
  };
}
