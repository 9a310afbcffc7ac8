// Domain to wire: a resource as its answer, the links of a long-running operation, the Warning of what is not served.

import type { OperationStatusWire, ResourceWire } from '@strongroom/contract/resources';
import type { Exchange } from '#kernel/http/exchange';
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

/** Where an operation is polled, absolute, in the form of the host that the request came in on. */
export function operationLinks(
  exchange: Exchange,
  operation: Operation,
  at: { readonly subscriptionId: string; readonly namespace: string; readonly location: string },
): { readonly status: string; readonly result: string } {
  const stem = `${exchange.target.origin}/subscriptions/${at.subscriptionId}/providers/${at.namespace}/locations/${at.location}`;
  const version = `?api-version=${apiVersionOf(exchange)}`;
  return {
    status: `${stem}/operationsStatus/${operation.id}${version}`,
    result: `${stem}/operationResults/${operation.id}${version}`,
  };
}

/** RFC 9111 §5.5. The names come from the kinds' own lists, never from the caller. */
export function warningOf(unserved: readonly string[]): Readonly<Record<string, string>> {
  if (unserved.length === 0) return {};
  return { warning: `299 - "Accepted but not served, and not stored: ${unserved.join(', ')}"` };
}
