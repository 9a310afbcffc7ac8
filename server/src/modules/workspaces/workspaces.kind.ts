// The workspace as a resource kind. Creating one makes, under the workspace's own key, its vault, storage account,
// registry and insights (or takes those named), gives its managed identity the roles that Azure's has, opens its database
// and registers the four datastores. Every step is idempotent: after a crash the same operation runs again to its end.

import { accessActions } from '@strongroom/contract/access.actions';
import { type Usage, UsageList } from '@strongroom/contract/quotas';
import { quotasActions } from '@strongroom/contract/quotas.actions';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import { Type } from '@strongroom/contract/schema';
import { workspaceProperties } from '@strongroom/contract/workspaces';
import { workspacesActions } from '@strongroom/contract/workspaces.actions';
import { type RoleAssigner, roleIds } from '#access';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { Acts } from '#kernel/authority/perform';
import type { Quotas } from '#kernel/files/quota';
import { accessed, activity, json } from '#kernel/http/route';
import { parseResourceId, sameId } from '#kernel/ids/ids';
import type { DataKeys, WrapperRef } from '#kernel/sealing/data-keys';
import type { RegistryModule } from '#registry';
import type { Draft, Properties, Resource, ResourceKind, Resources } from '#resources';
import { type BlobStore, type Storage, usageOf } from '#storage';
import type { Vaults } from '#vault';
import type { WorkspaceDatabases } from './databases.service.ts';
import { builtInDatastores } from './datastores.kind.ts';
import {
  containersOf,
  type Dependents,
  dependentsOf,
  dependentTypes,
  type IdentityRole,
  narrowRolesOf,
  rolesOf,
  workspaceType,
} from './dependents.rules.ts';
import { workspacesDuties } from './duties.ts';
import { type CustomerKey, customerKeyOf, keyScopeOf, validateCustomerKey, wrapperOf } from './encryption.service.ts';
import {
  imageRegistryTexts,
  isCovered,
  type RegistryRule,
  readRegistryPattern,
  textOfPattern,
} from './image-registries.rules.ts';
import { type IndexForJobs, packageIndexClosed } from './package-index.rules.ts';
import type { Holder, Reservations } from './reservations.service.ts';
import { workspaceTemplate } from './template.rules.ts';
import { unservedOfWorkspaces } from './unserved.ts';
import { workspacesFailures } from './workspaces.errors.ts';

export type WorkspaceKindDeps = {
  readonly resources: Resources;
  readonly grants: Grants;
  readonly acts: Pick<Acts, 'duty'>;
  readonly access: RoleAssigner;
  readonly vaults: Pick<Vaults, 'describeKey'>;
  readonly blobs: Pick<BlobStore, 'ensureContainer'>;
  /** Put what the workspace made for itself under its customer's key, as its own identity. */
  readonly protectStorage: Storage['protect'];
  readonly protectRegistry: RegistryModule['protect'];
  /** What the account and the registry of a workspace hold, in bytes. */
  readonly storageUsed: Storage['used'];
  readonly registryUsed: RegistryModule['used'];
  readonly quotas?: Quotas;
  readonly dataKeys: DataKeys;
  readonly databases: WorkspaceDatabases;
  readonly reservations: Pick<Reservations, 'hold' | 'release'>;
  readonly tenantId: string;
  /** Which workspaces may let their jobs install packages. */
  readonly indexForJobs: IndexForJobs;
  /** Registries that images may come from where a workspace names them, by the operator. */
  readonly registryRules: readonly RegistryRule[];
};

const dependentNames = Object.keys(dependentTypes) as readonly (keyof Dependents)[];
const writeOf = (type: string) => ({ name: `${type}/write`, plane: 'control' }) as const;

/** The ids that a stored workspace stands on. */
export function dependentsStored(resource: Resource): Dependents {
  return dependentsOf(resource.id, resource.uniqueId, givenIn(resource.properties));
}

/** What it stands on in storage. */
export const holderOf = (resource: Resource): Holder => ({
  id: resource.id,
  uniqueId: resource.uniqueId,
  name: resource.name,
  storageAccount: dependentsStored(resource).storageAccount,
});

/** Those that the workspace made for itself. */
export function ownDependents(resource: Resource): readonly string[] {
  const given = givenIn(resource.properties);
  return Object.entries(dependentsStored(resource)).flatMap(([name, id]) => (Object.hasOwn(given, name) ? [] : [id]));
}

const isUnderWay = ({ provisioningState }: Resource): boolean =>
  provisioningState === 'Creating' || provisioningState === 'Updating' || provisioningState === 'Deleting';

