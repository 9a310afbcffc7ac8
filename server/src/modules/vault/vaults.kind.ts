// The vault as a resource. Promises: authorized by roles only, because under access policies whoever may write the vault could
// grant himself its secrets; soft delete always on; retention chosen once; purge protection never taken back; a vault whose
// keys protect other data, or which promised to keep what was deleted, is not deleted. A deleted vault is gone with its keys.

import { VaultProperties } from '@strongroom/contract/vault';
import type { Clock } from '#kernel/clock/clock';
import type { Database } from '#kernel/database/database';
import { activity } from '#kernel/http/route';
import { sameId } from '#kernel/ids/ids';
import type { DataKeyService } from '#kernel/sealing/data-keys.service';
import type { Draft, Properties, Resource, ResourceKind } from '#resources';
import type { Addresses } from './addresses.ts';
import type { Directory, Vault } from './directory.ts';
import { vaultErrors } from './errors.ts';
import { masterKeyPurpose } from './objects.service.ts';
import * as objects from './objects.store.ts';

export const vaultType = 'Microsoft.KeyVault/vaults';
/** Letters, digits and single hyphens, because the name becomes a host. */
export const vaultName = /^(?=.{3,24}$)[A-Za-z](-?[A-Za-z0-9])*$/;
export const vaultNameRule =
  'It has 3 to 24 letters, digits and hyphens, begins with a letter, ends with a letter or digit, and has no two hyphens together.';

const retentionDaysDefault = 90;

export function createVaultKind(deps: {
  readonly database: Database;
  readonly dataKeys: Pick<DataKeyService, 'ensure' | 'destroy' | 'vaultWrapped'>;
  readonly directory: Directory;
  readonly addresses: Addresses;
  readonly clock: Clock;
  readonly tenantId: string;
}): ResourceKind {
  const { database, dataKeys, directory, addresses, clock, tenantId } = deps;

  function check(asked: Properties, held: Vault | undefined): void {
    const acls = asked['networkAcls'] as { readonly defaultAction?: string } | undefined; // checked by the schema
    if (String(asked['tenantId']).toLowerCase() !== tenantId.toLowerCase()) throw vaultErrors.otherTenant();
    if (asked['enableRbacAuthorization'] !== true) throw vaultErrors.accessPolicies();
    if (asked['enableSoftDelete'] !== true) throw vaultErrors.softDelete();
    if (!isStandard(asked['sku'])) throw vaultErrors.sku();
    if ((acls?.defaultAction ?? 'Allow').toLowerCase() !== 'allow') throw vaultErrors.network();
    if (String(asked['publicNetworkAccess']).toLowerCase() !== 'enabled') throw vaultErrors.network();
    if (asked['createMode'] !== undefined) throw vaultErrors.createMode();
    if (held === undefined) return;
    if (asked['softDeleteRetentionInDays'] !== held.retentionDays) throw vaultErrors.retention(held.retentionDays);
    if (held.purgeProtection && asked['enablePurgeProtection'] !== true) throw vaultErrors.purgeProtection();
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

  const vaultOf = (resource: Resource): Vault => ({
    name: resource.name,
    id: resource.id,
    uniqueId: resource.uniqueId,
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
    unserved: [
      'accessPolicies',
      'enabledForDeployment',
      'enabledForDiskEncryption',
      'enabledForTemplateDeployment',
      'hsmPoolResourceId',
      'privateEndpointConnections',
    ],
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
        ...(createMode.toLowerCase() === 'default' ? {} : { createMode }),
      };
    },

    async validate(_grant, draft, existing, id) {
      const name = id.slice(id.lastIndexOf('/') + 1);
      const held = directory.byName(name);
      if (held !== undefined && !sameId(held.id, id)) throw vaultErrors.nameTaken(name);
      // What was promised holds for as long as the vault is there, also when the resource is written anew after a failure.
      check(draft.properties, held ?? (existing && vaultOf(existing)));
    },

    async create(_grant, resource) {
      await directory.put(vaultOf(resource));
      await dataKeys.ensure(resource.uniqueId, masterKeyPurpose, { kind: 'root' });
      return undefined;
    },

    async update(_grant, resource) {
      await directory.put(vaultOf(resource));
      return undefined;
    },

    async remove(_grant, { uniqueId }) {
      const vault = directory.byUniqueId(uniqueId);
      if (vault !== undefined) {
        const inUse = await wrapped(vault);
        if (inUse > 0) throw vaultErrors.wrapsData(vault.name, inUse);
        await database.write((tx) => objects.purgeDue(tx, clock.epochMs()));
        const held = vault.purgeProtection ? await objects.countObjects(database.read, uniqueId) : 0;
        if (held > 0) throw vaultErrors.protectedContent(vault.name, held);
      }
      // Order matters: without its key nothing of the vault opens, whatever happens after.
      await dataKeys.destroy(uniqueId);
      await database.write((tx) => objects.purgeVault(tx, uniqueId));
      await directory.remove(uniqueId);
    },

    view: ({ name, properties }) => ({ ...properties, accessPolicies: [], vaultUri: addresses.vaultUri(name) }),
  };
}

function isStandard(sku: unknown): boolean {
  const { family = 'A', name } = (sku ?? {}) as { readonly family?: string; readonly name?: string }; // by the schema
  return family.toUpperCase() === 'A' && name?.toLowerCase() === 'standard';
}
