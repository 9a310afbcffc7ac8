// The route table of a kind: put, get, patch, delete at the item, list where items stand, one route an action. Every
// kind gets the same ones, so that every resource behaves alike. Handlers translate; the service decides.

import {
  ErrorWire,
  ListQuery,
  OrderQuery,
  ResourceListWire,
  ResourcePatch,
  ResourceWire,
  resourceBody,
  resourceLimits,
} from '@strongroom/contract/resources';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import { type TSchema, Type } from '@strongroom/contract/schema';
import type { Grant } from '#kernel/authority/grant';
import type { Failure } from '#kernel/errors/failure';
import { etagConditions } from '#kernel/http/conditions';
import type { Exchange } from '#kernel/http/exchange';
import {
  type Answer,
  accessed,
  activity,
  empty,
  json,
  listing,
  needs,
  type Params,
  type Route,
  whole,
} from '#kernel/http/route';
import { validate } from '#kernel/input/validate';
import { withArticle } from './article.rules.ts';
import { depthOf } from './catalog.service.ts';
import type { Guard } from './guard.service.ts';
import type { ResourceAction, ResourceKind } from './kind.types.ts';
import { askedOf, type Listing, readPaging, tokenOf } from './listing.service.ts';
import type { Operation } from './operations.service.ts';
import {
  collectionPath,
  containerId,
  groupType,
  itemId,
  itemPath,
  subscriptionId,
  subscriptionPath,
} from './paths.rules.ts';
import type { How, Put } from './put/put.types.ts';
import type { Removed } from './removal/remove.service.ts';
import { notFound, resourcesFailures } from './resources.errors.ts';
import type { ResourcesService } from './resources.service.ts';
import { addressedBy, operationLinks, resourceWire, shownOf } from './resources.wire.ts';

export type Serving = {
  readonly service: ResourcesService;
  readonly listing: Listing;
  readonly guard: Guard;
  readonly location: string;
};

type Input = {
  readonly params: Params;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
  readonly exchange: Exchange;
};
type Handle = (grant: Grant, input: Input) => Promise<Answer>;

/** `Microsoft.MachineLearningServices/workspaces/jobs` → `Workspaces_Jobs`, with the namespace's last word in front. */
function stemOf(type: string): string {
  const [namespace = '', ...words] = type.split('/');
  const name = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);
  return [namespace.split('.').slice(1).map(name).join(''), ...words.map(name)].join('_');
}

const refusals = { 400: ErrorWire, 401: ErrorWire, 403: ErrorWire, 404: ErrorWire, 409: ErrorWire } as const;

