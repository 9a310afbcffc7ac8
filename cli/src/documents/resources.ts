// Workspaces, clusters and datastores in Azure ML's v2 YAML schema, and roles in the shape of Azure's command line, turned into
// request bodies. What restricts and is not served is refused by name.

import type { JsonObject } from '@strongroom/contract/client';
import { type Document, readerOf } from '../document.reader.ts';
import { defined, refuse, secondsOf, wordIn } from './references.ts';

export type Named = { readonly name: string | undefined };

const network = 'who reaches a workspace is decided where the server listens, for all workspaces alike. Leave it out';

export function workspaceBody(document: Document) {
  const read = readerOf(document);
  const key = read.within('customer_managed_key');
  const encryption = key && {
    status: 'Enabled',
    keyVaultProperties: { keyVaultArmId: key.needed('key_vault'), keyIdentifier: key.needed('key_uri') },
  };
  refuse(read, {
    managed_network: network,
    public_network_access: network,
    primary_user_assigned_identity: 'a workspace has an identity of its own. Leave it out',
    identity: 'a workspace has an identity of its own. Leave it out',
  });
  const made = {
    name: read.text('name'),
    location: read.text('location'),
    tags: read.texts('tags'),
    properties: defined({
      friendlyName: read.text('display_name'),
      description: read.text('description'),
      hbiWorkspace: read.flag('hbi_workspace'),
      imageBuildCompute: read.text('image_build_compute'),
      jobPackageIndex: read.text('job_package_index'),
      imageRegistries: read.list('image_registries'),
      allowRoleAssignmentOnRG: read.flag('allow_roleassignment_on_rg'),
      storageAccount: read.text('storage_account'),
      containerRegistry: read.text('container_registry'),
      keyVault: read.text('key_vault'),
      applicationInsights: read.text('application_insights'),
      encryption,
    }),
  };
  read.finish();
  return made;
}

const tiers: Readonly<Record<string, string>> = { dedicated: 'Dedicated', low_priority: 'LowPriority' };

export function computeBody(document: Document) {
  const read = readerOf(document);
  const type = read.text('type') ?? 'amlcompute';
  if (type.toLowerCase() !== 'amlcompute')
    throw read.wrong('type', `is '${type}': such computes are not served, 'amlcompute' is`);
  const tier = wordIn(tiers, (read.text('tier') ?? 'dedicated').toLowerCase());
  if (tier === undefined) throw read.wrong('tier', `must be one of ${Object.keys(tiers).join(', ')}`);
  refuse(read, {
    ssh_settings: 'nobody signs in to a node. Leave it out',
    identity: 'a cluster acts as whoever submitted its job. Leave it out',
    network_settings: 'a job reaches Strongroom and nothing else. Leave it out',
    enable_node_public_ip: 'a job reaches Strongroom and nothing else. Leave it out',
  });
  const made = {
    name: read.text('name'),
    location: read.text('location'),
    tags: read.texts('tags'),
    description: read.text('description'),
    vmSize: read.text('size'),
    vmPriority: tier,
    minNodeCount: read.whole('min_instances'),
    maxNodeCount: read.whole('max_instances'),
    nodeIdleTimeBeforeScaleDown: secondsOf(read.positive('idle_time_before_scale_down', 'seconds')),
  };
  read.finish();
  return made;
}

const datastoreTypes: Readonly<Record<string, string>> = { azure_blob: 'AzureBlob', azure_file: 'AzureFile' };

export function datastoreBody(document: Document): Named & { readonly body: JsonObject } {
  const read = readerOf(document);
  const type = read.needed('type');
  const datastoreType = wordIn(datastoreTypes, type.toLowerCase());
  if (type !== '' && datastoreType === undefined)
    throw read.wrong(
      'type',
      `is '${type}': such datastores are not served, ${Object.keys(datastoreTypes).join(' and ')} are`,
    );
  refuse(read, {
    credentials: 'a datastore holds none, and is read as whoever asks. Leave it out',
    protocol: 'there is https alone. Leave it out',
    endpoint: 'a datastore is of an account of this server. Leave it out',
  });
  const made = {
    name: read.text('name'),
    body: {
      properties: defined({
        datastoreType,
        accountName: read.needed('account_name'),
        containerName: read.text('container_name'),
        fileShareName: read.text('file_share_name'),
        description: read.text('description'),
        credentials: { credentialsType: 'None' },
      }),
    },
  };
  read.finish();
  return made;
}

/** A custom role, as `az role definition create` takes it: `Name` or `roleName`, `Actions` or `actions`, … */
export function definitionBody(
  document: Document,
  subscription: string,
): { readonly name: string; readonly body: JsonObject } {
  const read = readerOf(document);
  const either = <T>(name: string, take: (name: string) => T | undefined) =>
    take(`${name.slice(0, 1).toUpperCase()}${name.slice(1)}`) ?? take(name);
  const name = either('name', read.text) ?? read.text('roleName') ?? '';
  const description = either('description', read.text);
  const patterns = (field: string) => either(field, read.list) ?? [];
  const permission = {
    actions: patterns('actions'),
    notActions: patterns('notActions'),
    dataActions: patterns('dataActions'),
    notDataActions: patterns('notDataActions'),
  };
  const assignableScopes = either('assignableScopes', read.list) ?? [subscription];
  const isCustom = either('isCustom', read.flag) ?? true;
  either('id', read.text);
  read.finish();
  if (name === '') throw read.wrong('Name', 'is missing');
  if (!isCustom) throw read.wrong('IsCustom', 'is false, and only custom roles can be made');
  return {
    name,
    body: {
      properties: defined({
        roleName: name,
        description,
        type: 'CustomRole',
        permissions: [permission],
        assignableScopes,
      }),
    },
  };
}
