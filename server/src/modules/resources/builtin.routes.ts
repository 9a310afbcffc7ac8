// Routes that belong to no kind: discovery of the cloud, the subscription and its tenant, what is served, all resources of a
// group, and polls of long-running operations.

import { listWire, OperationStatusWire, SubscriptionWire } from '@strongroom/contract/resources';
import { actionsOfType, resourcesActions } from '@strongroom/contract/resources.actions';
import { Type } from '@strongroom/contract/schema';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { Exchange } from '#kernel/http/exchange';
import {
  type Answer,
  accessed,
  empty,
  json,
  listing as listingAccess,
  needs,
  open,
  type Params,
  type Route,
  route,
  signedIn,
  unrecorded,
  whole,
} from '#kernel/http/route';
import { isWithin } from '#kernel/ids/ids';
import { topLevelOf } from './catalog.service.ts';
import { locationWire, metadataWire, subscriptionWire, tenantWire } from './discovery.view.ts';
import { hasTag, readFilter } from './filter.rules.ts';
import type { Resource } from './kind.types.ts';
import { nextLink, refuseUnserved, type Serving } from './kinds.routes.ts';
import { askedOf, readPaging } from './listing.service.ts';
import { groupId, groupPath, groupType, subscriptionId, subscriptionPath } from './paths.rules.ts';
import type { Polls } from './polls.view.ts';
import type { Subscription } from './ports.types.ts';
import type { Providers } from './providers.view.ts';
import { notFound, resourcesFailures } from './resources.errors.ts';
import { resourceWire } from './resources.wire.ts';
import { apiVersionOf } from './surface.ts';

const everybody = 'every signed-in principal may know the one subscription and its tenant: its id is in every URL';
const served = 'what a server serves is in its documentation';
const quiet = unrecorded('discovery: answers the same to everybody and touches nothing');
const Anything = Type.Unknown();
const listParameters: ReadonlySet<string> = new Set(['$filter', '$expand', '$top', '$skip', '$skipToken']);

