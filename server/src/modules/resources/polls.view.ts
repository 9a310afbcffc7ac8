// Answers to those who wait for a long-running operation. Who began it may follow it with no role at all (after a removal
// there may be none left to have); whoever else asks must be allowed to read the resource. To others it does not exist.

import { actionsOfType } from '@strongroom/contract/resources.actions';
import type { Grant, Grants } from '#kernel/authority/grant';
import { failureAgain } from '#kernel/errors/failure';
import type { Exchange } from '#kernel/http/exchange';
import { type Answer, empty, json, type Params } from '#kernel/http/route';
import { type Catalog, readId } from './catalog.service.ts';
import type { Operations } from './operations.service.ts';
import type { Operation } from './operations.store.ts';
import { resourcesFailures } from './resources.errors.ts';
import type { ResourcesService } from './resources.service.ts';
import { addressedBy, operationLinks, resourceWire, statusWire } from './resources.wire.ts';

const soon = { 'retry-after': '1' } as const;

export function createPolls(deps: {
  readonly catalog: Catalog;
  readonly service: Pick<ResourcesService, 'find'>;
  readonly operations: Operations;
  readonly grants: Pick<Grants, 'mayAlso'>;
}) {
  const { catalog, service, operations, grants } = deps;

  async function visible(grant: Grant, params: Params): Promise<Operation> {
    const id = params['operationId'] ?? '';
    const operation = await operations.find(id.toLowerCase());
    if (operation === undefined) throw resourcesFailures.OperationNotFound(id);
    const isOwn = operation.actorId === grant.actor.objectId && operation.actorTenant === grant.actor.tenantId;
    const { type } = readId(operation.resourceId);
    if (!isOwn && !grants.mayAlso(grant, actionsOfType(type).read, operation.resourceId))
      throw resourcesFailures.OperationNotFound(id);
    return operation;
  }

  return {
    async status(grant: Grant, params: Params, exchange: Exchange): Promise<Answer> {
      const operation = await visible(grant, params);
      const path = exchange.target.rawPath.replace(/^\/+/, '/');
      return json(200, statusWire(operation, path), operation.status === 'InProgress' ? soon : {});
    },

    async result(grant: Grant, params: Params, exchange: Exchange): Promise<Answer> {
      const operation = await visible(grant, params);
      if (operation.status === 'InProgress') {
        return empty(202, {
          ...soon,
          location: operationLinks(addressedBy(exchange), operation, params['location']).result,
        });
      }
      if (operation.error) throw failureAgain(operation.error, operation.resourceId);
      const resource = operation.verb === 'create' ? await service.find(operation.resourceId) : undefined;
      // Never 204: clients of one generation take it for an unexpected status.
      if (resource === undefined) return empty(200);
      const { type } = readId(resource.id);
      // Following an operation is not reading its resource.
      if (!grants.mayAlso(grant, actionsOfType(type).read, resource.id)) return empty(200);
      return json(200, resourceWire(catalog.find(type), resource, exchange));
    },
  };
}
export type Polls = ReturnType<typeof createPolls>;
