// The root key: the one key that no other key of ours wraps. A port, because where it lies is a customer's decision: in a file
// (root-key-file.ts) today, in a module of hardware tomorrow. So it is used and never shown. It wraps keys and never encrypts data.
// Every implementation passes root-key.contract.ts.

import { hmacSha256 } from '#kernel/crypto/digest';
import { unwrapKey, wrapKey } from '#kernel/crypto/key-wrap';
import { sealingFailures } from './sealing.errors.ts';

export type RootKey = {
  /** Says which root key this is, without saying anything about it: safe in logs and files. */
  readonly id: string;
  /** Wraps a 32-byte key. `purpose` says what the key is for and must be given again, equal. */
  wrap(purpose: readonly string[], key: Uint8Array): Promise<Uint8Array>;
  /** Throws `integrity` when another root key, another purpose or another ciphertext is in play. */
  unwrap(purpose: readonly string[], wrapped: Uint8Array): Promise<Uint8Array>;
  /** Wipes the key from memory; wrapping and unwrapping are refused afterwards. */
  close(): void;
};

/** Over 32 bytes in memory, which are its own from here on. */
export function rootKeyOver(bytes: Uint8Array): RootKey {
  let closed = false;
  const key = { id: idOf(bytes), bytes };
  const usable = () => {
    // fails closed: a wiped key would wrap under zeros.
    if (closed) throw sealingFailures.RootKeyClosed();
    return key;
  };
  return {
    id: key.id,
    wrap: async (purpose, inner) => wrapKey(usable(), purpose, inner),
    async unwrap(purpose, wrapped) {
      const own = usable();
      return unwrapKey((id) => (id === own.id ? own : undefined), purpose, wrapped);
    },
    close() {
      closed = true;
      bytes.fill(0);
    },
  };
}

/** The same bytes have the same id, and the id tells nothing about the bytes. */
function idOf(bytes: Uint8Array): string {
  const hex = Buffer.from(hmacSha256(bytes, 'strongroom/root-key-id/1')).toString('hex').slice(0, 32);
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
