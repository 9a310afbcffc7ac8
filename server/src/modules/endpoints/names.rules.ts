// Types, and the ways in which a deployment may name what it is made of. Pure.

import { isWithin, parseResourceId } from '#kernel/ids/ids';
import { workspaceType } from '#workspaces';
import { endpointsFailures } from './endpoints.errors.ts';

export const endpointType = `${workspaceType}/onlineEndpoints`;
export const deploymentType = `${endpointType}/deployments`;

/** The resource id of a model version from `azureml:name:version` or a resource id; throws unless it is of this workspace. */
export function modelIdIn(workspaceId: string, given: string): string {
  const short = /^azureml:([A-Za-z0-9][\w.-]{0,254}):([A-Za-z0-9][\w.-]{0,254})$/.exec(given);
  if (short) return `${workspaceId}/models/${short[1]}/versions/${short[2]}`;
  return assetIdIn(workspaceId, given, 'models', 'model');
}

export function assetIdIn(workspaceId: string, given: string, type: string, target: string): string {
  const id = given.replace(/^azureml:(?=\/)/, '');
  if (
    id.startsWith('/') &&
    isWithin(id, workspaceId) &&
    parseResourceId(id).type?.toLowerCase() === `${workspaceType}/${type}/versions`.toLowerCase()
  )
    return id;
  const short = type === 'models' ? ', or azureml:{name}:{version}' : '';
  throw endpointsFailures.InvalidResourceId(target, type, `${workspaceId}/${type}/{name}/versions/{version}${short}`);
}
