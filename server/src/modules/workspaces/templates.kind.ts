// `Microsoft.Resources/deployments`, for one template: the one that Azure's Python SDK makes a workspace with. Templates are not
// evaluated. What that template says is known, so its parameters are read as the workspace that they mean, and the workspace is
// made by the same procedure as with a PUT of its own, by the same caller and under the same rules. Any other template
// is refused, and so is a parameter that asks for what a workspace does not have here, in the words of workspaces.

import { templateDeployment } from '@strongroom/contract/templates';
import type { WorkspaceProperties } from '@strongroom/contract/workspaces';
import { workspacesActions } from '@strongroom/contract/workspaces.actions';
import type { Grant, Grants } from '#kernel/authority/grant';
import { Failure } from '#kernel/errors/failure';
import { activity } from '#kernel/http/route';
import { parseResourceId } from '#kernel/ids/ids';
import { type Draft, everythingServed, type Properties, type ResourceKind, type Resources } from '#resources';
import { workspaceType } from './dependents.rules.ts';
import { networkSwitches } from './unserved.ts';

export const templateType = 'Microsoft.Resources/deployments';

const workspaceNamePattern = /^[a-zA-Z0-9_-]{1,64}$/;

const refused = (code: string, message: string, target: string) =>
  new Failure({ kind: 'invalid', code, message, target });