/** The resource group of a workspace. */
function groupOf(id: string): string {
  const { subscriptionId, resourceGroup } = parseResourceId(id);
  return `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}`;
}

/** Resource id of the cluster that the workspace names for its builds. */
export function imageBuildComputeOf({ id, properties }: Pick<Resource, 'id' | 'properties'>): string | undefined {
  const name = properties['imageBuildCompute'];
  return typeof name === 'string' ? `${id}/computes/${name}` : undefined;
}

function givenIn(properties: Properties): Partial<Dependents> {
  const given: Partial<Record<keyof Dependents, string>> = {};
  for (const name of dependentNames) {
    const id = properties[name];
    if (typeof id === 'string') given[name] = id;
  }
  return given;
}

export function identityOf(resource: Resource): { readonly objectId: string; readonly name: string } {
  const objectId = resource.identity?.principalId;
  if (objectId === undefined) throw workspacesFailures.noIdentity();
  return { objectId, name: resource.name };
}

/** Whether its identity was chosen to have only the roles that its work needs. Set when it is created. */
const isNarrow = ({ properties }: Pick<Resource, 'properties'>): boolean =>
  properties['allowRoleAssignmentOnRG'] === false;

/** Where the identity is given the role to wrap by the customer's key. */
const wrappingScope = (resource: Pick<Resource, 'properties'>, key: CustomerKey): string =>
  isNarrow(resource) ? keyScopeOf(key) : key.vaultId;

/** That it wraps by comes first: without it nothing of the workspace opens. */
function rolesNeeded(resource: Resource): readonly IdentityRole[] {
  const key = customerKeyOf(resource.properties);
  const dependents = dependentsStored(resource);
  return [
    ...(key ? [{ scope: wrappingScope(resource, key), roleId: roleIds.keyVaultCryptoServiceEncryptionUser }] : []),
    ...(isNarrow(resource) ? narrowRolesOf(dependents) : rolesOf(resource.id, dependents)),
  ];
}

