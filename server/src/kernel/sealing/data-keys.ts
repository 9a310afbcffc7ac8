// The shape of data keys: who owns them, what wraps them. A data key encrypts data (a run database, a storage account, a
// registry); a wrapping key only ever wraps data keys. Rotation of a wrapping key rewraps and touches no data;
// destroying a data key is crypto-erasure. The implementation is beside this file.

import type { DataKey } from '#kernel/crypto/value-envelope';

/** What wraps a data key. `vault`: one version of a customer's key, used only through wrapKey and unwrapKey, as the given managed identity. */
export type WrapperRef =
  | { readonly kind: 'root' }
  | {
      readonly kind: 'vault';
      readonly keyIdentifier: string;
      readonly principal: { readonly objectId: string; readonly name: string };
    };

/** The port that `vault` implements for customer-managed keys. Throws the vault's own Failure (disabled, forbidden, gone). */
export type KeyWrapper = {
  wrap(ref: WrapperRef & { kind: 'vault' }, key: Uint8Array): Promise<Uint8Array>;
  unwrap(ref: WrapperRef & { kind: 'vault' }, wrapped: Uint8Array): Promise<Uint8Array>;
};

export type DataKeys = {
  /** Makes and stores a wrapped key. `owner` is the uniqueId of the resource whose data it seals. Idempotent for (owner, purpose). */
  ensure(owner: string, purpose: string, wrapper: WrapperRef): Promise<DataKey>;
  /**
   * The unwrapped key of (owner, purpose). A key under a customer's key is held at most 30 seconds after the vault last
   * unwrapped it; then the vault is asked again, once for all waiting. When it refuses: Failure `forbidden` with the
   * vault's code, and everyone told through `onClosed`.
   */
  open(owner: string, purpose: string): Promise<DataKey>;
  /** Rewraps every key of the owner under another wrapper. Atomic. */
  rewrap(owner: string, wrapper: WrapperRef): Promise<void>;
  /** Crypto-erasure: every wrapped key of the owner is gone, and cached ones too. */
  destroy(owner: string): Promise<void>;
  /** Called when a key may no longer be used (refused by the vault, rewrapped, destroyed): close what it opened. */
  onClosed(listener: (owner: string) => void): void;
};
