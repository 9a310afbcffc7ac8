// The connection as a resource kind: where something outside is, and with which credentials one signs in there. It is kept, listed
// and, to who may, given out whole: nothing here connects by it.

import {
  type Connection,
  type ConnectionCredentials,
  connection as connectionProperties,
  connectionSecrets,
} from '@strongroom/contract/connections';
import { connectionsActions, connectionsType } from '@strongroom/contract/connections.actions';
import { Type } from '@strongroom/contract/schema';
import { activity, json } from '#kernel/http/route';
import type { Properties, Resource, ResourceKind } from '#resources';
import { workspaceOf } from '#workspaces';
import { authTypes, categories } from './connections.data.ts';
import { connectionsFailures } from './connections.errors.ts';
import { authTypeOf, categoryOf, checkConnection, givenIn, keepsItsOwn } from './credentials.rules.ts';
import type { Credentials, CredentialsOwner } from './credentials.service.ts';
import { unservedOfConnections } from './unserved.ts';

const ownerOf = (resource: Resource): CredentialsOwner => ({
  workspaceId: workspaceOf(resource.id) ?? '',
  uniqueId: resource.uniqueId,
});
/** Checked by the kind's schema when it was written. */
const connectionIn = (properties: Properties) => properties as unknown as Connection;
const shown = (properties: Properties, credentials: ConnectionCredentials | null): Properties => ({
  ...properties,
  isSharedToAll: true,
  sharedUserList: [],
  credentials,
});
/** From here on they are only where they are sealed. */
const withoutCredentials = (properties: Properties): Properties => ({ ...properties, credentials: undefined });

export function createConnectionKind({ credentials }: { readonly credentials: Credentials }): ResourceKind {
  return {
    type: connectionsType,
    title: 'connection',
    namePattern: /^[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}$/,
    nameRule: 'it begins with a letter or digit and has 3 to 33 letters, digits, hyphens and underscores',
    properties: connectionProperties,
    holdsSecrets: true,
    secretProperties: ['credentials'],
    insteadOfCredential: 'send it in properties.credentials, where it is sealed and shown to nobody who only reads.',
    unserved: unservedOfConnections,
    discriminators: [
      { path: 'category', serves: categories, refuse: connectionsFailures.ConnectionCategoryUnknown },
      {
        path: 'authType',
        serves: Object.keys(authTypes),
        refuse: (asked) => connectionsFailures.AuthTypeNotServed(asked, Object.keys(authTypes)),
      },
    ],
    location: 'none',
    // Azure's clients take no other code.
    createdStatus: 200,

    normalise({ properties }): Properties {
      const { authType, category, target, metadata, credentials: sent } = connectionIn(properties);
      return {
        authType: authTypeOf(authType),
        category: categoryOf(category),
        target: target ?? undefined,
        metadata: metadata ?? {},
        credentials: givenIn(sent),
      };
    },

    async validate(_grant, draft, existing) {
      checkConnection(connectionIn(draft.properties), existing && connectionIn(existing.properties));
    },

    async create(grant, resource) {
      const given = resource.properties['credentials'] as ConnectionCredentials | undefined; // checked by the kind's schema
      if (given !== undefined) await credentials.put(grant, ownerOf(resource), given);
      return withoutCredentials(resource.properties);
    },

    async update(grant, resource, before) {
      const { credentials: given } = connectionIn(resource.properties);
      if (given !== undefined) await credentials.put(grant, ownerOf(resource), given);
      else if (!keepsItsOwn(connectionIn(resource.properties), connectionIn(before.properties)))
        await credentials.remove(grant, ownerOf(resource));
      return withoutCredentials(resource.properties);
    },

    remove: (grant, resource) => credentials.remove(grant, ownerOf(resource)),

    view: ({ properties }) => shown(properties, null),

    listQuery: Type.Object({
      category: Type.Optional(Type.String({ maxLength: 64 })),
      target: Type.Optional(Type.String({ maxLength: 2048 })),
      /** Connections to data are listed in any case; datastores have a list of their own. */
      includeAll: Type.Optional(Type.String({ maxLength: 5 })),
    }),
    matches({ properties }, { category, target }) {
      const shown = connectionIn(properties);
      if (typeof category === 'string' && shown.category !== categoryOf(category)) return false;
      return typeof target !== 'string' || shown.target === target;
    },

    actions: [
      {
        name: 'listSecrets',
        action: connectionsActions.listSecrets,
        summary: 'Shows the connection with its credentials.',
        goesOnWhenLow: 'it stores nothing',
        audit: activity(),
        responses: { 200: connectionSecrets },
        async handle(grant, resource) {
          const kept = await credentials.read(grant, ownerOf(resource));
          const { id, name, type } = resource;
          return json(200, { id, name, type, properties: shown(resource.properties, kept ?? null) });
        },
      },
    ],
    audit: { write: activity('properties.authType', 'properties.category') },
  };
}
