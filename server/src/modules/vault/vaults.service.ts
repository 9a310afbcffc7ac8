// What other modules hold of vaults: secrets by the vault's resource id, and what a key identifier names. Every call is decided
// by a further permission of the same caller, and recorded as if the caller had called the vault itself.

import { vaultActions } from '@strongroom/contract/vault.actions';
import type { Asker } from '#kernel/authority/actor';
import type { Action, Grant, Grants } from '#kernel/authority/grant';
import type { Acts, Facts } from '#kernel/authority/perform';
import { asFailure } from '#kernel/errors/failure';
import { type Secret, secret } from '#kernel/sealing/secret';
import type { Addresses } from './addresses.rules.ts';
import type { Directory, Vault } from './directory.service.ts';
import type { Keys } from './keys.service.ts';
import type { Secrets } from './secrets.service.ts';
import { vaultFailures } from './vault.errors.ts';

/** What a rule about a vault needs to know. Soft delete is always on. */
export type VaultFacts = {
  readonly id: string;
  readonly name: string;
  readonly uniqueId: string;
  readonly location: string;
  readonly softDelete: true;
  readonly retentionDays: number;
  readonly purgeProtection: boolean;
};

export type DescribedKey = {
  readonly vaultId: string;
  readonly name: string;
  readonly version: string;
  readonly enabled: boolean;
  readonly kty: 'RSA';
  /** Bits. */
  readonly size: number;
};

/** A secret: the latest of its versions, or one. */
export type SecretPlace = { readonly vaultId: string; readonly name: string; readonly version: string | undefined };

export type Vaults = {
  /** Makes the secret or a new version of it, and answers the version. */
  setSecret(grant: Grant, vaultId: string, name: string, value: string): Promise<string>;
  /** The latest value, or that of a version. Throws `SecretNotFound`, `SecretDisabled`, `VaultNotFound`. */
  getSecret(grant: Grant, vaultId: string, name: string, version?: string): Promise<Secret<string>>;
  /** What the address of a secret names. Throws `InvalidSecretIdentifier`. Decides nothing. */
  secretAt(identifier: string): SecretPlace;
  /** That the caller may read its value at this moment, and that there is one. Reads none. Throws what reading it throws. */
  checkSecret(grant: Grant, place: SecretPlace): Promise<void>;
  /**
   * The value, read in the name of who asked for what goes on now, as he may at this moment, and recorded as his.
   * @param use what stands in the record beside the secret, and why it was read
   */
  readSecretFor(
    asker: Asker,
    place: SecretPlace,
    use: { readonly reason: string; readonly parameters: Facts['parameters'] },
  ): Promise<Secret<string>>;
  /** Deletes softly. Says whether it was there. */
  deleteSecret(grant: Grant, vaultId: string, name: string): Promise<boolean>;
  /** What a key identifier with its version names. Throws `InvalidKeyIdentifier`, `KeyNotFound`. */
  describeKey(grant: Grant, keyIdentifier: string): Promise<DescribedKey>;
  /** The vault of a key identifier. Throws `InvalidKeyIdentifier`, `VaultNotFound`. Decides nothing: for rules, not for answers. */
  vaultOf(keyIdentifier: string): VaultFacts;
  /** The vault with that resource id. */
  find(vaultId: string): VaultFacts | undefined;
};

export function createVaults(deps: {
  readonly addresses: Addresses;
  readonly directory: Directory;
  readonly secrets: Secrets;
  readonly keys: Keys;
  readonly grants: Pick<Grants, 'also'>;
  readonly acts: Pick<Acts, 'also' | 'onBehalf'>;
}): Vaults {
  const { addresses, directory, secrets, keys, grants, acts } = deps;

  /** On an id that is no vault the same question is asked, so that a stranger learns nothing from the answer. */
  const onSecret = (
    vaultId: string,
    name: string,
    operation: string,
    action: Action,
    more: Facts['parameters'] = {},
  ): Facts => ({
    operation,
    action,
    scope: `${vaultId}/secrets/${name}`,
    parameters: { vault: lastOf(vaultId), name, ...more },
  });
  const nameOf = (vaultId: string): string => {
    const vault = directory.byId(vaultId);
    if (vault === undefined) throw vaultFailures.VaultNotFound(lastOf(vaultId));
    return vault.name;
  };

  return {
    setSecret: (grant, vaultId, name, value) =>
      acts.also(
        grant,
        onSecret(vaultId, name, 'Secrets_Set', vaultActions.setSecret),
        async (granted) => (await secrets.set(granted, nameOf(vaultId), name, { value })).version,
      ),
    getSecret: (grant, vaultId, name, version) =>
      acts.also(
        grant,
        onSecret(vaultId, name, 'Secrets_Get', vaultActions.getSecret, version === undefined ? {} : { version }),
        async (granted) => secret((await secrets.get(granted, nameOf(vaultId), name, version)).value),
      ),
    secretAt(identifier) {
      const { vault, name, version } = addresses.parseSecretIdentifier(identifier);
      return { vaultId: directory.scope(vault), name, version };
    },
    async checkSecret(grant, { vaultId, name, version }) {
      const { action, scope } = onSecret(vaultId, name, 'Secrets_Get', vaultActions.getSecret);
      await secrets.check(grants.also(grant, action, scope), nameOf(vaultId), name, version);
    },
    readSecretFor(asker, { vaultId, name, version }, { reason, parameters }) {
      const more = { ...(version === undefined ? {} : { version }), ...parameters };
      const facts = onSecret(vaultId, name, 'Secrets_Get', vaultActions.getSecret, more);
      return acts.onBehalf(asker, { ...facts, reason }, async (granted) =>
        secret((await secrets.get(granted, nameOf(vaultId), name, version)).value),
      );
    },
    deleteSecret: (grant, vaultId, name) =>
      acts.also(grant, onSecret(vaultId, name, 'Secrets_Delete', vaultActions.deleteSecret), async (granted) => {
        try {
          await secrets.remove(granted, nameOf(vaultId), name);
          return true;
        } catch (thrown) {
          if (asFailure(thrown).kind === 'notFound') return false;
          throw thrown;
        }
      }),
    async describeKey(grant, keyIdentifier) {
      const { vault, name, version } = addresses.parseKeyIdentifier(keyIdentifier);
      if (version === undefined)
        throw vaultFailures.InvalidKeyIdentifier('it names no version, and a version is needed');
      const granted = grants.also(grant, vaultActions.readKey, directory.scope(vault, 'keys', name));
      const found = await keys.get(granted, vault, name, version);
      return {
        vaultId: directory.granted(granted, vault).id,
        name: found.name,
        version: found.version,
        enabled: found.enabled,
        kty: found.detail.kty,
        size: found.detail.bits,
      };
    },
    vaultOf(keyIdentifier) {
      const { vault } = addresses.parseKeyIdentifier(keyIdentifier);
      const found = directory.byName(vault);
      if (found === undefined) throw vaultFailures.VaultNotFound(vault);
      return factsOf(found);
    },
    find(vaultId) {
      const found = directory.byId(vaultId);
      return found && factsOf(found);
    },
  };
}

const lastOf = (id: string): string => id.slice(id.lastIndexOf('/') + 1);
const factsOf = (vault: Vault): VaultFacts => ({ ...vault, softDelete: true });