export function builtinRoutes(deps: {
  readonly serving: Serving;
  readonly grants: Pick<Grants, 'mayAlso'>;
  readonly subscription: Subscription;
  readonly domain: string;
  readonly providers: Providers;
  readonly polls: Polls;
}): readonly Route[] {
  const { serving, grants, subscription, domain, providers, polls } = deps;
  const { service } = serving;

  const told = (operation: string, path: string, summary: string, answer: (params: Params) => unknown): Route =>
    route({
      operation,
      surface: 'arm',
      method: 'GET',
      path,
      summary,
      access: signedIn(path.includes('roviders') ? served : everybody),
      audit: quiet,
      responses: { 200: Anything },
      handle: async (_grant, { params }) => {
        return json(200, answer(params));
      },
    });

  async function everything(grant: Grant, under: string, exchange: Exchange): Promise<Answer> {
    const from = askedOf(exchange.target.query.values);
    refuseUnserved(listParameters, from.asked);
    if (!(await service.hasContainer(under))) {
      if (grant.visibility?.all === true) throw notFound(under);
      return json(200, { value: [] });
    }
    const expanded = new Set(
      String(from.asked['$expand'] ?? '')
        .toLowerCase()
        .split(',')
        .map((name) => name.trim()),
    );
    const wanted = readFilter(
      from.after === '' ? exchange.target.query.get('$filter') : String(from.asked['$filter'] ?? ''),
    );
    const mayShow = (resource: Resource) =>
      grant.visibility?.all === true || grants.mayAlso(grant, actionsOfType(resource.type).read, resource.id);
    const page = await serving.listing.control({
      ...readPaging(from),
      type: wanted.type,
      under,
      shows: (resource) =>
        resource.type !== groupType &&
        topLevelOf(resource.id) === undefined &&
        (wanted.group === undefined ||
          isWithin(resource.id, `/subscriptions/${subscription.id}/resourceGroups/${wanted.group}`)) &&
        (wanted.name === undefined || wanted.name === resource.name.toLowerCase()) &&
        (wanted.location === undefined || wanted.location === resource.location) &&
        hasTag(resource.tags, wanted) &&
        mayShow(resource),
    });
    return json(200, {
      value: page.resources.map((resource) => {
        const {
          properties: _kept,
          etag: _etag,
          systemData: _stamp,
          ...envelope
        } = resourceWire(undefined, resource, exchange);
        const { createdAt, lastModifiedAt } = resource.systemData;
        return {
          ...envelope,
          ...(expanded.has('createdtime') ? { createdTime: createdAt } : {}),
          ...(expanded.has('changedtime') ? { changedTime: lastModifiedAt } : {}),
          provisioningState: resource.provisioningState,
        };
      }),
      ...(page.next === undefined ? {} : { nextLink: nextLink(exchange, page.next, from.asked) }),
    });
  }

  const pollPath = `${subscriptionPath}/providers/{namespace}/locations/{location}`;
  const ownPolls = 'who began an operation may follow it; everybody else needs to read its resource, which is checked';

  return [
    route({
      operation: 'Metadata_Endpoints',
      surface: 'arm',
      method: 'GET',
      path: '/metadata/endpoints',
      summary: 'Where this cloud is: what clients read before anybody can sign in.',
      access: open('clients read it to learn where to sign in'),
      audit: quiet,
      responses: { 200: Anything },
      handle: (_grant, { exchange }) => json(200, metadataWire(apiVersionOf(exchange), exchange.target.origin, domain)),
    }),
    told('Tenants_List', '/tenants', 'Lists the tenant of this installation.', () => ({
      value: [tenantWire(subscription, domain)],
    })),
    told('Subscriptions_List', '/subscriptions', 'Lists the subscription of this installation.', () => ({
      value: [subscriptionWire(subscription)],
      count: { type: 'Total', value: 1 },
    })),
    route({
      operation: 'Subscriptions_Get',
      surface: 'arm',
      method: 'GET',
      path: subscriptionPath,
      summary: 'Reads the subscription.',
      access: needs(resourcesActions.readSubscription, subscriptionId, whole),
      audit: accessed('subscriptionId'),
      responses: { 200: SubscriptionWire },
      handle: () => json(200, subscriptionWire(subscription)),
    }),
    told(
      'Subscriptions_ListLocations',
      `${subscriptionPath}/locations`,
      'Lists the locations of the subscription.',
      () => ({
        value: [locationWire(subscription)],
      }),
    ),
    told('Providers_ListAtTenant', '/providers', 'Lists the namespaces that are served.', () => ({
      value: providers.list(),
    })),
    told('Providers_List', `${subscriptionPath}/providers`, 'Lists the namespaces that are served.', () => ({
      value: providers.list(),
    })),
    told('Providers_Get', `${subscriptionPath}/providers/{namespace}`, 'Reads one namespace.', (params) =>
      providers.get(params['namespace'] ?? ''),
    ),
    route({
      operation: 'Providers_Register',
      surface: 'arm',
      method: 'POST',
      path: `${subscriptionPath}/providers/{namespace}/register`,
      summary: 'Answers that a namespace is registered: all that are served are, and nothing changes.',
      access: signedIn(served),
      goesOnWhenLow: 'it stores nothing',
      audit: quiet,
      responses: { 200: Anything },
      handle: (_grant, { params }) => json(200, providers.get(params['namespace'] ?? '')),
    }),
    route({
      operation: 'Providers_Unregister',
      surface: 'arm',
      method: 'POST',
      path: `${subscriptionPath}/providers/{namespace}/unregister`,
      summary: 'Refused: what is served is served in the one subscription.',
      access: signedIn(served),
      goesOnWhenLow: 'it stores nothing',
      audit: quiet,
      handle: async (_grant, { params }): Promise<Answer> => {
        throw resourcesFailures.UnregisterNotServed(providers.known(params['namespace'] ?? ''));
      },
    }),
    told('Providers_Operations', '/providers/{namespace}/operations', 'Lists what roles can permit.', (params) => ({
      value: providers.operations(params['namespace'] ?? ''),
    })),
    route({
      operation: 'Resources_List',
      surface: 'arm',
      method: 'GET',
      path: `${subscriptionPath}/resources`,
      summary: 'Lists the top-level resources of the subscription that the caller may see.',
      access: listingAccess(resourcesActions.readResources, subscriptionId),
      audit: accessed(),
      responses: { 200: listWire(Anything) },
      handle: (grant, { params, exchange }) => everything(grant, subscriptionId(params), exchange),
    }),
    route({
      operation: 'Resources_ListByResourceGroup',
      surface: 'arm',
      method: 'GET',
      path: `${groupPath}/resources`,
      summary: 'Lists the top-level resources of a group that the caller may see.',
      access: listingAccess(resourcesActions.readGroupResources, groupId),
      audit: accessed('resourceGroupName'),
      responses: { 200: listWire(Anything) },
      handle: (grant, { params, exchange }) => everything(grant, groupId(params), exchange),
    }),
    route({
      operation: 'ResourceGroups_CheckExistence',
      surface: 'arm',
      method: 'HEAD',
      path: groupPath,
      summary: 'Says whether a resource group exists: 204, or 404.',
      access: needs(resourcesActions.readGroup, groupId, whole),
      audit: accessed('resourceGroupName'),
      handle: async (_grant, { params }) => empty((await service.find(groupId(params))) === undefined ? 404 : 204),
    }),
    route({
      operation: 'Operations_GetStatus',
      surface: 'arm',
      method: 'GET',
      path: `${pollPath}/operationsStatus/{operationId}`,
      summary: 'Reads how far a long-running operation is.',
      access: signedIn(ownPolls),
      audit: unrecorded('a poll of an operation that is itself recorded'),
      responses: { 200: OperationStatusWire },
      handle: (grant, { params, exchange }) => polls.status(grant, params, exchange),
    }),
    route({
      operation: 'Operations_GetResult',
      surface: 'arm',
      method: 'GET',
      path: `${pollPath}/operationResults/{operationId}`,
      summary: 'Answers 202 while a long-running operation runs, then its result.',
      access: signedIn(ownPolls),
      audit: unrecorded('a poll of an operation that is itself recorded'),
      handle: (grant, { params, exchange }) => polls.result(grant, params, exchange),
    }),
  ];
}
