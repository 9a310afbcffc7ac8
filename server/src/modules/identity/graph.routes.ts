// Routes of the directory. Looking up is for everybody who is signed in; changing needs an action at the subscription.

import {
  AskedGroups,
  ChangedApplication,
  ChangedPassword,
  ChangedServicePrincipal,
  ChangedUser,
  EmptyList,
  EndedSignIns,
  GraphList,
  GraphObject,
  MadeSecret,
  NewApplication,
  NewSecret,
  NewServicePrincipal,
  NewUser,
  ObjectIds,
  RemovedSecret,
} from '@strongroom/contract/graph';
import { identityActions } from '@strongroom/contract/identity.actions';
import type { TSchema } from '@strongroom/contract/schema';
import type { Exchange } from '#kernel/http/exchange';
import {
  activity,
  empty,
  json,
  needs,
  type Params,
  type Route,
  route,
  signedIn,
  unrecorded,
  whole,
} from '#kernel/http/route';
import { graphFailures } from './graph.errors.ts';
import type { Graph, GraphPage, Kind } from './graph.service.ts';
import { readGraphFilter } from './graph-filter.rules.ts';

const base = '/msgraph/v1.0';
const surface = 'graph';
const looking = signedIn('whoever is signed in may look up who others are, as in Azure');
const lookedUp = unrecorded('names and ids, which every signed-in caller may see');
const pageDefault = 100;
const pageMax = 999;

const body = <S extends TSchema>(schema: S) => ({ kind: 'json', schema, maxBytes: 64 * 1024 }) as const;
const secretBody = <S extends TSchema>(schema: S) => ({ ...body(schema), holdsSecrets: true }) as const;
const idOf = (params: Params) => params['id'] ?? '';

function pageOf({ target }: Exchange) {
  const top = target.query.get('$top') ?? String(pageDefault);
  if (!/^[1-9]\d{0,2}$/.test(top)) throw graphFailures.invalidTop(pageMax);
  const filter = readGraphFilter(target.query.get('$filter'));
  return { filter, after: target.query.get('$skiptoken')?.slice(0, 64) ?? '', limit: Number(top) };
}

function listed({ items, next }: GraphPage, { target }: Exchange) {
  if (next === undefined) return json(200, { value: items });
  const query = new URLSearchParams(target.query.raw);
  query.set('$skiptoken', next);
  return json(200, { '@odata.nextLink': `${target.origin}${target.rawPath}?${query}`, value: items });
}

