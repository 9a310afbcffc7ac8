// The registry as a resource. It promises that nothing weakens one: the admin user, pulls without a credential and network
// rules are refused with a reason instead of being accepted and ignored. Its data keys are wrapped under the root key, or
// under a customer's key by whoever owns the registry (`protect`).

import { UsageList } from '@strongroom/contract/quotas';
import { quotasActions } from '@strongroom/contract/quotas.actions';
import { RegistryProperties, RegistrySku } from '@strongroom/contract/registry';
import type { Clock } from '#kernel/clock/clock';
import type { Quotas } from '#kernel/files/quota';
import { accessed, json } from '#kernel/http/route';
import type { DataKeys } from '#kernel/sealing/data-keys';
import type { Draft, Properties, Resource, ResourceKind } from '#resources';
import { type ProtectingKey, type SealedStores, usageOf } from '#storage';
import { registryNamePattern, registryNameRule } from './names.rules.ts';
import type { Registries } from './registries.service.ts';
import { registryFailures } from './registry.errors.ts';
import { unservedOfRegistries } from './registry.unserved.ts';

export const registryType = 'Microsoft.ContainerRegistry/registries';

/** Purposes of the two data keys of a registry: its blobs, and its index. */
export const keyPurposes = { files: 'registry', index: 'registry-index' } as const;

/** What is stored beside what the caller set. */
export type RegistryState = {
  readonly encryption: NonNullable<RegistryProperties['encryption']>;
  /** Set when the registry was made; one without it was never finished. */
  readonly creationDate?: string;
};

export function createRegistryKind(deps: {
  readonly registries: Registries;
  readonly stores: SealedStores;
  readonly dataKeys: DataKeys;
  readonly clock: Clock;
  readonly domain: string;
  readonly quotas?: Quotas;
}): ResourceKind {
  const { registries, stores, dataKeys, clock, domain, quotas } = deps;
  return {
    type: registryType,
    title: 'container registry',
    namePattern: registryNamePattern,
    nameRule: registryNameRule,
    properties: RegistryProperties,
    unserved: unservedOfRegistries,
    location: 'required',
    sku: RegistrySku,
    normalise,
    async validate(_grant, draft, existing, id) {
      const name = id.slice(id.lastIndexOf('/') + 1);
      if (registries.isTaken(name, id)) throw registryFailures.AlreadyInUse(name);
      refuseWeakness(draft);
      checkEncryption(draft, existing);
    },
    async create(_grant, resource) {
      const { id, name, uniqueId } = resource;
      // Two who asked for one name at once both passed `validate`; here the first one wins.
      if (!registries.add({ id, name, uniqueId })) throw registryFailures.AlreadyInUse(name);
      try {
        await dataKeys.ensure(uniqueId, keyPurposes.files, { kind: 'root' });
        await dataKeys.ensure(uniqueId, keyPurposes.index, { kind: 'root' });
      } catch (thrown) {
        registries.remove(id);
        throw thrown;
      }
      return { creationDate: stateOf(resource).creationDate ?? clock.now().toISOString() };
    },
    async remove(_grant, resource) {
      registries.remove(resource.id);
      // order matters: once the keys are gone the images are, whatever happens to the files.
      await dataKeys.destroy(resource.uniqueId);
      await stores.remove(resource.uniqueId);
    },
    view: (resource) => ({ ...resource.properties, loginServer: domain }),
    actions: [
      {
        name: 'listUsages',
        method: 'GET',
        action: quotasActions.readRegistryUsages,
        summary: 'What the registry holds, and its quota.',
        audit: accessed('registryName'),
        responses: { 200: UsageList },
        handle: async (_grant, { id, type, uniqueId }) => {
          const used = await stores.used({ uniqueId });
          return json(200, { value: [usageOf({ id, type, name: 'Size', used, quotas, uniqueId })] });
        },
      },
    ],
  };
}

export const stateOf = (resource: Pick<Resource, 'properties'>): RegistryState =>
  // `normalise`, `create` and `protect` wrote it.
  resource.properties as unknown as RegistryState;

function normalise(draft: Draft, existing: Resource | undefined): Properties {
  // The manager has checked the draft with the schema.
  const asked = draft.properties as RegistryProperties;
  const before = existing && stateOf(existing);
  return {
    adminUserEnabled: asked.adminUserEnabled ?? false,
    anonymousPullEnabled: asked.anonymousPullEnabled ?? false,
    publicNetworkAccess: asked.publicNetworkAccess ?? 'Enabled',
    networkRuleSet: asked.networkRuleSet ?? { defaultAction: 'Allow' },
    // Leaving encryption out does not take a customer's key away.
    encryption: asked.encryption ?? before?.encryption ?? { status: 'disabled' },
    ...(before?.creationDate === undefined ? {} : { creationDate: before.creationDate }),
  };
}

function refuseWeakness(draft: Draft): void {
  const asked = draft.properties as RegistryProperties;
  if (asked.adminUserEnabled)
    throw registryFailures.InvalidRequestPropertyValue(
      'properties.adminUserEnabled',
      'there is no admin user here, tokens of principals only; leave it out or send false',
    );
  if (asked.anonymousPullEnabled)
    throw registryFailures.InvalidRequestPropertyValue(
      'properties.anonymousPullEnabled',
      'nothing is pulled without a token; leave it out or send false',
    );
  if (asked.publicNetworkAccess === 'Disabled' || asked.networkRuleSet?.defaultAction === 'Deny')
    throw registryFailures.InvalidRequestPropertyValue(
      'properties.networkRuleSet',
      'network rules are not kept for single registries; restrict who reaches the server where it listens',
    );
}

/** The properties of a registry whose owner put it under this key, or back under the root key. */
export function protectedBy(properties: Properties, key: ProtectingKey | undefined): Properties {
  const encryption =
    key === undefined
      ? { status: 'disabled' }
      : {
          status: 'enabled',
          keyVaultProperties: { keyIdentifier: key.keyIdentifier, identity: key.principal.objectId },
        };
  return { ...properties, encryption };
}

function checkEncryption(draft: Draft, existing: Resource | undefined): void {
  const { encryption } = draft.properties as RegistryProperties;
  const before = (existing && stateOf(existing).encryption) ?? { status: 'disabled' };
  if (encryption === undefined || JSON.stringify(encryption) === JSON.stringify(before)) return;
  throw registryFailures.InvalidRequestPropertyValue(
    'properties.encryption',
    'a registry goes under a customer-managed key with the workspace that it was made for; leave it out here',
  );
}
