// The template that Azure's Python SDK makes a workspace with. What it says is known, so its parameters are read as the workspace
// that they mean. A parameter that asks for what a workspace does not have here is refused in the words of workspaces. Pure.

import type { WorkspaceProperties } from '@strongroom/contract/workspaces';
import { parseResourceId } from '#kernel/ids/ids';
import type { Draft, KnownTemplate, TemplateParameters as Parameters, Properties } from '#resources';
import { workspaceType } from './dependents.rules.ts';
import { networkSwitches } from './unserved.ts';
import { workspacesFailures } from './workspaces.errors.ts';

const workspaceNamePattern = /^[a-zA-Z0-9_-]{1,64}$/;

const record = (value: unknown): Parameters =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Parameters) : {};
/** A parameter is an object that holds its value. */
const parameterOf = (parameters: Parameters, name: string): unknown => record(parameters[name])['value'];
/** Undefined where the SDK's template says that nothing was given. */
function textOf(parameters: Parameters, name: string): string | undefined {
  const value = parameterOf(parameters, name);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Each is the beginning of four parameters, of which the first says whether the others are meant. */
const dependents = ['storageAccount', 'keyVault', 'applicationInsights', 'containerRegistry'] as const;
const switches = [
  'confidential_data',
  'provisionNetworkNow',
  'enable_data_isolation',
  'allowRoleAssignmentOnRG',
] as const;
/** Asked for, each would shut something in that is open here. */
const walls = ['storageAccountBehindVNet', 'keyVaultBehindVNet', 'containerRegistryBehindVNet'] as const;
const notText: ReadonlySet<string> = new Set([
  ...['tagValues', 'identity', 'managedNetwork', 'serverless_compute_settings', 'existing_workspaces'],
  ...switches,
  ...walls,
]);
const choices: Readonly<Record<string, readonly string[]>> = {
  encryption_status: ['Enabled', 'Disabled'],
  ...Object.fromEntries(dependents.map((word) => [`${word}Option`, ['new', 'existing', 'none']])),
};

/** Parameters that a workspace is made of, or that ask for what it does not have here: the workspace's own rules say so. */
const read = [
  ...switches,
  ...walls,
  ...['encryption_cosmosdb_resourceid', 'encryption_storage_resourceid', 'encryption_search_resourceid'],
  ...['serverless_compute_settings', 'workspace_hub', 'existing_workspaces'],
  ...['workspaceName', 'location', 'friendlyName', 'description', 'tagValues', 'identity'],
  ...['cmk_keyvault', 'resource_cmk_uri', 'encryption_status', 'managedNetwork', 'publicNetworkAccess', 'kind'],
  ...['associatedResourcePNA', 'privateEndpointType'],
  ...['primaryUserAssignedIdentity', 'imageBuildCompute', 'systemDatastoresAuthMode'],
  ...dependents.flatMap((word) =>
    ['Option', 'Name', 'ResourceGroupName', 'SubscriptionId'].map((part) => `${word}${part}`),
  ),
] as const;

const kept = (parameters: Parameters): Parameters => Object.fromEntries(read.map((name) => [name, parameters[name]]));

/** What the template makes beside a workspace, where it is told to: no property of the workspace stands for it. */
function refuseBeside(parameters: Parameters): void {
  const isUsual = (name: string, usual: string) => (textOf(parameters, name) ?? usual).toLowerCase() === usual;
  // With a workspace that is to be closed itself, the workspace's own refusal says more.
  const isolation = record(parameterOf(parameters, 'managedNetwork'))['isolationMode'];
  const isOpen = isUsual('publicNetworkAccess', 'enabled') && (isolation === undefined || isolation === 'Disabled');
  const name = !isUsual('privateEndpointType', 'none')
    ? 'privateEndpointType'
    : isOpen && !isUsual('associatedResourcePNA', 'enabled')
      ? 'associatedResourcePNA'
      : undefined;
  if (name === undefined) return;
  const { because, instead } = networkSwitches;
  throw workspacesFailures.TemplateParameterNotServed(name, `${because} ${instead}`);
}

/** Text where a workspace has a switch. */
function switchOf(parameters: Parameters, name: string): boolean | undefined {
  const value = parameterOf(parameters, name);
  const text = typeof value === 'boolean' ? String(value) : textOf(parameters, name)?.toLowerCase();
  return text === 'true' ? true : text === 'false' ? false : undefined;
}

/** A value that is not understood is no value that was not given: protection would be asked for, and not be there. */
function refuseUnread(parameters: Parameters): void {
  const refuse = workspacesFailures.TemplateParameterNotServed;
  for (const name of read) {
    if ('reference' in record(parameters[name]))
      throw refuse(name, 'It is given by reference, which is not followed. Send its value.');
    const value = parameterOf(parameters, name);
    if (value === undefined || value === null || value === '') continue;
    if (!notText.has(name) && typeof value !== 'string') throw refuse(name, 'It must be text.');
    const known = choices[name];
    if (known !== undefined && !known.some((choice) => isSameWord(choice, value)))
      throw refuse(name, `It must be ${known.join(' or ')}.`);
  }
  for (const name of [...switches, ...walls])
    if (
      ![undefined, null, ''].includes(parameterOf(parameters, name) as undefined) &&
      switchOf(parameters, name) === undefined
    )
      throw refuse(name, "It must be 'true' or 'false'.");
  const { because, instead } = networkSwitches;
  for (const name of walls) if (switchOf(parameters, name) === true) throw refuse(name, `${because} ${instead}`);
}

const isSameWord = (one: string, other: unknown): boolean =>
  typeof other === 'string' && one.toLowerCase() === other.toLowerCase();

/** Nothing in it is as good as nothing. */
const unlessEmpty = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0 ? undefined : (value ?? undefined);

/** The workspace that the parameters mean. Pure. */
export function workspaceIn(
  parameters: Parameters,
  deploymentId: string,
): { readonly id: string; readonly draft: Partial<Draft> } {
  const { subscriptionId, resourceGroup } = parseResourceId(deploymentId);
  const name = textOf(parameters, 'workspaceName') ?? '';
  const idIn = (type: string, word: string) => {
    if (!isSameWord('existing', parameterOf(parameters, `${word}Option`))) return undefined;
    const subscription = textOf(parameters, `${word}SubscriptionId`) ?? subscriptionId;
    const group = textOf(parameters, `${word}ResourceGroupName`) ?? resourceGroup;
    return `/subscriptions/${subscription}/resourceGroups/${group}/providers/${type}/${textOf(parameters, `${word}Name`) ?? ''}`;
  };
  const keyProperties = withoutUndefined({
    keyVaultArmId: textOf(parameters, 'cmk_keyvault'),
    keyIdentifier: textOf(parameters, 'resource_cmk_uri'),
  });
  const elsewhere = withoutUndefined({
    cosmosDbResourceId: textOf(parameters, 'encryption_cosmosdb_resourceid'),
    storageAccountResourceId: textOf(parameters, 'encryption_storage_resourceid'),
    searchAccountResourceId: textOf(parameters, 'encryption_search_resourceid'),
  });
  const isEncrypted = isSameWord('enabled', parameterOf(parameters, 'encryption_status'));
  // Half a key is handed on as half a key, so that the rules of customer-managed keys say what is wrong.
  const encryption =
    !isEncrypted && Object.keys({ ...keyProperties, ...elsewhere }).length === 0
      ? undefined
      : { status: isEncrypted ? 'Enabled' : 'Disabled', keyVaultProperties: keyProperties, ...elsewhere };
  const identity = record(parameterOf(parameters, 'identity'))['type'];
  const properties = withoutUndefined({
    friendlyName: textOf(parameters, 'friendlyName'),
    description: textOf(parameters, 'description'),
    storageAccount: idIn('Microsoft.Storage/storageAccounts', 'storageAccount'),
    keyVault: idIn('Microsoft.KeyVault/vaults', 'keyVault'),
    applicationInsights: idIn('Microsoft.Insights/components', 'applicationInsights'),
    containerRegistry: idIn('Microsoft.ContainerRegistry/registries', 'containerRegistry'),
    hbiWorkspace: switchOf(parameters, 'confidential_data') === true ? true : undefined,
    encryption,
    // As they are, to be refused or to pass by the rules of workspaces.
    managedNetwork: parameterOf(parameters, 'managedNetwork') ?? undefined,
    publicNetworkAccess: textOf(parameters, 'publicNetworkAccess'),
    provisionNetworkNow: switchOf(parameters, 'provisionNetworkNow'),
    enableDataIsolation: switchOf(parameters, 'enable_data_isolation'),
    allowRoleAssignmentOnRG: switchOf(parameters, 'allowRoleAssignmentOnRG'),
    primaryUserAssignedIdentity: textOf(parameters, 'primaryUserAssignedIdentity'),
    imageBuildCompute: textOf(parameters, 'imageBuildCompute'),
    systemDatastoresAuthMode: textOf(parameters, 'systemDatastoresAuthMode'),
    serverlessComputeSettings: unlessEmpty(parameterOf(parameters, 'serverless_compute_settings')),
    hubResourceId: textOf(parameters, 'workspace_hub'),
    associatedWorkspaces: unlessEmpty(parameterOf(parameters, 'existing_workspaces')),
  }) as WorkspaceProperties;
  const kind = textOf(parameters, 'kind');
  const tags = Object.entries(record(parameterOf(parameters, 'tagValues'))).filter(
    (tag): tag is [string, string] => typeof tag[1] === 'string',
  );
  return {
    id: `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}/providers/${workspaceType}/${name}`,
    draft: {
      location: textOf(parameters, 'location'),
      tags: Object.fromEntries(tags),
      identity: identityIn(identity),
      ...(kind === undefined ? {} : { kind }),
      properties,
    },
  };
}

/** The SDK's words for a kind of identity are not the wire's. */
function identityIn(type: unknown): Draft['identity'] {
  const plain = String(type ?? 'SystemAssigned')
    .replaceAll('_', '')
    .toLowerCase();
  return { type: plain === 'systemassigned' ? 'SystemAssigned' : 'UserAssigned' };
}

const withoutUndefined = (fields: Properties): Properties =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

export const workspaceTemplate: KnownTemplate = {
  title: 'the one that azure-ai-ml makes a workspace with',
  recorded: ['properties.parameters.workspaceName.value', 'properties.parameters.cmk_keyvault.value'],
  isMeant: (types, parameters) =>
    types.includes(workspaceType.toLowerCase()) && textOf(parameters, 'workspaceName') !== undefined,
  kept,
  check(parameters) {
    // An id is made of it: a slash would name another kind of thing.
    if (!workspaceNamePattern.test(textOf(parameters, 'workspaceName') ?? ''))
      throw workspacesFailures.InvalidResourceName();
    refuseUnread(parameters);
    refuseBeside(parameters);
  },
  resourceIn: workspaceIn,
};
