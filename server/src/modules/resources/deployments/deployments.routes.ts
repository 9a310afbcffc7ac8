// What a template deployment did. Azure has this list at a path without a provider.

import { resourcesActions } from '@strongroom/contract/resources.actions';
import { deploymentOperations } from '@strongroom/contract/templates';
import { accessed, json, needs, type Params, type Route, route, whole } from '#kernel/http/route';
import { parseResourceId } from '#kernel/ids/ids';
import type { Resources } from '../kind.types.ts';
import { itemId } from '../paths.rules.ts';
import { deploymentType } from './deployments.kind.ts';

const idOf = (params: Params) => itemId(deploymentType, params);

export function deploymentRoutes(resources: Pick<Resources, 'get'>): readonly Route[] {
  return [
    route({
      operation: 'Deployments_ListOperations',
      surface: 'arm',
      method: 'GET',
      path: '/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/deployments/{deploymentName}/operations',
      summary: 'What a template deployment made.',
      access: needs(resourcesActions.readDeploymentOperations, idOf, whole),
      audit: accessed('deploymentName'),
      reads: [],
      responses: { 200: deploymentOperations },
      async handle(grant, { params }) {
        const { id, properties, provisioningState } = await resources.get(grant, idOf(params));
        const target = properties['outputResource'];
        if (typeof target !== 'string') return json(200, { value: [] });
        const { type = '', name } = parseResourceId(target);
        const made = {
          id: `${id}/operations/1`,
          operationId: '1',
          properties: {
            provisioningOperation: 'Create',
            provisioningState,
            targetResource: { id: target, resourceType: type, resourceName: name },
          },
        };
        return json(200, { value: [made] });
      },
    }),
  ];
}
