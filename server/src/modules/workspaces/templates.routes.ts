// What a template deployment did. Azure has this list at a path without a provider.

import { deploymentOperations } from '@strongroom/contract/templates';
import { workspacesActions } from '@strongroom/contract/workspaces.actions';
import { accessed, json, needs, type Params, type Route, route, whole } from '#kernel/http/route';
import { parseResourceId } from '#kernel/ids/ids';
import { itemId, type Resources } from '#resources';
import { templateType } from './templates.kind.ts';

const idOf = (params: Params) => itemId(templateType, params);

export function templateRoutes(resources: Pick<Resources, 'get'>): readonly Route[] {
  return [
    route({
      operation: 'Deployments_ListOperations',
      surface: 'arm',
      method: 'GET',
      path: '/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/deployments/{deploymentName}/operations',
      summary: 'What a template deployment made.',
      access: needs(workspacesActions.readDeploymentOperations, idOf, whole),
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
