// The storage account as a resource. It promises that nothing weakens an account: public access, plain HTTP and shared keys
// are refused with a reason instead of being accepted and ignored. Its key is wrapped under the root key, or under a
// customer's key as the account's own identity; whose identity that is can not be said in a request (see protection.service.ts).

import { UsageList } from '@strongroom/contract/quotas';
import { quotasActions } from '@strongroom/contract/quotas.actions';
import { StorageAccountProperties, type StorageEncryption, StorageSku } from '@strongroom/contract/storage';
import type { Clock } from '#kernel/clock/clock';
import type { Quotas } from '#kernel/files/quota';
import { accessed, json, unrecorded } from '#kernel/http/route';
import type { DataKeys, WrapperRef } from '#kernel/sealing/data-keys';
import type { Addressed, Draft, Properties, Resource, ResourceAction, ResourceKind } from '#resources';
import { unservedOfAccounts } from './account.unserved.ts';
import type { Accounts } from './accounts.service.ts';
import { accountNamePattern, accountNameRule, reservedAccountNames } from './names.rules.ts';
import { keyPurposes, type OpenedAccounts } from './opened-accounts.service.ts';
import type { ProtectingKey } from './protection.service.ts';
import { storageFailures } from './storage.errors.ts';
import { usageOf } from './usages.rules.ts';

export const accountType = 'Microsoft.Storage/storageAccounts';

/** What is stored: the request's properties with every default filled in, and what is kept beside them. */
export type AccountState = {
  readonly encryption: StorageEncryption;
  /** Set when the account was made; an account without it was never finished. */
  readonly creationTime?: string;
  /** The identity that uses the customer's key in place of the account's own. Written in process only. */
  readonly protector?: { readonly objectId: string; readonly name: string };
};

export function createAccountKind(deps: {
  readonly accounts: Accounts;
  readonly opened: OpenedAccounts;
  readonly dataKeys: DataKeys;
  readonly clock: Clock;
  readonly domain: string;
  readonly quotas?: Quotas;
}): ResourceKind {
  const { accounts, opened, dataKeys, clock, domain } = deps;
  return {
    type: accountType,
    title: 'storage account',
    // Azure's clients take 201 for an error here.
    createdStatus: 200,
    namePattern: accountNamePattern,
    nameRule: accountNameRule,
    properties: StorageAccountProperties,
    unserved: unservedOfAccounts,
    location: 'required',
    identity: true,
    sku: StorageSku,
    normalise,
    async validate(_grant, draft, existing, id) {
      const name = id.slice(id.lastIndexOf('/') + 1);
      if (reservedAccountNames.has(name))
        throw storageFailures.InvalidRequestPropertyValue('name', `'${name}' is a path of this server; choose another`);
      if (accounts.isTaken(name, id)) throw storageFailures.StorageAccountAlreadyTaken(name);
      refuseWeakness(draft);
      checkEncryption(draft, existing);
    },
    async create(_grant, resource) {
      const { id, name, uniqueId } = resource;
      // Two who asked for one name at once both passed `validate`; here the first one wins.
      if (!accounts.add({ id, name, uniqueId })) throw storageFailures.StorageAccountAlreadyTaken(name);
      try {
        const wrapper = wrapperOf(resource);
        await dataKeys.ensure(uniqueId, keyPurposes.files, wrapper);
        await dataKeys.ensure(uniqueId, keyPurposes.index, wrapper);
      } catch (thrown) {
        accounts.remove(id);
        throw thrown;
      }
      return { creationTime: stateOf(resource).creationTime ?? clock.now().toISOString() };
    },
    async update(_grant, resource, before) {
      if (stateOf(before).protector !== undefined) return undefined;
      const wrapper = wrapperOf(resource);
      if (JSON.stringify(wrapper) !== JSON.stringify(wrapperOf(before)))
        await dataKeys.rewrap(resource.uniqueId, wrapper);
      return undefined;
    },
    async remove(_grant, resource) {
      accounts.remove(resource.id);
      // order matters: once the key is gone the data is, whatever happens to the files.
      await dataKeys.destroy(resource.uniqueId);
      await opened.remove(resource.uniqueId);
    },
    view: (resource, addressed) => view(resource, addressed, domain),
    actions: [usagesAction(deps), ...keyActions],
  };
}

