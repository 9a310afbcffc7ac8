// Domain to wire: a resource as its answer, the links of a long-running operation, the Warning of what is not served.

import type { OperationStatusWire, ResourceWire } from '@strongroom/contract/resources';
import type { Exchange } from '#kernel/http/exchange';
import { readId } from './catalog.ts';
import type { Resource, ResourceKind } from './kind.ts';
import type { Operation } from './operations.store.ts';
import { apiVersionOf } from './surface.ts';

export function resourceWire(
  kind: ResourceKind | undefined,
  resource: Resource,
  exchange: Exchange | undefined,
): ResourceWire {
  // A row whose kind is not served any more shows nothing of its properties: nobody can say which of them are secret.
  const shown = kind === undefined ? {} : (kind.view?.(resource, exchange) ?? resource.properties);
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
  };
}

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
  exchange: Exchange,
  operation: Pick<Operation, 'id' | 'resourceId'>,
  location = 'global',
): { readonly status: string; readonly result: string } {
  const { subscriptionId, type } = readId(operation.resourceId);
  const [namespace = ''] = type.split('/');
  const stem = `${exchange.target.origin}/subscriptions/${subscriptionId}/providers/${namespace}/locations/${location}`;
  const version = `?api-version=${apiVersionOf(exchange)}`;
  return {
    status: `${stem}/operationsStatus/${operation.id}${version}`,
    result: `${stem}/operationResults/${operation.id}${version}`,
  };
}

/**
 * Where the operation that made a resource is polled: clients that are scripts read it from the body of an online endpoint or
 * deployment, in `properties.properties.AzureAsyncOperationUri`. Answers for as long as operations are kept.
 */
export function madeByUri(resource: Resource, exchange: Exchange | undefined): string | undefined {
  if (resource.operationId === undefined || exchange === undefined) return undefined;
  return operationLinks(exchange, { id: resource.operationId, resourceId: resource.id }, resource.location).status;
}

/** RFC 9111 §5.5. The names come from the kinds' own lists, never from the caller. */
export function warningOf(unserved: readonly string[]): Readonly<Record<string, string>> {
  if (unserved.length === 0) return {};
  return { warning: `299 - "Accepted but not served, and not stored: ${unserved.join(', ')}"` };
}