export function routesOf(kind: ResourceKind, serving: Serving): readonly Route[] {
  const { service } = serving;
  const { type, title } = kind;
  const actions = actionsOfType(type);
  const stem = stemOf(type);
  const item = itemPath(type);
  const idOf = (params: Params) => itemId(type, params);
  const last = item.slice(item.lastIndexOf('{') + 1, -1);
  const written = kind.audit?.write ?? activity(last, 'location');
  // The pipeline has checked query and body by the schemas beside the handler; the service checks the rest.
  const made = (spec: Omit<Route, 'surface' | 'handle'> & { readonly handle: Handle }): Route => ({
    ...spec,
    surface: 'arm',
    handle: (grant, input) => spec.handle(grant, input as unknown as Input),
  });

  const putAnswer = (done: Put, exchange: Exchange): Answer => ({
    status: done.created ? (kind.createdStatus ?? 201) : 200,
    headers: {
      etag: done.resource.etag,
      ...(done.operation ? pollHeaders(done.operation, exchange, done.resource.location) : {}),
    },
    body: resourceWire(kind, done.resource, exchange),
  });
  const pollHeaders = (operation: Operation, exchange: Exchange, location: string | undefined) => {
    const links = operationLinks(addressedBy(exchange), operation, location ?? serving.location);
    return operation.verb === 'create'
      ? { 'azure-asyncoperation': links.status, 'retry-after': '1' }
      : { 'azure-asyncoperation': links.status, location: links.result, 'retry-after': '1' };
  };
  const removeAnswer = ({ existed, operation, holders = [] }: Removed, exchange: Exchange): Answer => {
    if (operation === undefined) return empty(existed ? (kind.removedStatus ?? 200) : 204);
    const headers = pollHeaders(operation, exchange, undefined);
    if (holders.length === 0) return empty(202, headers);
    // For clients that do not poll this type's removal, and take a 202 for a fault: they show what the body says.
    const { code, message } = resourcesFailures.ResourceInUse(operation.resourceId, holders);
    return json(202, { status: operation.status, error: { code, message } }, headers);
  };

  const kept = {
    kind: 'json',
    maxBytes: resourceLimits.bodyBytes,
    holdsSecrets: kind.holdsSecrets ?? false,
    // By the service, which looks at what is meant before it looks at the shape.
    isCheckedLater: true,
  } as const;
  const routes: Route[] = [
    made({
      operation: `${stem}_CreateOrUpdate`,
      method: 'PUT',
      path: item,
      reads: etagConditions,
      summary: `Creates ${withArticle(title)}, or replaces what may be set of it.`,
      access: needs(actions.write, idOf, whole),
      audit: written,
      ...(kind.putQuery === undefined ? {} : { query: kind.putQuery }),
      body: { ...kept, schema: resourceBody(kind.properties, kind.sku) },
      responses: { 200: ResourceWire, 201: ResourceWire, 412: ErrorWire, ...refusals },
      handle: async (grant, { params, body, exchange }) =>
        putAnswer(await service.put(grant, idOf(params), body, howOf(exchange)), exchange),
    }),
    made({
      operation: `${stem}_Get`,
      method: 'GET',
      path: item,
      summary: `Reads ${withArticle(title)}.`,
      access: needs(actions.read, idOf, whole),
      audit: kind.audit?.read ?? accessed(last),
      responses: { 200: ResourceWire, ...refusals },
      handle: async (_grant, { params, exchange }) => {
        const resource = await service.find(idOf(params));
        if (resource === undefined) throw notFound(idOf(params));
        // Whether it is there: Azure's clients take any other code for an error.
        if (exchange.method === 'HEAD') return empty(204, { etag: resource.etag });
        if (exchange.header('if-none-match') === resource.etag) return empty(304, { etag: resource.etag });
        return json(200, resourceWire(kind, resource, exchange), { etag: resource.etag });
      },
    }),
    made({
      operation: `${stem}_Update`,
      method: 'PATCH',
      path: item,
      reads: etagConditions,
      summary: `Changes parts of ${withArticle(title)}, by a JSON merge patch.`,
      access: needs(actions.write, idOf, whole),
      goesOnWhenLow: 'it changes what is there',
      audit: written,
      body: { ...kept, schema: ResourcePatch },
      responses: { 200: ResourceWire, 412: ErrorWire, ...refusals },
      handle: async (grant, { params, body, exchange }) =>
        putAnswer(await service.patch(grant, idOf(params), body, howOf(exchange)), exchange),
    }),
    made({
      operation: `${stem}_Delete`,
      method: 'DELETE',
      path: item,
      reads: etagConditions,
      summary: `Removes ${withArticle(title)} and everything below it.`,
      access: needs(actions.remove, idOf, whole),
      audit: kind.audit?.remove ?? activity(last),
      ...(kind.removeQuery === undefined ? {} : { query: kind.removeQuery }),
      responses: { 412: ErrorWire, ...refusals },
      handle: async (grant, { params, query, exchange }) =>
        removeAnswer(await service.remove(grant, idOf(params), { ...howOf(exchange), query }), exchange),
    }),
    ...(kind.actions ?? []).map((action) => actionRoute(action)),
    ...listRoutes(kind, serving),
  ];
  return routes;

  function actionRoute(action: ResourceAction): Route {
    return made({
      operation: `${stem}_${action.name.charAt(0).toUpperCase()}${action.name.slice(1)}`,
      method: action.method ?? 'POST',
      path: `${item}/${action.name}`,
      summary: action.summary,
      ...(action.goesOnWhenLow === undefined ? {} : { goesOnWhenLow: action.goesOnWhenLow }),
      access: needs(action.action ?? actions.verb(action.name), idOf, whole),
      audit: action.audit,
      // No GET of ours has parameters.
      ...(action.method === 'GET' ? { reads: [] } : action.reads === undefined ? {} : { reads: action.reads }),
      ...(action.body ? { body: action.body } : {}),
      responses: { ...action.responses, ...refusals },
      handle: async (grant, { params, query, body, exchange }) => {
        const id = idOf(params);
        const act = async () => {
          const resource = await service.find(id);
          if (resource === undefined) throw notFound(id);
          return action.handle(grant, resource, { body, query, exchange });
        };
        return action.inTurn === true ? service.inTurn(id, act) : act();
      },
    });
  }
}

