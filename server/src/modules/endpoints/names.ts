// Types, and the ways in which a deployment may name what it is made of. Pure.

import { nodePython } from '@strongroom/contract/assets';
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

/** Repository (below its registry) and tag or digest of a base image, which must lie in the workspace's own registry. */
export function baseImageIn(
  registryId: string,
  domain: string,
  image: string,
): { readonly repository: string; readonly reference: string } {
  const registry = parseResourceId(registryId).name.toLowerCase();
  const path = image.startsWith(`${domain}/`) ? image.slice(domain.length + 1) : image;
  const found = /^([a-z0-9][a-z0-9._/-]{0,254})(?:@(sha256:[0-9a-f]{64})|:([\w][\w.-]{0,127}))$/.exec(path);
  const repository = found?.[1];
  const reference = found?.[2] ?? found?.[3];
  if (repository?.startsWith(`${registry}/`) === true && reference !== undefined)
    return { repository: repository.slice(registry.length + 1), reference };
  throw endpointsFailures.ImageBuildRefused(
    'environmentId',
    `The environment's image must be in the workspace's registry, with a tag or digest: ${registry}/{repository}:{tag} or ${registry}/{repository}@sha256:…. For the node's own Python, with the wheels in the code, name '${nodePython}' as the image.`,
  );
}