export function createWorkspaceKind(deps: WorkspaceKindDeps): ResourceKind {
  const { resources, grants, acts, access, dataKeys } = deps;

  async function validateDependents(grant: Grant, draft: Draft, id: string): Promise<void> {
    const given = givenIn(draft.properties);
    const { subscriptionId, resourceGroup } = parseResourceId(id);
    for (const name of dependentNames) {
      const type = dependentTypes[name];
      const named = given[name];
      if (named === undefined) {
        // What the workspace makes, its creator must be allowed to make.
        grants.also(grant, writeOf(type), `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}`);
        continue;
      }
      if (parseResourceId(named).type?.toLowerCase() !== type.toLowerCase())
        throw workspacesFailures.InvalidResourceId(name, type);
      grants.also(grant, writeOf(type), named);
      const found = await resources.find(grant, named);
      if (found === undefined || found.provisioningState === 'Deleting')
        throw workspacesFailures.LinkedResourceNotFound(name);
    }
  }

  /** Said and without effect would be a promise; the operator's word comes first. */
  function checkPackageIndex({ jobPackageIndex, hbiWorkspace }: Properties): void {
    if (jobPackageIndex !== 'Enabled') return;
    const closed = packageIndexClosed(deps.indexForJobs, { jobPackageIndex: true, hbi: hbiWorkspace === true });
    if (closed === 'byOperator') throw workspacesFailures.packageIndexClosed();
    if (closed === 'toHbi') throw workspacesFailures.packageIndexClosedToHbi();
  }

  /** As with the package index; what it said already stands, and counts as far as the operator lets it. */
  function checkImageRegistries(properties: Properties, existing: Resource | undefined): void {
    const said = new Set(imageRegistryTexts(existing?.properties ?? {}));
    for (const text of imageRegistryTexts(properties)) {
      const pattern = readRegistryPattern(text);
      if (typeof pattern === 'string') throw workspacesFailures.imageRegistryUnread(pattern);
      if (!said.has(text) && !isCovered(pattern, deps.registryRules))
        throw workspacesFailures.imageRegistryClosed(text, deps.registryRules.map(textOfPattern));
    }
  }

  /** What the workspace made for itself is under its customer's key; what it was given is its owner's. */
  async function protect(resource: Resource, wrapper: WrapperRef): Promise<void> {
    const grant = grants.duty(workspacesDuties.protect, groupOf(resource.id));
    const given = givenIn(resource.properties);
    const dependents = dependentsStored(resource);
    if (given.storageAccount === undefined) await deps.protectStorage(grant, dependents.storageAccount, wrapper);
    if (given.containerRegistry === undefined) await deps.protectRegistry(grant, dependents.containerRegistry, wrapper);
  }

  /** The database is the workspace's own; what it stands on is shown to those who may see it there. */
  async function usagesOf(grant: Grant, { id, type, uniqueId }: Resource): Promise<readonly Usage[]> {
    const { quotas } = deps;
    const used = await deps.databases.used(uniqueId);
    const usages = [usageOf({ id, type, uniqueId, name: 'DatabaseBytes', used, quotas })];
    const workspace = await resources.get(grants.duty(workspacesDuties.find, id), id);
    const { storageAccount, containerRegistry } = dependentsStored(workspace);
    const beside = [
      [storageAccount, quotasActions.readAccountUsages, 'BlobBytes', deps.storageUsed],
      [containerRegistry, quotasActions.readRegistryUsages, 'Size', deps.registryUsed],
    ] as const;
    for (const [dependent, action, name, usedOf] of beside) {
      if (!grants.mayAlso(grant, action, dependent)) continue;
      const measuring = grants.duty(workspacesDuties.measure, dependent);
      const found = await resources.find(measuring, dependent);
      if (found === undefined) continue;
      const of = { id: found.id, type: found.type, uniqueId: found.uniqueId };
      usages.push(usageOf({ ...of, name, used: await usedOf(measuring, found.id), quotas }));
    }
    return usages;
  }

  /** Each role that the identity gets has a record of its own. */
  async function letIdentityAct(principalId: string, scope: string, roleId: string): Promise<void> {
    const facts = {
      operation: 'RoleAssignments_Create',
      action: accessActions.writeRoleAssignments,
      scope,
      parameters: { principalId, roleDefinitionId: roleId },
    };
    await acts.duty(workspacesDuties.letIdentityAct, facts, (grant) =>
      access.assign(grant, { scope, roleDefinitionId: roleId, principalId, principalType: 'ServicePrincipal' }),
    );
  }

  /** And each that it loses while its workspace goes on. */
  async function letIdentityGo(principalId: string, scope: string, roleDefinitionId: string): Promise<void> {
    const facts = {
      operation: 'RoleAssignments_Delete',
      action: accessActions.deleteRoleAssignments,
      scope,
      parameters: { principalId, roleDefinitionId },
    };
    await acts.duty(workspacesDuties.withdrawKeyRole, facts, (grant) =>
      access.unassign(grant, { scope, roleDefinitionId, principalId }),
    );
  }

  /**
   * A role that is missing was taken away by somebody who might, the owner of the customer's key above all, and so was a vault or
   * an account that the workspace had made. Only who may grant it there, or make it there, gives it back.
   */
  async function requireGivingBack(grant: Grant, resource: Resource): Promise<void> {
    const principalId = identityOf(resource).objectId;
    for (const { scope, roleId } of rolesNeeded(resource))
      if (!access.isAssigned({ scope, roleDefinitionId: roleId, principalId }))
        grants.also(grant, accessActions.writeRoleAssignments, scope);
    const group = groupOf(resource.id);
    const looking = grants.duty(workspacesDuties.lookAtOwn, group);
    const [given, dependents] = [givenIn(resource.properties), dependentsStored(resource)];
    for (const name of dependentNames)
      if (given[name] === undefined && (await resources.find(looking, dependents[name])) === undefined)
        grants.also(grant, writeOf(dependentTypes[name]), group);
  }

  async function provision(resource: Resource): Promise<Properties> {
    const grant = grants.duty(workspacesDuties.furnish, groupOf(resource.id));
    const dependents = dependentsStored(resource);
    const identity = identityOf(resource);
    const key = customerKeyOf(resource.properties);
    const wrapper = wrapperOf(key, identity);
    const roles = rolesNeeded(resource);
    const wrapping = key === undefined ? [] : roles.slice(0, 1);
    for (const { scope, roleId } of wrapping) await letIdentityAct(identity.objectId, scope, roleId);
    await dataKeys.ensure(resource.uniqueId, 'workspace', wrapper);
    await deps.databases.open(resource.uniqueId);
    const given = givenIn(resource.properties);
    const { location } = resource;
    /** What stands already is left as it is: its owner may have changed it since. */
    const make = async (name: keyof Dependents, draft: Partial<Draft>) => {
      if (given[name] !== undefined) return;
      const present = await resources.find(grant, dependents[name]);
      if (present?.provisioningState === 'Succeeded') return;
      await resources.put(grant, dependents[name], { location, tags: {}, ...draft });
    };
    await make('keyVault', {
      properties: { tenantId: deps.tenantId, sku: { family: 'A', name: 'standard' }, enableRbacAuthorization: true },
    });
    await make('storageAccount', { kind: 'StorageV2', sku: { name: 'Standard_LRS' }, properties: {} });
    await make('containerRegistry', { sku: { name: 'Premium' }, properties: {} });
    await make('applicationInsights', { kind: 'web', properties: { Application_Type: 'web' } });
    if (key) await protect(resource, wrapper);
    for (const { scope, roleId } of roles.slice(wrapping.length))
      await letIdentityAct(identity.objectId, scope, roleId);
    // order matters: what is reserved is so before anybody can reach it.
    deps.reservations.hold(holderOf(resource));
    const inAccount = grants.duty(workspacesDuties.furnishGiven, dependents.storageAccount);
    for (const container of Object.values(containersOf(resource.uniqueId)))
      await deps.blobs.ensureContainer(inAccount, dependents.storageAccount, container);
    for (const { name, properties } of builtInDatastores(resource.uniqueId, dependents.storageAccount)) {
      await resources.create(grant, `${resource.id}/datastores/${name}`, { properties });
    }
    return resource.properties;
  }

  return {
    type: workspaceType,
    template: workspaceTemplate,
    title: 'workspace',
    namePattern: /^[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}$/,
    nameRule: 'it begins with a letter or digit and has 3 to 33 letters, digits, hyphens and underscores',
    properties: workspaceProperties,
    unserved: unservedOfWorkspaces,
    // azure-ai-ml asks for kinds, comma-separated.
    listQuery: Type.Object({ kind: Type.Optional(Type.String({ maxLength: 256 })) }),
    matches: ({ kind = 'Default' }, query) =>
      typeof query['kind'] !== 'string' ||
      query['kind']
        .toLowerCase()
        .split(',')
        .some((asked) => asked.trim() === kind.toLowerCase()),
    removeQuery: Type.Object({
      forceToPurge: Type.Optional(
        Type.Union([Type.Literal('true'), Type.Literal('false')], {
          description: 'true, or left out: a workspace is gone at once. false is for one under a key of its customer.',
        }),
      ),
    }),
    // Azure keeps none under a customer's key either, whatever its clients send.
    checkRemoval({ name, properties }, { forceToPurge }) {
      if (forceToPurge === 'false' && customerKeyOf(properties) === undefined)
        throw workspacesFailures.SoftDeleteNotServed(name);
    },
    location: 'required',
    identity: 'always',
    longRunning: true,

    normalise(draft, existing) {
      const { properties } = draft;
      return {
        ...existing?.properties,
        ...properties,
        hbiWorkspace: properties['hbiWorkspace'] ?? existing?.properties['hbiWorkspace'] ?? false,
        friendlyName: properties['friendlyName'] ?? existing?.properties['friendlyName'],
      };
    },

    async validate(grant, draft, existing, id) {
      if (draft.kind !== undefined && draft.kind.toLowerCase() !== 'default')
        throw workspacesFailures.WorkspaceKindNotServed(draft.kind);
      if (draft.identity !== undefined && !draft.identity.type.includes('SystemAssigned'))
        throw workspacesFailures.InvalidIdentity();
      const key = customerKeyOf(draft.properties);
      // What it said already stands, and has the effect that the operator lets it have.
      if (existing?.properties['jobPackageIndex'] !== 'Enabled') checkPackageIndex(draft.properties);
      checkImageRegistries(draft.properties, existing);
      if (existing) {
        for (const name of ['keyVault', 'storageAccount', 'containerRegistry', 'applicationInsights'] as const) {
          const wanted = draft.properties[name];
          if (typeof wanted === 'string' && !sameId(wanted, dependentsStored(existing)[name]))
            throw workspacesFailures.PropertyChangeNotAllowed(name);
        }
        if (
          draft.properties['hbiWorkspace'] !== undefined &&
          draft.properties['hbiWorkspace'] !== (existing.properties['hbiWorkspace'] ?? false)
        )
          throw workspacesFailures.PropertyChangeNotAllowed('hbiWorkspace');
        const narrow = draft.properties['allowRoleAssignmentOnRG'];
        if (narrow !== undefined && (narrow === false) !== isNarrow(existing))
          throw workspacesFailures.PropertyChangeNotAllowed('allowRoleAssignmentOnRG');
        const before = customerKeyOf(existing.properties);
        if (draft.properties['encryption'] !== undefined && (before === undefined) !== (key === undefined))
          throw workspacesFailures.PropertyChangeNotAllowed('encryption');
        if (before && key && !sameId(before.vaultId, key.vaultId))
          throw workspacesFailures.PropertyChangeNotAllowed('encryption.keyVaultProperties.keyVaultArmId');
      } else await validateDependents(grant, draft, id);
      if (key) {
        await validateCustomerKey(deps, grant, key, { id, location: draft.location ?? existing?.location });
        // The workspace's identity gets the wrapping role at this vault; whoever causes that must be allowed to grant it.
        if (!existing) grants.also(grant, accessActions.writeRoleAssignments, key.vaultId);
        else if (isNarrow(existing)) grants.also(grant, accessActions.writeRoleAssignments, keyScopeOf(key));
      }
    },

    create: (_grant, resource) => provision(resource),

    async update(_grant, resource, before) {
      const key = customerKeyOf(resource.properties);
      const old = customerKeyOf(before.properties);
      if (key && old && key.keyIdentifier !== old.keyIdentifier) {
        const identity = identityOf(resource);
        const wrapper = wrapperOf(key, identity);
        // The workspace's own doing, for what it made: its caller decided about the workspace, and sent again it goes on from here.
        const [scope, left] = [wrappingScope(resource, key), wrappingScope(before, old)];
        const roleId = roleIds.keyVaultCryptoServiceEncryptionUser;
        if (!sameId(scope, left)) await letIdentityAct(identity.objectId, scope, roleId);
        await dataKeys.rewrap(resource.uniqueId, wrapper);
        await protect(resource, wrapper);
        // order matters: as long as anything is wrapped by the other key, it must open.
        if (!sameId(scope, left)) await letIdentityGo(identity.objectId, left, roleId);
      }
      return resource.properties;
    },

    async remove(_grant, resource) {
      const looking = grants.duty(workspacesDuties.lookAtOwn, groupOf(resource.id));
      // What the workspace made for itself goes with it; what its creator named stays.
      const given = givenIn(resource.properties);
      const dependents = dependentsStored(resource);
      // order matters: without its key nobody opens the database again while its files are removed.
      await dataKeys.destroy(resource.uniqueId);
      await deps.databases.remove(resource.uniqueId);
      for (const name of dependentNames) {
        if (given[name] !== undefined || !(await resources.find(looking, dependents[name]))) continue;
        const facts = {
          operation: 'Workspaces_RemoveOwn',
          action: actionsOfType(dependentTypes[name]).remove,
          scope: dependents[name],
          parameters: { workspace: resource.name },
        };
        await acts.duty(workspacesDuties.removeOwn, facts, (grant) => resources.remove(grant, dependents[name]));
      }
      // What stays of an account that was given is its owner's from now on.
      deps.reservations.release(holderOf(resource));
      const principalId = resource.identity?.principalId;
      if (principalId !== undefined)
        await access.unassignPrincipal(grants.duty(workspacesDuties.withdrawRoles, '/'), principalId);
    },

    view(resource, addressed) {
      const origin = addressed?.origin ?? '';
      return {
        ...resource.properties,
        ...dependentsStored(resource),
        workspaceId: resource.uniqueId,
        tenantId: deps.tenantId,
        discoveryUrl: `${origin}/discovery`,
        mlFlowTrackingUri: `${origin.replace(/^https:/, 'azureml:')}/mlflow/v1.0${resource.id}`,
        storageHnsEnabled: false,
        provisioningState: resource.provisioningState,
      };
    },

    actions: [
      {
        name: 'usages',
        method: 'GET',
        action: quotasActions.readWorkspaceUsages,
        summary: 'What the workspace holds, and its quotas.',
        audit: accessed('workspaceName'),
        responses: { 200: UsageList },
        handle: async (grant, resource) => json(200, { value: await usagesOf(grant, resource) }),
      },
      {
        name: 'resyncKeys',
        action: workspacesActions.resyncKeys,
        summary: "Gives the workspace's identity its roles again, after somebody took them away.",
        goesOnWhenLow: 'it gives back what the workspace had',
        // What a removal has taken would come back behind it.
        inTurn: true,
        audit: activity(),
        async handle(grant, resource) {
          // What is being made gets its roles anyway, and what goes must not come back.
          if (isUnderWay(resource)) throw workspacesFailures.beingChanged(resource.name);
          await requireGivingBack(grant, resource);
          await provision(resource);
          return json(200, {});
        },
      },
    ],
    audit: {
      write: activity(
        'properties.hbiWorkspace',
        'properties.allowRoleAssignmentOnRG',
        'properties.jobPackageIndex',
        'properties.imageRegistries',
        'properties.encryption.status',
        'properties.encryption.keyVaultProperties.keyVaultArmId',
        'location',
      ),
    },
  };
}
