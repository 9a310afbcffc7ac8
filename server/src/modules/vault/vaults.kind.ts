// The vault as a resource. Promises: authorized by roles only, because under access policies whoever may write the vault could
// grant himself its secrets; soft delete always on; retention chosen once; purge protection never taken back; a vault whose
// keys protect other data is not deleted. A deleted vault lies in the bin with all that it holds, and keeps its name, for the
// retention that it was made with (deleted-vaults.service.ts); a PUT with createMode `recover` brings it back.

import { VaultProperties } from '@strongroom/contract/vault';
import type { Clock } from '#kernel/clock/clock';
import { activity } from '#kernel/http/route';
import { sameId } from '#kernel/ids/ids';
import type { DataKeyService } from '#kernel/sealing/data-keys.service';
import type { Draft, Properties, Resource, ResourceKind } from '#resources';
import type { Addresses } from './addresses.rules.ts';
import type { Directory, Vault } from './directory.service.ts';
import { masterKeyPurpose } from './material.service.ts';
import { vaultsFailures } from './vaults.errors.ts';
import { unservedOfVaults } from './vaults.unserved.ts';

export const vaultType = 'Microsoft.KeyVault/vaults';
/** Letters, digits and single hyphens, because the name becomes a host. */
export const vaultName = /^(?=.{3,24}$)[A-Za-z](-?[A-Za-z0-9])*$/;
export const vaultNameRule =
  'It has 3 to 24 letters, digits and hyphens, begins with a letter, ends with a letter or digit, and has no two hyphens together.';

const retentionDaysDefault = 90;
const dayMs = 86_400_000;