type Parameters = Readonly<Record<string, unknown>>;
const record = (value: unknown): Parameters =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Parameters) : {};
/** A parameter is an object that holds its value. */
const parameterOf = (parameters: Parameters, name: string): unknown => record(parameters[name])['value'];
/** Undefined where the SDK's template says that nothing was given. */
function textOf(parameters: Parameters, name: string): string | undefined {
  const value = parameterOf(parameters, name);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Parameters that a workspace is made of, or that ask for what it does not have here: the workspace's own rules say so. */
const read = [
  ...['workspaceName', 'location', 'friendlyName', 'description', 'tagValues', 'identity', 'confidential_data'],
  ...['cmk_keyvault', 'resource_cmk_uri', 'encryption_status', 'managedNetwork', 'publicNetworkAccess', 'kind'],
  ...['associatedResourcePNA', 'privateEndpointType', 'enable_data_isolation', 'provisionNetworkNow'],
  ...['primaryUserAssignedIdentity', 'imageBuildCompute', 'systemDatastoresAuthMode', 'allowRoleAssignmentOnRG'],
  ...['storageAccount', 'keyVault', 'applicationInsights', 'containerRegistry'].flatMap((word) =>
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
  throw refused(
    'PropertyNotServed',
    `${name} is not served as asked. ${because} ${instead}`,
    `properties.parameters.${name}`,
  );
}

/** Text where a workspace has a switch. */
function switchOf(parameters: Parameters, name: string): boolean | undefined {
  const text = textOf(parameters, name)?.toLowerCase();
  return text === 'true' ? true : text === 'false' ? false : undefined;
}

/** The workspace that the parameters mean. Pure. */
export function workspaceIn(
  parameters: Parameters,
  deploymentId: string,
): { readonly id: string; readonly draft: Partial<Draft> } {
  const { subscriptionId, resourceGroup } = parseResourceId(deploymentId);
  const name = textOf(parameters, 'workspaceName') ?? '';
  const idIn = (type: string, word: string) => {
    if (textOf(parameters, `${word}Option`) !== 'existing') return undefined;
    const subscription = textOf(parameters, `${word}SubscriptionId`) ?? subscriptionId;
    const group = textOf(parameters, `${word}ResourceGroupName`) ?? resourceGroup;
    return `/subscriptions/${subscription}/resourceGroups/${group}/providers/${type}/${textOf(parameters, `${word}Name`) ?? ''}`;
  };
  const keyVaultArmId = textOf(parameters, 'cmk_keyvault');
  const keyIdentifier = textOf(parameters, 'resource_cmk_uri');
  const status = textOf(parameters, 'encryption_status') === 'Enabled' ? 'Enabled' : 'Disabled';
  // Half a key is handed on as half a key, so that the rules of customer-managed keys say what is wrong.
  const encryption =
    status === 'Disabled' && keyVaultArmId === undefined && keyIdentifier === undefined
      ? undefined
      : { status, keyVaultProperties: withoutUndefined({ keyVaultArmId, keyIdentifier }) };
  const identity = record(parameterOf(parameters, 'identity'))['type'];
  const properties = withoutUndefined({
    friendlyName: textOf(parameters, 'friendlyName'),
    description: textOf(parameters, 'description'),
    storageAccount: idIn('Microsoft.Storage/storageAccounts', 'storageAccount'),
    keyVault: idIn('Microsoft.KeyVault/vaults', 'keyVault'),
    applicationInsights: idIn('Microsoft.Insights/components', 'applicationInsights'),
    containerRegistry: idIn('Microsoft.ContainerRegistry/registries', 'containerRegistry'),
    hbiWorkspace: textOf(parameters, 'confidential_data') === 'true' ? true : undefined,
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

/** Types of the template's own resources, as far as it has any. */
function typesIn(template: unknown): readonly string[] {
  const { resources } = record(template);
  const listed = Array.isArray(resources) ? resources : [];
  return [...new Set(listed.slice(0, 100).map((resource) => String(record(resource)['type']).toLowerCase()))];
}

export function createTemplateKind(deps: {
  readonly resources: Pick<Resources, 'put'>;
  readonly grants: Pick<Grants, 'also'>;
}): ResourceKind {
  const { resources, grants } = deps;
  async function make(grant: Grant, id: string, properties: Properties): Promise<Properties> {
    const workspace = workspaceIn(record(properties['parameters']), id);
    const write = grants.also(grant, workspacesActions.write, workspace.id);
    const made = await resources.put(write, workspace.id, workspace.draft);
    return { ...properties, outputResource: made.id };
  }
  return {
    type: templateType,
    title: 'template deployment',
    namePattern: /^[\w().-]{1,64}$/,
    nameRule: 'it has 1 to 64 letters, digits, underscores, hyphens, parentheses and periods',
    properties: templateDeployment,
    unserved: everythingServed,
    location: 'none',
    removedStatus: 204,
    // A template is not kept, and of its parameters only those that make the workspace: others may be secrets.
    normalise: ({ properties }) => ({
      mode: 'Incremental',
      templateTypes: typesIn(properties['template']),
      parameters: kept(record(properties['parameters'])),
    }),
    async validate(_grant, draft) {
      const parameters = record(draft.properties['parameters']);
      const types = draft.properties['templateTypes'] as readonly string[];
      if (!types.includes(workspaceType.toLowerCase()) || textOf(parameters, 'workspaceName') === undefined)
        throw refused(
          'TemplateNotServed',
          'Templates are not evaluated here, except the one that azure-ai-ml makes a workspace with. Make each resource by a PUT of its own.',
          'properties.template',
        );
      // An id is made of it: a slash would name another kind of thing.
      if (!workspaceNamePattern.test(textOf(parameters, 'workspaceName') ?? ''))
        throw refused(
          'InvalidResourceName',
          "The parameter 'workspaceName' is no name of a workspace: it has letters, digits, hyphens and underscores.",
          'properties.parameters.workspaceName',
        );
      refuseBeside(parameters);
    },
    create: (grant, { id, properties }) => make(grant, id, properties),
    update: (grant, { id, properties }) => make(grant, id, properties),
    view: ({ properties, systemData }) => ({
      mode: properties['mode'],
      duration: 'PT0S',
      timestamp: systemData.lastModifiedAt,
      parameters: {},
      outputResources: properties['outputResource'] === undefined ? [] : [{ id: properties['outputResource'] }],
    }),
    audit: { write: activity('properties.parameters.workspaceName.value', 'properties.parameters.cmk_keyvault.value') },
  };
}
