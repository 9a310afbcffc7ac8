// How code that owns a resource with sealed stores (a workspace its account and its registry) puts it under its customer's key,
// as its own identity. This is a function and not a property of the resource on purpose: no request can name the identity that
// a key is used as, so nobody can make the server use somebody else's rights in a vault.

import type { Grant } from '#kernel/authority/grant';
import type { DataKeys, WrapperRef } from '#kernel/sealing/data-keys';
import type { Properties, Resources } from '#resources';
import { storageFailures } from './storage.errors.ts';

/** @param id resource id of what is protected */
export type Protect = (grant: Grant, id: string, wrapper: WrapperRef) => Promise<void>;

/** A customer's key, and the identity that uses it. */
export type ProtectingKey = Extract<WrapperRef, { kind: 'vault' }> & {
  /** `https://{vault}`. */
  readonly vaultUri: string;
  readonly name: string;
  readonly version: string;
};

export function createProtection(deps: {
  /** Throws unless the grant reaches it. */
  readonly find: (grant: Grant, id: string) => { readonly id: string; readonly uniqueId: string };
  /** What the resource says of its key; without one it is under the root key. */
  readonly tell: (properties: Properties, key: ProtectingKey | undefined) => Properties;
  readonly dataKeys: DataKeys;
  readonly resources: Resources;
}): Protect {
  return async (grant, resourceId, wrapper) => {
    const { id, uniqueId } = deps.find(grant, resourceId);
    const key = wrapper.kind === 'root' ? undefined : { ...wrapper, ...partsOf(wrapper.keyIdentifier) };
    // Idempotent: whoever was cut off in between calls it again.
    await deps.dataKeys.rewrap(uniqueId, wrapper);
    await deps.resources.change(grant, id, (properties) => deps.tell(properties, key));
  };
}

function partsOf(keyIdentifier: string): { vaultUri: string; name: string; version: string } {
  const found = /^(https:\/\/[^/]+)\/keys\/([A-Za-z0-9-]+)\/([A-Za-z0-9]+)$/.exec(keyIdentifier);
  const [, vaultUri, name, version] = found ?? [];
  if (vaultUri === undefined || name === undefined || version === undefined) {
    throw storageFailures.InvalidKeyIdentifier();
  }
  return { vaultUri, name, version };
}