export function createVaultKind(deps: {
  readonly dataKeys: Pick<DataKeyService, 'ensure' | 'vaultWrapped' | 'destroy'>;
  readonly directory: Directory;
  /** Whether anything is in it, deleted secrets and keys included. */
  readonly isEmpty: (uniqueId: string) => Promise<boolean>;
  readonly addresses: Addresses;
  readonly clock: Clock;
  readonly tenantId: string;
}): ResourceKind {
  const { dataKeys, directory, isEmpty, addresses, clock, tenantId } = deps;

  function check(asked: Properties, held: Vault | undefined): void {
    const acls = asked['networkAcls'] as { readonly defaultAction?: string } | undefined; // checked by the schema
    if (String(asked['tenantId']).toLowerCase() !== tenantId.toLowerCase()) throw vaultsFailures.otherTenant();
    if (asked['enableRbacAuthorization'] !== true) throw vaultsFailures.accessPolicies();
    if (asked['enableSoftDelete'] !== true) throw vaultsFailures.softDelete();
    if (!isStandard(asked['sku'])) throw vaultsFailures.sku();
    if ((acls?.defaultAction ?? 'Allow').toLowerCase() !== 'allow') throw vaultsFailures.network();
    if (String(asked['publicNetworkAccess']).toLowerCase() !== 'enabled') throw vaultsFailures.network();
    if (held === undefined) return;
    if (asked['softDeleteRetentionInDays'] !== held.retentionDays) throw vaultsFailures.retention(held.retentionDays);
    if (held.purgeProtection && asked['enablePurgeProtection'] !== true) throw vaultsFailures.purgeProtection();
  }

  /** What the vault was, under a resource that is new. Run again after a crash it finds the vault among the living. */
  async function recover({ id, name }: Resource): Promise<Properties> {
    const binned = directory.deleted(name);
    const held = directory.byId(id);
    if (held === undefined && binned === undefined) throw vaultsFailures.nothingToRecover(name);
    const vault = held ?? (binned && (await directory.recover(binned, id)));
    return {
      createMode: undefined,
      contentId: vault?.uniqueId,
      softDeleteRetentionInDays: vault?.retentionDays,
      enablePurgeProtection: vault?.purgeProtection === true ? true : undefined,
    };
  }

  /** Keys of this vault that wrap data of others, by the owners of that data. */
  async function wrapped(vault: Vault): Promise<number> {
    const all = await dataKeys.vaultWrapped();
    return all.filter(({ keyIdentifier }) => vaultIn(keyIdentifier)?.uniqueId === vault.uniqueId).length;
  }

  /** An identifier that names no vault of this server keeps none from being deleted. */
  function vaultIn(keyIdentifier: string): Vault | undefined {
    try {
      return directory.byName(addresses.parseKeyIdentifier(keyIdentifier).vault);
    } catch {
      return undefined;
    }
  }

  /** A recovered vault is another resource, which holds what the one before it held: under that one's unique id. */
  const vaultOf = (resource: Resource): Vault => ({
    name: resource.name,
    id: resource.id,
    uniqueId: String(resource.properties['contentId'] ?? resource.uniqueId),
    location: resource.location ?? '',
    retentionDays: Number(resource.properties['softDeleteRetentionInDays']),
    purgeProtection: resource.properties['enablePurgeProtection'] === true,
  });

  return {
    type: vaultType,
    title: 'key vault',
    namePattern: vaultName,
    nameRule: vaultNameRule,
    properties: VaultProperties,
    unserved: unservedOfVaults,
    location: 'required',
    audit: { write: activity('vaultName'), remove: activity('vaultName') },

    normalise(draft: Draft, existing: Resource | undefined): Properties {
      const asked = draft.properties;
      const before = existing?.properties ?? {};
      // Azure shows purge protection only where it is on; and false is what a client says that never heard of it.
      const isProtected = asked['enablePurgeProtection'] ?? before['enablePurgeProtection'] ?? false;
      const createMode = String(asked['createMode'] ?? 'default');
      return {
        tenantId: asked['tenantId'] ?? tenantId,
        sku: asked['sku'] ?? { family: 'A', name: 'standard' },
        enableRbacAuthorization: asked['enableRbacAuthorization'] ?? true,
        enableSoftDelete: asked['enableSoftDelete'] ?? true,
        softDeleteRetentionInDays:
          asked['softDeleteRetentionInDays'] ?? before['softDeleteRetentionInDays'] ?? retentionDaysDefault,
        ...(isProtected === true ? { enablePurgeProtection: true } : {}),
        publicNetworkAccess: asked['publicNetworkAccess'] ?? 'Enabled',
        ...(asked['networkAcls'] === undefined ? {} : { networkAcls: asked['networkAcls'] }),
        ...(createMode.toLowerCase() === 'default' ? {} : { createMode: createMode.toLowerCase() }),
        ...(before['contentId'] === undefined ? {} : { contentId: before['contentId'] }),
      };
    },

    async validate(_grant, draft, existing, id) {
      const name = id.slice(id.lastIndexOf('/') + 1);
      const held = directory.byName(name);
      if (held !== undefined && !sameId(held.id, id)) throw vaultsFailures.VaultAlreadyExists(name);
      const binned = directory.deleted(name);
      const { createMode } = draft.properties;
      if (createMode === 'recover') {
        check(draft.properties, undefined);
        if (held !== undefined) throw vaultsFailures.notDeleted(name);
        const isThere = binned !== undefined && sameId(binned.id, id) && sameLocation(binned.location, draft.location);
        if (!isThere) throw vaultsFailures.nothingToRecover(name);
        if (binned.purgeAtMs <= clock.epochMs()) throw vaultsFailures.DeletedVaultIsBeingPurged(name);
        return;
      }
      if (createMode !== undefined) throw vaultsFailures.createMode();
      if (held === undefined && binned !== undefined) throw vaultsFailures.ConflictError(name);
      // What was promised holds for as long as the vault is there, also when the resource is written anew after a failure.
      check(draft.properties, held ?? (existing && vaultOf(existing)));
    },

    async create(_grant, resource) {
      if (resource.properties['createMode'] === 'recover') return await recover(resource);
      const vault = vaultOf(resource);
      const isNew = directory.byId(resource.id) === undefined;
      await directory.put(vault);
      try {
        await dataKeys.ensure(vault.uniqueId, masterKeyPurpose, { kind: 'root' });
      } catch (thrown) {
        // What never was a vault leaves nothing in the bin.
        if (isNew) await directory.remove(vault.uniqueId);
        throw thrown;
      }
      return undefined;
    },

    async update(_grant, resource) {
      await directory.put(vaultOf(resource));
      return undefined;
    },

    async remove(_grant, { id, tags, properties, provisioningState }) {
      const vault = directory.byId(id);
      if (vault === undefined) return;
      // A creation that is taken back after a crash: the name in the bin would keep out whoever begins it again. One that was
      // being recovered goes back where it was.
      const wasNone = provisioningState === 'Creating' && properties['createMode'] !== 'recover';
      if (wasNone && (await isEmpty(vault.uniqueId))) {
        await directory.remove(vault.uniqueId);
        await dataKeys.destroy(vault.uniqueId);
        return;
      }
      const inUse = await wrapped(vault);
      if (inUse > 0) throw vaultsFailures.VaultInUse(vault.name, inUse);
      const deletedAtMs = clock.epochMs();
      await directory.bin({ ...vault, tags, deletedAtMs, purgeAtMs: deletedAtMs + vault.retentionDays * dayMs });
    },

    view: ({ name, properties: { contentId: _, createMode: __, ...shown } }) => ({
      ...shown,
      vaultUri: addresses.vaultUri(name),
    }),
  };
}

/** `West Europe` is `westeurope`. */
export const sameLocation = (one: string, other: string | undefined): boolean =>
  one.replaceAll(' ', '').toLowerCase() === other?.replaceAll(' ', '').toLowerCase();

function isStandard(sku: unknown): boolean {
  const { family = 'A', name } = (sku ?? {}) as { readonly family?: string; readonly name?: string }; // by the schema
  return family.toUpperCase() === 'A' && name?.toLowerCase() === 'standard';
}
