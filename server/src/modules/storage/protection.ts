// How code that owns an account (a workspace) puts it under its customer's key, as its own identity. This is a function and
// not a property of the resource on purpose: no request can name the identity that a key is used as, so nobody can make the
// server use somebody else's rights in a vault.

import type { Grant } from '#kernel/authority/grant';
import { Failure } from '#kernel/errors/failure';
import type { DataKeys, WrapperRef } from '#kernel/sealing/data-keys';
import type { Resources } from '#resources';
import type { Accounts } from './accounts.ts';
import { requireAccountScope } from './scopes.ts';

export type Protect = (grant: Grant, account: string, wrapper: WrapperRef) => Promise<void>;

export function createProtection(deps: {
  readonly accounts: Accounts;
  readonly dataKeys: DataKeys;
  readonly resources: Resources;
}): Protect {
  return async (grant, account, wrapper) => {
    requireAccountScope(grant, account);
    const { id, uniqueId } = deps.accounts.byId(account);
    const protection =
      wrapper.kind === 'root'
        ? { encryption: { keySource: 'Microsoft.Storage' } }
        : { encryption: encryptionOf(wrapper.keyIdentifier), protector: wrapper.principal };
    // Idempotent: whoever was cut off in between calls it again.
    await deps.dataKeys.rewrap(uniqueId, wrapper);
    await deps.resources.change(grant, id, ({ protector: _, ...kept }) => ({ ...kept, ...protection }));
  };
}

function encryptionOf(keyIdentifier: string) {
  const found = /^(https:\/\/[^/]+)\/keys\/([A-Za-z0-9-]+)\/([A-Za-z0-9]+)$/.exec(keyIdentifier);
  if (found === null) {
    throw new Failure({
      kind: 'invalid',
      code: 'InvalidKeyIdentifier',
      message: "A customer's key is named with its version: https://{vault}/keys/{name}/{version}.",
    });
  }
  const [, keyvaulturi, keyname, keyversion] = found;
  return { keySource: 'Microsoft.Keyvault', keyvaultproperties: { keyvaulturi, keyname, keyversion } };
}
