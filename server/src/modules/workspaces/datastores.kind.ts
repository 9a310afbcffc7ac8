// Datastores: names for containers of storage accounts. They hold no credential, so there is none to rotate or leak: data is
// read and written as the caller, or as the workspace's identity by a signed address that `listSecrets` makes for who asks.

import { Type } from '@strongroom/contract/schema';
import {
  type DatastoreProperties,
  type DatastoreSecretsQuestion,
  datastoreProperties,
  datastoreSecrets,
  datastoreSecretsQuestion,
} from '@strongroom/contract/workspaces';
import { workspacesActions } from '@strongroom/contract/workspaces.actions';
import { activity, json } from '#kernel/http/route';
import { parentId, parseResourceId } from '#kernel/ids/ids';
import type { Properties, ResourceKind } from '#resources';
import type { Datastores } from './datastores.service.ts';
import { containersOf, datastoreNames, workspaceType } from './dependents.rules.ts';
import type { Workspaces } from './workspace.types.ts';
import { workspacesFailures } from './workspaces.errors.ts';

const defaultDatastore = 'workspaceblobstore';

export function builtInDatastores(
  uniqueId: string,
  storageAccount: string,
): readonly { readonly name: string; readonly properties: DatastoreProperties }[] {
  const containers = containersOf(uniqueId);
  const accountName = parseResourceId(storageAccount).name;
  return datastoreNames.map((name) => ({
    name,
    properties: {
      datastoreType: 'AzureBlob',
      accountName,
      containerName: containers[name],
      credentials: { credentialsType: 'None' },
    },
  }));
}

export type DatastoreKindDeps = {
  readonly domain: string;
  readonly datastores: Pick<Datastores, 'sign' | 'builtIn'>;
  readonly workspaces: Pick<Workspaces, 'get'>;
};

/** How long an address is good for where a client does not say. */
const hoursUnasked = 1;

export function createDatastoreKind({ domain, datastores, workspaces }: DatastoreKindDeps): ResourceKind {
  const isBuiltIn = (id: string, properties: Properties) =>
    datastores.builtIn(parentId(id), properties as DatastoreProperties) !== undefined; // checked by the schema
  return {
    type: `${workspaceType}/datastores`,
    title: 'datastore',
    namePattern: /^[a-zA-Z0-9_]{1,255}$/,
    nameRule: 'it has 1 to 255 letters, digits and underscores',
    properties: datastoreProperties,
    unserved: {
      refused: {
        endpoint: {
          always: `storage.${domain}`,
          // What clients send that were not told of this cloud.
          harmless: ['core.windows.net'],
          because: 'A datastore is a container of a storage account of this installation.',
          instead: 'Leave endpoint out.',
        },
        protocol: {
          always: 'https',
          because: 'Nothing is served over plain HTTP.',
          instead: 'Leave protocol out.',
        },
        serviceDataAccessAuthIdentity: {
          always: 'WorkspaceSystemAssignedIdentity',
          harmless: ['None'],
          because: "Data is read as the caller or as the workspace's own identity.",
          instead: 'Leave serviceDataAccessAuthIdentity out.',
        },
        isDefault: {
          harmless: [false],
          because: `The default datastore of a workspace is ${defaultDatastore}.`,
          instead: 'Leave isDefault out.',
        },
      },
      kept: {},
      ignored: {
        resourceGroup: 'The name of an account says which it is: no other on this server has it.',
        subscriptionId: 'The name of an account says which it is: no other on this server has it.',
      },
    },
    discriminators: [
      { path: 'datastoreType', serves: ['AzureBlob', 'AzureFile'], refuse: workspacesFailures.DatastoreTypeNotServed },
      { path: 'credentials.credentialsType', serves: ['None', 'Sas'], refuse: workspacesFailures.CredentialsNotServed },
      { path: 'credentials.secrets.secretsType', serves: [], refuse: workspacesFailures.CredentialsNotServed },
    ],
    location: 'none',
    async validate(_grant, draft, _existing, id) {
      const { datastoreType, containerName, fileShareName, credentials } = draft.properties as DatastoreProperties;
      // What a client read of one of the workspace's own it may send back. Of any other it would mean a signature to keep.
      if (credentials?.credentialsType === 'Sas' && !isBuiltIn(id, draft.properties))
        throw workspacesFailures.CredentialsNotServed();
      const [needed, present] =
        datastoreType === 'AzureBlob' ? ['containerName', containerName] : ['fileShareName', fileShareName];
      if (present === undefined) throw workspacesFailures.ValidationError(datastoreType, needed);
    },
    view: (resource) => ({
      ...resource.properties,
      // By this clients know whether to ask for an address, or to come with the token of their caller.
      credentials: { credentialsType: isBuiltIn(resource.id, resource.properties) ? 'Sas' : 'None' },
      isDefault: resource.name === defaultDatastore,
      tags: resource.properties['tags'] ?? {},
      properties: resource.properties['properties'] ?? {},
      description: resource.properties['description'] ?? null,
    }),
    putQuery: Type.Object({
      skipValidation: Type.Optional(
        Type.Literal('true', {
          description: 'A datastore is not tried when it is written: what cannot be reached is told when it is used.',
        }),
      ),
    }),
    checkRemoval({ name }) {
      if (datastoreNames.some((builtIn) => builtIn === name)) throw workspacesFailures.DatastoreOfWorkspace(name);
    },
    listQuery: Type.Object({
      isDefault: Type.Optional(Type.Union([Type.Literal('true'), Type.Literal('false')])),
      /** Comma-separated. */
      names: Type.Optional(Type.String({ maxLength: 4096 })),
      searchText: Type.Optional(Type.String({ maxLength: 256 })),
      /** The size of a page, as `$top`. */
      count: Type.Optional(Type.String({ pattern: '^[0-9]{1,6}$' })),
      /** Clients always send it; it turns the order that `orderBy` names, and none is served: lists are in the order of names. */
      orderByAsc: Type.Optional(Type.Union([Type.Literal('true'), Type.Literal('false')])),
    }),
    matches({ name }, { isDefault, names, searchText }) {
      if (typeof isDefault === 'string' && (isDefault === 'true') !== (name === defaultDatastore)) return false;
      if (typeof names === 'string' && !names.split(',').includes(name)) return false;
      return typeof searchText !== 'string' || name.toLowerCase().includes(searchText.toLowerCase());
    },
    actions: [
      {
        name: 'listSecrets',
        action: workspacesActions.listDatastoreSecrets,
        summary: 'Makes a signed address of the container, for an hour or as many as are asked for, at most eight.',
        audit: activity('expireAfterHours'),
        body: { kind: 'json', schema: datastoreSecretsQuestion, maxBytes: 4096, optional: true },
        responses: { 200: datastoreSecrets },
        async handle(grant, resource, { body }) {
          const { expireAfterHours } = (body ?? {}) as DatastoreSecretsQuestion; // checked by the schema
          const workspace = await workspaces.get(grant, parentId(resource.id));
          const sasToken = await datastores.sign(grant, workspace, resource, expireAfterHours ?? hoursUnasked);
          return json(200, { secretsType: 'Sas', sasToken });
        },
      },
    ],
    audit: { write: activity('properties.datastoreType', 'properties.accountName') },
  };
}
