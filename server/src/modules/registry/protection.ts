// How code that owns a registry (a workspace) puts it under its customer's key, as its own identity. This is a function and
// not a property of the resource on purpose: no request can name the identity that a key is used as, so nobody can make the
// server use somebody else's rights in a vault.

import type { Grant } from '#kernel/authority/grant';
import { Failure } from '#kernel/errors/failure';
import type { DataKeys, WrapperRef } from '#kernel/sealing/data-keys';
import type { Resources } from '#resources';
import type { Registries } from './registries.ts';
import { requireRegistryScope } from './scopes.ts';

/** @param registryId resource id of the registry */
export type Protect = (grant: Grant, registryId: string, wrapper: WrapperRef) => Promise<void>;

const versionedKey = /^https:\/\/[^/]+\/keys\/[A-Za-z0-9-]+\/[A-Za-z0-9]+$/;

export function createProtection(deps: {
  readonly registries: Registries;
  readonly dataKeys: DataKeys;
  readonly resources: Resources;
}): Protect {
  return async (grant, registryId, wrapper) => {
    requireRegistryScope(grant, registryId);
    const { id, uniqueId } = deps.registries.byId(registryId);
    const encryption = encryptionOf(wrapper);
    // Idempotent: whoever was cut off in between calls it again.
    await deps.dataKeys.rewrap(uniqueId, wrapper);
    await deps.resources.change(grant, id, (properties) => ({ ...properties, encryption }));
  };
}

function encryptionOf(wrapper: WrapperRef) {
  if (wrapper.kind === 'root') return { status: 'disabled' };
  const { keyIdentifier, principal } = wrapper;
  if (!versionedKey.test(keyIdentifier)) {
    throw new Failure({
      kind: 'invalid',
      code: 'InvalidKeyIdentifier',
      message: "A customer's key is named with its version: https://{vault}/keys/{name}/{version}.",
    });
  }
  return { status: 'enabled', keyVaultProperties: { keyIdentifier, identity: principal.objectId } };
}
