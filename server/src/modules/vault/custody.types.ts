// The custody of private keys: a port, because where they are kept is a customer's decision. In software they lie sealed in the
// vault's rows; a module of hardware would hold them itself and give nothing back. So nothing here answers a private key, and
// nothing but an import, where the caller has it already, takes one. Who may use a key, when and for what is decided above. Every
// implementation passes custody.contract.ts.

import type { RsaBits, RsaEncryption, RsaPrivateParts, RsaPublicParts, RsaSignature } from '#kernel/crypto/rsa';

/** One version of one key: the vault by its uniqueId, the name as it was first written. */
export type KeyRef = {
  readonly vault: string;
  readonly name: string;
  readonly number: number;
  /** Random, so that a key which is made under a name again is another one. */
  readonly version: string;
};

export type PublicHalf = RsaPublicParts & { readonly bits: RsaBits };

/** A key that was made and has no place yet. */
export type FreshKey = {
  readonly publicHalf: PublicHalf;
  /**
   * Gives it its place, once: asked for before the transaction that writes the key's row, and what it answers is called within. That
   * answers what the row keeps for the custody: the sealed key, or what the custody finds it by. It is of no use to anybody else.
   */
  bind(): Promise<(ref: KeyRef) => Uint8Array>;
  /** Destroys it, when the row was not written after all. Does nothing to a key that `bind` was never asked for, but forget it. */
  drop(): Promise<void>;
};

/**
 * What the caller sent and does not fit is refused with `BadParameter`; what was stored and does not open, with `integrity`; a key that
 * is destroyed, or never was, with `KeyNotFound`.
 */
export type KeyCustody = {
  create(vault: string, bits: RsaBits): Promise<FreshKey>;
  /** The parts of a JSON web key that belong together. Whoever brought them may have kept them. */
  import(vault: string, parts: RsaPrivateParts): Promise<FreshKey>;
  decrypt(ref: KeyRef, algorithm: RsaEncryption, ciphertext: Uint8Array): Promise<Uint8Array>;
  /** As `decrypt`, of a key: hardware tells the two apart. */
  unwrap(ref: KeyRef, algorithm: RsaEncryption, wrapped: Uint8Array): Promise<Uint8Array>;
  /** Of a digest that the caller computed, as long as the algorithm's hash. */
  sign(ref: KeyRef, algorithm: RsaSignature, digest: Uint8Array): Promise<Uint8Array>;
  /** Afterwards these do nothing any more. Destroying again is nothing. */
  destroy(refs: readonly KeyRef[]): Promise<void>;
  /** The same for every key of a vault. */
  destroyAll(vault: string): Promise<void>;
};