const usagesAction = ({
  opened,
  quotas,
}: Pick<Parameters<typeof createAccountKind>[0], 'opened' | 'quotas'>): ResourceAction => ({
  name: 'usages',
  method: 'GET',
  action: quotasActions.readAccountUsages,
  summary: 'What the account holds, and its quota.',
  audit: accessed('storageAccountName'),
  responses: { 200: UsageList },
  handle: async (_grant, { id, type, uniqueId }) =>
    json(200, {
      value: [usageOf({ id, type, name: 'BlobBytes', used: await opened.used({ uniqueId }), quotas, uniqueId })],
    }),
});

/** What hands out keys, or signatures by them, in Azure. Clients fall back to these without saying so; they are told what to do. */
const keyActions: readonly ResourceAction[] = ['listKeys', 'regenerateKey', 'listAccountSas', 'listServiceSas'].map(
  (name) => ({
    name,
    summary: 'Account keys and signatures by them, which are not served',
    reads: 'anything',
    goesOnWhenLow: 'it does nothing but refuse',
    audit: unrecorded('there are no keys: nothing is looked at and nothing is done'),
    handle() {
      throw storageFailures.AccountKeysNotServed();
    },
  }),
);

export const stateOf = (resource: Pick<Resource, 'properties'>): AccountState =>
  // `normalise`, `create` and `protect` wrote it.
  resource.properties as unknown as AccountState;

function normalise(draft: Draft, existing: Resource | undefined): Properties {
  // The manager has checked the draft with the schema.
  const asked = draft.properties as StorageAccountProperties;
  const before = existing && stateOf(existing);
  return {
    minimumTlsVersion: asked.minimumTlsVersion ?? 'TLS1_2',
    allowBlobPublicAccess: asked.allowBlobPublicAccess ?? false,
    supportsHttpsTrafficOnly: asked.supportsHttpsTrafficOnly ?? true,
    allowSharedKeyAccess: asked.allowSharedKeyAccess ?? false,
    isHnsEnabled: asked.isHnsEnabled ?? false,
    publicNetworkAccess: asked.publicNetworkAccess ?? 'Enabled',
    networkAcls: asked.networkAcls ?? { defaultAction: 'Allow', bypass: 'None' },
    // Leaving encryption out does not take a customer's key away.
    encryption: asked.encryption ?? before?.encryption ?? { keySource: 'Microsoft.Storage' },
    ...(before?.creationTime === undefined ? {} : { creationTime: before.creationTime }),
    ...(before?.protector === undefined ? {} : { protector: before.protector }),
  };
}

function refuseWeakness(draft: Draft): void {
  const asked = draft.properties as StorageAccountProperties;
  if (asked.allowBlobPublicAccess)
    throw storageFailures.InvalidRequestPropertyValue(
      'properties.allowBlobPublicAccess',
      'blobs are never public here; leave it out or send false',
    );
  if (asked.supportsHttpsTrafficOnly === false)
    throw storageFailures.InvalidRequestPropertyValue(
      'properties.supportsHttpsTrafficOnly',
      'nothing is served over plain HTTP; leave it out or send true',
    );
  if (asked.allowSharedKeyAccess)
    throw storageFailures.InvalidRequestPropertyValue(
      'properties.allowSharedKeyAccess',
      'this version takes bearer tokens only, no account keys and no signatures; leave it out or send false',
    );
  if (asked.isHnsEnabled)
    throw storageFailures.InvalidRequestPropertyValue(
      'properties.isHnsEnabled',
      'hierarchical namespaces are not served',
    );
  if (asked.publicNetworkAccess === 'Disabled' || asked.networkAcls?.defaultAction === 'Deny')
    throw storageFailures.InvalidRequestPropertyValue(
      'properties.networkAcls',
      'network rules are not kept for single accounts; restrict who reaches the server where it listens',
    );
  if (asked.encryption?.requireInfrastructureEncryption)
    throw storageFailures.InvalidRequestPropertyValue(
      'properties.encryption.requireInfrastructureEncryption',
      'a second layer of encryption is not served',
    );
  if (draft.kind !== undefined && draft.kind !== 'StorageV2')
    throw storageFailures.InvalidRequestPropertyValue('kind', "the kind of a storage account is 'StorageV2'");
}

