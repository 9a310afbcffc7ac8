// Role definitions at any scope, what the caller itself may do there, the catalogue of operations, and explanations.
// arm-authorization takes 201 alone for a PUT of a definition, also when it replaces one.

import {
  AccessExplanation,
  PermissionList,
  ProviderOperations,
  ProviderOperationsList,
  RoleDefinitionList,
  RoleDefinitionRequest,
  RoleDefinitionSchema,
} from '@strongroom/contract/access';
import { accessActions } from '@strongroom/contract/access.actions';
import { type Static, Type } from '@strongroom/contract/schema';
import type { Actor } from '#kernel/authority/actor';
import {
  accessed,
  activity,
  empty,
  json,
  listing,
  needs,
  type Route,
  route,
  signedIn,
  unrecorded,
  whole,
} from '#kernel/http/route';
import { accessFailures } from './access.errors.ts';
import type { Definitions } from './definitions.service.ts';
import { definitionDraftOf, definitionView, permissionView } from './definitions.view.ts';
import type { Explain } from './explanation.service.ts';
import type { Permission } from './role.rules.ts';
import { atEveryScope, scopeOf } from './scoped.routes.ts';

const path = '/{scope+}/providers/Microsoft.Authorization/roleDefinitions';
const one = `${path}/{name}`;

export function definitionRoutes(definitions: Definitions): readonly Route[] {
  const list = route({
    operation: 'RoleDefinitions_List',
    surface: 'arm',
    method: 'GET',
    path,
    summary: 'Lists the roles that can be assigned at a scope',
    access: listing(accessActions.readRoleDefinitions, scopeOf),
    audit: unrecorded('names of roles, which hold nothing of anybody'),
    reads: ['?$filter'],
    responses: { 200: RoleDefinitionList },
    handle: (grant, { exchange }) => {
      const found = definitions.list(grant, exchange.target.query.get('$filter'));
      return json(200, { value: found.map((definition) => definitionView(definition, grant.scope)) });
    },
  });
  const get = route({
    operation: 'RoleDefinitions_Get',
    surface: 'arm',
    method: 'GET',
    path: one,
    summary: 'Shows what a role holds',
    access: listing(accessActions.readRoleDefinitions, scopeOf),
    audit: unrecorded('names of roles, which hold nothing of anybody'),
    responses: { 200: RoleDefinitionSchema },
    handle: (grant, { params }) => json(200, definitionView(definitions.get(grant, params.name ?? ''), grant.scope)),
  });
  const put = route({
    operation: 'RoleDefinitions_CreateOrUpdate',
    surface: 'arm',
    method: 'PUT',
    path: one,
    summary: 'Creates or changes a custom role',
    access: needs(accessActions.writeRoleDefinitions, scopeOf, whole),
    audit: activity('name', 'properties.roleName'),
    body: { kind: 'json', schema: RoleDefinitionRequest, maxBytes: 1_048_576 },
    responses: { 201: RoleDefinitionSchema },
    handle: async (grant, { params, body }) => {
      const definition = await definitions.put(grant, params.name ?? '', definitionDraftOf(body));
      return json(201, definitionView(definition, grant.scope));
    },
  });
  const remove = route({
    operation: 'RoleDefinitions_Delete',
    surface: 'arm',
    method: 'DELETE',
    path: one,
    summary: 'Deletes a custom role that is assigned nowhere',
    access: needs(accessActions.deleteRoleDefinitions, scopeOf, whole),
    audit: activity('name'),
    responses: { 200: RoleDefinitionSchema },
    handle: async (grant, { params }) => {
      const removed = await definitions.remove(grant, params.name ?? '');
      return removed ? json(200, definitionView(removed, grant.scope)) : empty(204);
    },
  });
  return [list, get, put, remove].flatMap((each) => atEveryScope(each));
}

const ExplanationQuery = Type.Object({
  principalId: Type.String({ minLength: 1, maxLength: 128 }),
  action: Type.String({ minLength: 1, maxLength: 512 }),
  plane: Type.Optional(Type.Union([Type.Literal('control'), Type.Literal('data')])),
});

export function questionRoutes(options: {
  readonly explain: Explain;
  readonly permissionsOf: (actor: Actor, scope: string, address: string | undefined) => readonly Permission[];
  readonly operations: readonly Static<typeof ProviderOperations>[];
}): readonly Route[] {
  const { explain, permissionsOf, operations } = options;
  const permissions = route({
    operation: 'Permissions_List',
    surface: 'arm',
    method: 'GET',
    path: '/{scope+}/providers/Microsoft.Authorization/permissions',
    summary: 'Shows what the caller may do at a scope',
    access: signedIn('answers only what the caller itself may do'),
    audit: unrecorded('answers only what the caller itself may do'),
    responses: { 200: PermissionList },
    handle: (grant, { params }) =>
      json(200, { value: permissionsOf(grant.actor, scopeOf(params), grant.address).map(permissionView) }),
  });
  const explanation = route({
    operation: 'Access_Explain',
    surface: 'arm',
    method: 'GET',
    path: '/{scope+}/providers/Strongroom.Access/explanations',
    summary: 'Explains why a principal may or may not do an action at a scope',
    access: needs(accessActions.readRoleAssignments, scopeOf, whole),
    audit: accessed('principalId', 'action'),
    query: ExplanationQuery,
    responses: { 200: AccessExplanation },
    handle: async (grant, { query }) => {
      const { principalId, action, plane } = query;
      const asked = plane === undefined ? action : { name: action, plane };
      return json(200, await explain({ who: { principalId }, action: asked, scope: grant.scope }));
    },
  });
  const catalogue = route({
    operation: 'ProviderOperationsMetadata_List',
    surface: 'arm',
    method: 'GET',
    path: '/providers/Microsoft.Authorization/providerOperations',
    summary: 'Lists every action that a role can hold',
    access: signedIn('the names of actions are public knowledge'),
    audit: unrecorded('the names of actions are public knowledge'),
    responses: { 200: ProviderOperationsList },
    handle: () => json(200, { value: operations }),
  });
  const provider = route({
    operation: 'ProviderOperationsMetadata_Get',
    surface: 'arm',
    method: 'GET',
    path: '/providers/Microsoft.Authorization/providerOperations/{name}',
    summary: 'Lists the actions of one provider',
    access: signedIn('the names of actions are public knowledge'),
    audit: unrecorded('the names of actions are public knowledge'),
    responses: { 200: ProviderOperations },
    handle: (_grant, { params }) => {
      const found = operations.find((each) => each.name.toLowerCase() === params.name?.toLowerCase());
      if (!found) throw accessFailures.ProviderNotFound(params.name ?? '');
      return json(200, found);
    },
  });
  return [...atEveryScope(permissions), ...atEveryScope(explanation), catalogue, provider];
}