/** Top-level types list by group and by subscription, child types at their parent, groups in their subscription. */
export function listRoutes(kind: ResourceKind, serving: Serving): readonly Route[] {
  const { type } = kind;
  const { read } = actionsOfType(type);
  const query = listQueryOf(kind);
  const at = (path: string, name: string, underOf: (params: Params) => string): Route => ({
    operation: `${stemOf(type)}_${name}`,
    surface: 'arm',
    method: 'GET',
    path,
    summary: `Lists what the caller may see: ${kind.title}, a page at a time.`,
    access: listing(read, underOf),
    audit: kind.audit?.read ?? accessed(),
    query,
    responses: { 200: ResourceListWire, ...refusals },
    handle: (grant, input) => {
      const { params, query: given, exchange } = input as unknown as Input; // checked by the schema above
      const from = askedOf(given);
      // What a token says was asked for is checked like what a query says.
      if (from.after !== '') validate(query, from.asked, 'query');
      refuseUnserved(namesIn(query), from.asked);
      kind.checkQuery?.(from.asked);
      return listAnswer(serving, grant, { kind, under: underOf(params), from, exchange });
    },
  });
  if (type === groupType) return [at(collectionPath(type), 'List', subscriptionId)];
  if (depthOf(type) > 1) return [at(collectionPath(type), 'List', (params) => containerId(type, params))];
  const [namespace, word] = type.split('/');
  return [
    at(collectionPath(type), 'ListByResourceGroup', (params) => containerId(type, params)),
    at(`${subscriptionPath}/providers/${namespace}/${word}`, 'ListBySubscription', subscriptionId),
  ];
}

/** One schema a kind: each is compiled once. */
const listQueryOf = (kind: ResourceKind): TSchema => {
  const parts: TSchema[] = [ListQuery];
  if (kind.orders !== undefined) parts.push(OrderQuery);
  if (kind.listQuery !== undefined) parts.push(kind.listQuery);
  return parts.length === 1 ? ListQuery : Type.Intersect(parts);
};

/** Names of a query's parameters, in its schema and in those that it is put together from. */
function namesIn(schema: TSchema): ReadonlySet<string> {
  const { properties = {}, allOf = [] } = schema as {
    readonly properties?: Readonly<Record<string, unknown>>;
    readonly allOf?: readonly TSchema[];
  };
  return new Set([...Object.keys(properties), ...allOf.flatMap((part) => [...namesIn(part)])]);
}

/** A filter that is not applied shows too much, and an order that is not kept shows the wrong one first. */
export function refuseUnserved(served: ReadonlySet<string>, asked: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(asked))
    if (value !== '' && !served.has(name) && !everywhere.has(name.toLowerCase()))
      throw resourcesFailures.InvalidQueryParameterValue(name, [...served]);
}
const everywhere: ReadonlySet<string> = new Set(['api-version', '$skiptoken']);

async function listAnswer(
  serving: Serving,
  grant: Grant,
  list: {
    readonly kind: ResourceKind;
    readonly under: string;
    readonly from: ReturnType<typeof askedOf>;
    readonly exchange: Exchange;
  },
): Promise<Answer> {
  const { kind, under, from, exchange } = list;
  const { service, listing, guard } = serving;
  const mayShow = guard.shows(grant, kind.type, under);
  if (!(await service.hasContainer(under))) {
    // Only those who may see everything there are told that there is nothing; to others it looks like an empty list.
    // A container that a first version makes by itself is empty until then, rather than missing.
    if (grant.visibility?.all === true && kind.makesParent !== true) throw missing(under);
    return json(200, { value: [] });
  }
  const page = await listing.page({
    ...readPaging(from, kind.orders),
    type: kind.type,
    under,
    shows: (resource) => mayShow(resource.id) && (kind.matches?.(resource, from.asked) ?? true),
  });
  return json(200, {
    value: page.resources.map((resource) => resourceWire(kind, resource, exchange)),
    ...(page.next === undefined ? {} : { nextLink: nextLink(exchange, page.next, from.asked) }),
  });
}

function missing(container: string): Failure {
  const segments = container.split('/');
  if (segments.length <= 3) return resourcesFailures.SubscriptionNotFound(segments[2] ?? '');
  return segments.length === 5
    ? resourcesFailures.ResourceGroupNotFound(segments[4] ?? '')
    : resourcesFailures.ParentResourceNotFound(container);
}

/**
 * The request's own path with the token of the next page, which holds what was asked for as well: absolute, in the form of
 * the host that was asked.
 */
export function nextLink(exchange: Exchange, next: string, asked: Readonly<Record<string, unknown>>): string {
  const version = exchange.target.query.get('api-version');
  const query = new URLSearchParams(version === undefined ? {} : { 'api-version': version });
  query.set('$skipToken', tokenOf(next, asked));
  const path = exchange.target.rawPath.replace(/^\/+/, '/');
  return `${exchange.target.origin}${path}?${query}`;
}

const howOf = (exchange: Exchange): How => ({
  wait: false,
  ifMatch: exchange.header('if-match'),
  ifNoneMatch: exchange.header('if-none-match'),
  shown: (kind, existing) => shownOf(kind, existing, addressedBy(exchange)),
});