function checkEncryption(draft: Draft, existing: Resource | undefined): void {
  const { encryption } = draft.properties as AccountState;
  const before = existing && stateOf(existing);
  if (before?.protector !== undefined) {
    if (JSON.stringify(encryption) === JSON.stringify(before.encryption)) return;
    throw storageFailures.InvalidRequestPropertyValue(
      'properties.encryption',
      'the key of this account is managed by the workspace that it belongs to; change it there',
    );
  }
  if (encryption.identity?.userAssignedIdentity !== undefined)
    throw storageFailures.InvalidRequestPropertyValue(
      'properties.encryption.identity',
      'the key is used as the system-assigned identity of the account; user-assigned ones are not served',
    );
  if (encryption.keySource === 'Microsoft.Storage') {
    if (encryption.keyvaultproperties === undefined) return;
    throw storageFailures.InvalidRequestPropertyValue(
      'properties.encryption',
      "keyvaultproperties need keySource 'Microsoft.Keyvault'",
    );
  }
  const key = encryption.keyvaultproperties;
  if (key === undefined)
    throw storageFailures.InvalidRequestPropertyValue(
      'properties.encryption',
      'keySource Microsoft.Keyvault needs keyname, keyversion and keyvaulturi',
    );
  if (!/^https:\/\/[a-z0-9.:-]+\/?$/i.test(key.keyvaulturi))
    throw storageFailures.InvalidRequestPropertyValue(
      'properties.encryption.keyvaultproperties.keyvaulturi',
      "a vault's URI looks like https://{vault}/",
    );
  if (!/^[A-Za-z0-9-]+$/.test(key.keyname) || !/^[A-Za-z0-9]+$/.test(key.keyversion))
    throw storageFailures.InvalidRequestPropertyValue(
      'properties.encryption.keyvaultproperties',
      'keyname and keyversion hold letters, digits and dashes',
    );
  if (!draft.identity?.type.includes('SystemAssigned'))
    throw storageFailures.InvalidRequestPropertyValue(
      'identity',
      "a customer's key needs a system-assigned identity that may use it. Make the account with one, give it the role " +
        "'Key Vault Crypto Service Encryption User' at the key, and set the encryption then",
    );
}

/** What wraps the account's data keys, by its properties. */
export function wrapperOf(resource: Resource): WrapperRef {
  const { encryption, protector } = stateOf(resource);
  const key = encryption.keyvaultproperties;
  if (encryption.keySource === 'Microsoft.Storage' || key === undefined) return { kind: 'root' };
  const objectId = protector?.objectId ?? resource.identity?.principalId;
  if (objectId === undefined)
    throw storageFailures.InvalidRequestPropertyValue(
      'identity',
      "a customer's key needs the system-assigned identity of the account",
    );
  return {
    kind: 'vault',
    keyIdentifier: `${key.keyvaulturi.replace(/\/+$/, '')}/keys/${key.keyname}/${key.keyversion}`,
    principal: { objectId, name: protector?.name ?? resource.name },
  };
}

/** The properties of an account whose owner put it under this key, or back under the root key: what `wrapperOf` reads. */
export function protectedBy({ protector: _, ...kept }: Properties, key: ProtectingKey | undefined): Properties {
  if (key === undefined) return { ...kept, encryption: { keySource: 'Microsoft.Storage' } };
  const { vaultUri: keyvaulturi, name: keyname, version: keyversion, principal: protector } = key;
  const keyvaultproperties = { keyvaulturi, keyname, keyversion };
  return { ...kept, encryption: { keySource: 'Microsoft.Keyvault', keyvaultproperties }, protector };
}

function view(resource: Resource, addressed: Addressed | undefined, domain: string): Properties {
  const { protector: _, ...shown } = resource.properties;
  return {
    ...shown,
    primaryLocation: resource.location,
    statusOfPrimary: 'available',
    primaryEndpoints: { blob: endpointOf(resource.name, addressed, domain) },
  };
}

/** Clients read the account's name from a host of its own, or from the path where the host is local or an address. */
function endpointOf(name: string, addressed: Addressed | undefined, domain: string): string {
  const host = addressed === undefined || addressed.host === '' ? domain : addressed.host;
  const isLocal = /^(localhost|\d+\.\d+\.\d+\.\d+|\[[0-9a-f:.]+\])(:\d+)?$/.test(host);
  return isLocal ? `https://${host}/${name}/` : `https://${name}.blob.storage.${domain}/`;
}
