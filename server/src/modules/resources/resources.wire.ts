// Domain to wire: a resource as its answer, and the links of a long-running operation.

import type { OperationStatusWire, ResourceWire } from '@strongroom/contract/resources';
import type { Exchange } from '#kernel/http/exchange';
import { readId } from './catalog.service.ts';
import type { Addressed, Properties, Resource, ResourceKind } from './kind.types.ts';
import type { Operation } from './operations.store.ts';
import { apiVersionOf } from './surface.ts';
import { withoutEffect, withUnserved } from './unserved.ts';

export const addressedBy = (exchange: Exchange): Addressed => ({
  origin: exchange.target.origin,
  host: exchange.target.host,
  apiVersion: apiVersionOf(exchange),
});

export function resourceWire(
  kind: ResourceKind | undefined,
  resource: Resource,
  exchange: Exchange | undefined,
): ResourceWire {
  // A row whose kind is not served any more shows nothing of its properties: nobody can say which of them are secret.
  const shown = kind === undefined ? {} : shownOf(kind, resource, exchange && addressedBy(exchange));
  const inert = kind === undefined ? {} : withoutEffect(shown, kind.unserved, !kind.sku && resource.sku !== undefined);
  const takesTags = kind?.location !== 'none' || Object.keys(resource.tags).length > 0;
  return {
    id: resource.id,
    name: resource.name,
    type: resource.type,
    ...(resource.location === undefined ? {} : { location: resource.location }),
    ...(takesTags ? { tags: { ...resource.tags } } : {}),
    ...(resource.kind === undefined ? {} : { kind: resource.kind }),
    ...(resource.sku === undefined ? {} : { sku: resource.sku }),
    ...(resource.identity === undefined ? {} : { identity: { ...resource.identity } }),
    etag: resource.etag,
    systemData: { ...resource.systemData },
    properties: { ...shown, provisioningState: resource.provisioningState },
    ...(Object.keys(inert).length === 0 ? {} : { strongroom: { withoutEffect: inert } }),
  };
}

/** `properties` of an answer: the kind's view, what is so whatever was asked, and what is kept without effect. */
export const shownOf = (kind: ResourceKind, resource: Resource, addressed: Addressed | undefined): Properties =>
  withUnserved(kind.view?.(resource, addressed) ?? resource.properties, kind.unserved, resource.inert ?? {});

export function statusWire(operation: Operation, path: string): OperationStatusWire {
  return {
    id: path,
    name: operation.id,
    status: operation.status,
    startTime: operation.startedAt,
    ...(operation.endedAt === undefined ? {} : { endTime: operation.endedAt }),
    ...(operation.error === undefined
      ? {}
      : { error: { code: operation.error.code, message: operation.error.message } }),
  };
}

/**
 * Where an operation is polled, absolute, in the form of the host that the request came in on. The location is there because
 * clients expect one: an operation is found without it.
 */
export function operationLinks(
  { origin, apiVersion }: Addressed,
  operation: Pick<Operation, 'id' | 'resourceId'>,
  location = 'global',
): { readonly status: string; readonly result: string } {
  const { subscriptionId, type } = readId(operation.resourceId);
  const [namespace = ''] = type.split('/');
  const stem = `${origin}/subscriptions/${subscriptionId}/providers/${namespace}/locations/${location}`;
  const version = `?api-version=${apiVersion}`;
  return {
    status: `${stem}/operationsStatus/${operation.id}${version}`,
    result: `${stem}/operationResults/${operation.id}${version}`,
  };
}

/**
 * Where the operation that made a resource is polled: clients that are scripts read it from the body of an online endpoint or
 * deployment, in `properties.properties.AzureAsyncOperationUri`. Answers for as long as operations are kept.
 */
export function madeByUri(resource: Resource, addressed: Addressed | undefined): string | undefined {
  if (resource.operationId === undefined || addressed === undefined) return undefined;
  return operationLinks(addressed, { id: resource.operationId, resourceId: resource.id }, resource.location).status;
}
