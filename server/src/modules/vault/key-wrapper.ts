// Customer-managed keys from the inside: wraps and unwraps data keys with one version of a customer's key, as the managed
// identity that the customer gave the role to, and through the same rules as a call from outside. Every use is recorded, and
// every refusal. Stricter than a call from outside in one thing: an expired key does not unwrap either, so that a date on the
// key ends the use of the data that it protects.

import { vaultActions } from '@strongroom/contract/vault.actions';
import { managedIdentity } from '#kernel/authority/actor';
import type { AuditIntent, AuditTrail } from '#kernel/authority/audit';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import { asFailure, Failure } from '#kernel/errors/failure';
import type { KeyWrapper, WrapperRef } from '#kernel/sealing/data-keys';
import type { Addresses } from './addresses.ts';
import type { Directory } from './directory.ts';
import { badKeyIdentifier, identityRefused, vaultNotFound } from './errors.ts';
import { type Keys, refuseOutsideItsTimes } from './keys.service.ts';

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
  readonly grants: Pick<Grants, 'as'>;
  readonly audit: AuditTrail;
  readonly clock: Clock;
  readonly tenantId: string;
}): KeyWrapper {
  const { addresses, directory, keys, grants, audit, clock, tenantId } = deps;

  async function use(ref: VaultRef, kind: keyof typeof uses, value: Uint8Array): Promise<Uint8Array> {
    const { action, operation, words } = uses[kind];
    const { vault, name, version } = addresses.parseKeyIdentifier(ref.keyIdentifier);
    if (version === undefined) throw badKeyIdentifier('it names no version');
    if (directory.byName(vault) === undefined) throw vaultNotFound(vault);
    const scope = directory.scope(vault, 'keys', name);
    const requestId = randomUuid();
    const actor = managedIdentity(ref.principal, tenantId);
    const record = (decision: 'allowed' | 'refused', reason: string): AuditIntent => ({
      operation,
      action: action.name,
      scope,
      actor,
      requestId,
      correlationId: requestId,
      clientRequestId: undefined,
      method: 'POST',
      path: `/keys/${name}/${version}/${kind.toLowerCase()}`,
      address: undefined,
      userAgent: undefined,
      decision,
      reason,
      parameters: { vault, name, version, alg: algorithm },
      bodyDigest: undefined,
    });

    let grant: Grant;
    try {
      grant = grants.as(ref.principal, action, scope, `${words}s a data key`);
    } catch (thrown) {
      const failure = asFailure(thrown);
      await audit.refused(record('refused', failure.code), { status: failure.status, code: failure.code });
      throw failure.kind === 'forbidden' ? identityRefused(ref.principal.name, ref.principal.objectId, words) : failure;
    }

    const mark = await audit.begin('activity', record('allowed', grant.reason));
    try {
      if (kind === 'unwrapKey') {
        const readable = await keys.get(grant, vault, name, version);
        refuseOutsideItsTimes(readable, kind, clock.epochMs());
      }
      const done = await keys.operate(grant, vault, { name, version }, kind, { algorithm, value });
      await mark.conclude({ status: 200, code: undefined });
      return done.value;
    } catch (thrown) {
      const failure = storedFault(kind, asFailure(thrown));
      await mark.conclude({ status: failure.status, code: failure.code });
      throw failure;
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
  return new Failure({
    kind: 'integrity',
    code: 'IntegrityCheckFailed',
    message: 'This wrapped key does not open: it was changed, or another key wrapped it. Restore it from a backup.',
    cause: failure,
  });
}