export function graphRoutes(deps: { readonly graph: Graph; readonly subscriptionId: string }): readonly Route[] {
  const { graph } = deps;
  // The directory belongs to the whole installation: roles at its first subscription, and above, decide.
  const scope = () => `/subscriptions/${deps.subscriptionId}`;
  const writing = () => needs(identityActions.writePrincipals, scope, whole);
  const deleting = () => needs(identityActions.deletePrincipals, scope, whole);

  const reads = (noun: string, path: string, kind: Kind): readonly Route[] => [
    route({
      operation: `Graph_List${noun}s`,
      surface,
      method: 'GET',
      path: `${base}/${path}`,
      summary: `Find ${path}`,
      access: looking,
      audit: lookedUp,
      responses: { 200: GraphList },
      handle: async (grant, { exchange }) => listed(await graph.list(grant, kind, pageOf(exchange)), exchange),
    }),
    route({
      operation: `Graph_Get${noun}`,
      surface,
      method: 'GET',
      path: `${base}/${path}/{id}`,
      summary: `One of the ${path}`,
      access: looking,
      audit: lookedUp,
      responses: { 200: GraphObject },
      handle: async (grant, { params }) => json(200, await graph.get(grant, kind, idOf(params))),
    }),
    route({
      operation: `Graph_Delete${noun}`,
      surface,
      method: 'DELETE',
      path: `${base}/${path}/{id}`,
      summary: `Remove one of the ${path}`,
      access: deleting(),
      isDecidedAbove: true,
      audit: activity('id'),
      handle: async (grant, { params }) => {
        await graph.remove(grant, kind, idOf(params));
        return empty(204);
      },
    }),
  ];

  /** What this directory has none of, for one of its objects: an empty list, which is the truth. */
  const none = (noun: string, path: string, kind: Kind, what: string, words: string) =>
    route({
      operation: `Graph_List${noun}`,
      surface,
      method: 'GET',
      path: `${base}/${path}/{id}/${what}`,
      summary: `The ${words}: this directory has none`,
      access: looking,
      audit: lookedUp,
      responses: { 200: EmptyList },
      async handle(grant, { params }) {
        await graph.get(grant, kind, idOf(params));
        return json(200, { value: [] });
      },
    });

  return [
    ...reads('User', 'users', 'user'),
    ...reads('ServicePrincipal', 'servicePrincipals', 'servicePrincipal'),
    ...reads('Application', 'applications', 'servicePrincipal'),
    route({
      operation: 'Graph_ListGroups',
      surface,
      method: 'GET',
      path: `${base}/groups`,
      summary: 'Find groups: this directory has none',
      access: looking,
      audit: lookedUp,
      responses: { 200: GraphList },
      handle: () => json(200, { value: [] }),
    }),
    route({
      operation: 'Graph_Me',
      surface,
      method: 'GET',
      path: `${base}/me`,
      summary: 'Who am I',
      access: looking,
      audit: lookedUp,
      responses: { 200: GraphObject },
      handle: async (grant) => json(200, await graph.me(grant)),
    }),
    route({
      operation: 'Graph_ChangePassword',
      surface,
      method: 'POST',
      path: `${base}/me/changePassword`,
      summary: 'Change one’s own password',
      access: signedIn('everybody changes his own password, with the current one'),
      goesOnWhenLow: 'it changes what is there',
      audit: activity(),
      body: secretBody(ChangedPassword),
      handle: async (grant, { body: { currentPassword, newPassword } }) => {
        await graph.changeOwnPassword(grant, currentPassword, newPassword);
        return empty(204);
      },
    }),
    route({
      operation: 'Graph_EndOwnSignIns',
      surface,
      method: 'POST',
      path: `${base}/me/revokeSignInSessions`,
      summary: 'End all of one’s own sessions and tokens, this one included',
      access: signedIn('everybody may end his own sign-ins'),
      goesOnWhenLow: 'it takes away',
      audit: activity(),
      responses: { 200: EndedSignIns },
      handle: async (grant) => {
        await graph.endSignIns(grant, grant.actor.objectId);
        return json(200, { value: true });
      },
    }),
    route({
      operation: 'Graph_EndSignIns',
      surface,
      method: 'POST',
      path: `${base}/users/{id}/revokeSignInSessions`,
      summary: 'End all sessions and tokens of a user',
      access: writing(),
      isDecidedAbove: true,
      goesOnWhenLow: 'it takes away',
      audit: activity('id'),
      responses: { 200: EndedSignIns },
      handle: async (grant, { params }) => {
        await graph.endSignIns(grant, idOf(params));
        return json(200, { value: true });
      },
    }),
    route({
      operation: 'Graph_GetByIds',
      surface,
      method: 'POST',
      path: `${base}/directoryObjects/getByIds`,
      summary: 'Names for object ids',
      access: looking,
      goesOnWhenLow: 'it stores nothing',
      audit: lookedUp,
      body: body(ObjectIds),
      responses: { 200: GraphList },
      handle: async (grant, { body: { ids } }) => json(200, { value: await graph.byIds(grant, ids) }),
    }),
    route({
      operation: 'Graph_CreateUser',
      surface,
      method: 'POST',
      path: `${base}/users`,
      summary: 'Create a user',
      access: writing(),
      isDecidedAbove: true,
      audit: activity('userPrincipalName', 'displayName'),
      body: secretBody(NewUser),
      responses: { 201: GraphObject },
      handle: async (grant, { body: user }) => json(201, await graph.createUser(grant, user)),
    }),
    route({
      operation: 'Graph_UpdateUser',
      surface,
      method: 'PATCH',
      path: `${base}/users/{id}`,
      summary: 'Rename, enable, disable or give a new password to a user',
      access: writing(),
      isDecidedAbove: true,
      goesOnWhenLow: 'it changes what is there, and shuts out',
      audit: activity('id', 'accountEnabled', 'displayName', 'passwordProfile.forceChangePasswordNextSignIn'),
      body: secretBody(ChangedUser),
      handle: async (grant, { params, body: change }) => {
        await graph.changeUser(grant, idOf(params), change);
        return empty(204);
      },
    }),
    route({
      operation: 'Graph_CreateApplication',
      surface,
      method: 'POST',
      path: `${base}/applications`,
      summary: 'Create an application with its service principal',
      access: writing(),
      isDecidedAbove: true,
      audit: activity('displayName'),
      body: body(NewApplication),
      responses: { 201: GraphObject },
      handle: async (grant, { body: application }) => json(201, await graph.createApplication(grant, application)),
    }),
    route({
      operation: 'Graph_CreateServicePrincipal',
      surface,
      method: 'POST',
      path: `${base}/servicePrincipals`,
      summary: 'The service principal of an application, which it has already',
      access: writing(),
      isDecidedAbove: true,
      audit: activity('appId'),
      body: body(NewServicePrincipal),
      responses: { 201: GraphObject },
      handle: async (grant, { body: wanted }) => json(201, await graph.servicePrincipalOf(grant, wanted)),
    }),
    route({
      operation: 'Graph_UpdateServicePrincipal',
      surface,
      method: 'PATCH',
      path: `${base}/servicePrincipals/{id}`,
      summary: 'Rename, enable or disable a service principal',
      access: writing(),
      isDecidedAbove: true,
      goesOnWhenLow: 'it changes what is there, and shuts out',
      audit: activity('id', 'accountEnabled', 'displayName'),
      body: body(ChangedServicePrincipal),
      handle: async (grant, { params, body: change }) => {
        await graph.changeServicePrincipal(grant, idOf(params), change, ['displayName', 'accountEnabled']);
        return empty(204);
      },
    }),
    route({
      operation: 'Graph_UpdateApplication',
      surface,
      method: 'PATCH',
      path: `${base}/applications/{id}`,
      summary: 'Rename an application',
      access: writing(),
      isDecidedAbove: true,
      goesOnWhenLow: 'it changes what is there, and shuts out',
      audit: activity('id', 'displayName'),
      body: body(ChangedApplication),
      handle: async (grant, { params, body: change }) => {
        await graph.changeServicePrincipal(grant, idOf(params), change, ['displayName']);
        return empty(204);
      },
    }),
    none('MemberOfOfUser', 'users', 'user', 'memberOf', 'groups of a user'),
    none(
      'MemberOfOfServicePrincipal',
      'servicePrincipals',
      'servicePrincipal',
      'memberOf',
      'groups of a service principal',
    ),
    none('OwnersOfApplication', 'applications', 'servicePrincipal', 'owners', 'owners of an application'),
    none(
      'OwnersOfServicePrincipal',
      'servicePrincipals',
      'servicePrincipal',
      'owners',
      'owners of a service principal',
    ),
    none(
      'FederatedCredentials',
      'applications',
      'servicePrincipal',
      'federatedIdentityCredentials',
      'federated credentials of an application',
    ),
    route({
      operation: 'Graph_MemberGroupsOfUser',
      surface,
      method: 'POST',
      path: `${base}/users/{id}/getMemberGroups`,
      summary: 'Ids of the groups of a user: this directory has none',
      access: looking,
      goesOnWhenLow: 'it stores nothing',
      audit: lookedUp,
      body: body(AskedGroups),
      responses: { 200: EmptyList },
      async handle(grant, { params }) {
        await graph.get(grant, 'user', idOf(params));
        return json(200, { value: [] });
      },
    }),
    route({
      operation: 'Graph_AddPassword',
      surface,
      method: 'POST',
      path: `${base}/applications/{id}/addPassword`,
      summary: 'Make a client secret',
      access: writing(),
      isDecidedAbove: true,
      audit: activity('id'),
      body: body(NewSecret),
      responses: { 200: MadeSecret },
      handle: async (grant, { params, body: wanted }) => json(200, await graph.addSecret(grant, idOf(params), wanted)),
    }),
    route({
      operation: 'Graph_RemovePassword',
      surface,
      method: 'POST',
      path: `${base}/applications/{id}/removePassword`,
      summary: 'Remove a client secret',
      access: writing(),
      isDecidedAbove: true,
      goesOnWhenLow: 'it takes away',
      audit: activity('id', 'keyId'),
      body: body(RemovedSecret),
      handle: async (grant, { params, body: { keyId } }) => {
        await graph.removeSecret(grant, idOf(params), keyId);
        return empty(204);
      },
    }),
  ];
}
