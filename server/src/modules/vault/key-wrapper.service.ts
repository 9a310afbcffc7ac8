// Customer-managed keys from the inside: wraps and unwraps data keys with one version of a customer's key, as the managed
// identity that the customer gave the role to, and through the same rules as a call from outside. Every use is recorded, and
// every refusal. Stricter than a call from outside in one thing: an expired key does not unwrap either, so that a date on the
// key ends the use of the data that it protects.

import { vaultActions } from '@strongroom/contract/vault.actions';
import type { Acts } from '#kernel/authority/perform';
import type { Clock } from '#kernel/clock/clock';
import { asFailure, type Failure } from '#kernel/errors/failure';
import type { KeyWrapper, WrapperRef } from '#kernel/sealing/data-keys';
import type { Addresses } from './addresses.rules.ts';
import type { Directory } from './directory.service.ts';
import { type Keys, refuseOutsideItsTimes } from './keys.service.ts';
import { vaultFailures } from './vault.errors.ts';

type VaultRef = WrapperRef & { kind: 'vault' };

const algorithm = 'RSA-OAEP-256';
const uses = {
  wrapKey: { action: vaultActions.wrapKey, operation: 'DataKeys_Wrap', words: 'wrap' },
  unwrapKey: { action: vaultActions.unwrapKey, operation: 'DataKeys_Unwrap', words: 'unwrap' },
} as const;

export function createKeyWrapper(deps: {
  readonly addresses: Addresses;
  readonly directory: Directory;
  readonly keys: Keys;
  readonly acts: Pick<Acts, 'as'>;
  readonly clock: Clock;
}): KeyWrapper {
  const { addresses, directory, keys, acts, clock } = deps;

  async function use(ref: VaultRef, kind: keyof typeof uses, value: Uint8Array): Promise<Uint8Array> {
    const { action, operation, words } = uses[kind];
    const { vault, name, version } = addresses.parseKeyIdentifier(ref.keyIdentifier);
    if (version === undefined) throw vaultFailures.InvalidKeyIdentifier('it names no version');
    if (directory.byName(vault) === undefined) throw vaultFailures.VaultNotFound(vault);
    const { principal } = ref;
    let isAllowed = false;
    try {
      return await acts.as(
        principal,
        {
          operation,
          action,
          scope: directory.scope(vault, 'keys', name),
          parameters: { vault, name, version, alg: algorithm },
          reason: `${words}s a data key`,
        },
        async (grant) => {
          isAllowed = true;
          try {
            if (kind === 'unwrapKey')
              refuseOutsideItsTimes(await keys.get(grant, vault, name, version), kind, clock.epochMs());
            return (await keys.operate(grant, vault, { name, version }, kind, { algorithm, value })).value;
          } catch (thrown) {
            throw storedFault(kind, asFailure(thrown));
          }
        },
      );
    } catch (thrown) {
      const failure = asFailure(thrown);
      const isRefused = !isAllowed && failure.kind === 'forbidden';
      throw isRefused ? vaultFailures.ForbiddenByRbac(principal.name, principal.objectId, words) : failure;
    }
  }

  return {
    wrap: (ref, key) => use(ref, 'wrapKey', key),
    unwrap: (ref, wrapped) => use(ref, 'unwrapKey', wrapped),
  };
}

/** What does not open here was stored by us: that is a damage, not a wrong request. */
function storedFault(kind: keyof typeof uses, failure: Failure): Failure {
  if (kind !== 'unwrapKey' || failure.code !== 'BadParameter') return failure;
  return vaultFailures.IntegrityCheckFailed(failure);
}
