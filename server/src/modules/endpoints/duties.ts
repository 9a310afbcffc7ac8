// What serving does without being asked: it keeps deployments running, lets in who has a key, records what was asked, and
// removes what is not run or too old.

import { assetsActions } from '@strongroom/contract/assets.actions';
import { registryActions } from '@strongroom/contract/registry.actions';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import type { Duty } from '#kernel/authority/duty';
import { workspaceType } from '#workspaces';
import { deploymentType, endpointType } from './names.rules.ts';

const workspace = actionsOfType(workspaceType);
const endpoint = actionsOfType(endpointType);
const deployment = actionsOfType(deploymentType);

export const endpointsDuties = {
  findWorkspaces: {
    name: 'endpoints.find-workspaces',
    why: 'After a start every workspace is asked which endpoints it has, and from time to time which records are too old.',
    actions: [workspace.read],
    under: '/',
    record: { level: 'none', reason: 'reads which workspaces there are, and shows them to nobody' },
  },
  serve: {
    name: 'endpoints.serve',
    why: 'A deployment runs from when it is made until it is removed, through restarts of its processes and of the server.',
    actions: [deployment.read, endpoint.read, workspace.read],
    under: workspaceType,
    record: { level: 'part', of: 'the creation of the deployment' },
  },
  build: {
    name: 'endpoints.build',
    why: 'The image of a deployment is built from the model, code and environment that its caller was decided on.',
    actions: [
      deployment.write,
      workspace.read,
      assetsActions.readSnapshot,
      ...['models', 'codes', 'environments'].map((plural) => actionsOfType(`${workspaceType}/${plural}/versions`).read),
    ],
    under: workspaceType,
    record: { level: 'part', of: 'the request that made or changed the deployment' },
  },
  direct: {
    name: 'endpoints.direct-traffic',
    why: 'Traffic goes only to deployments that are there, and a removed one is named no more.',
    actions: [endpoint.write, endpoint.read, deployment.read],
    under: endpointType,
    record: { level: 'part', of: 'the request that changes the endpoint or removes the deployment' },
  },
  letIn: {
    name: 'endpoints.let-in',
    why: 'The keys of an endpoint are compared with what a caller sends.',
    actions: [endpoint.read],
    under: workspaceType,
    record: { level: 'none', reason: 'shows no key; each scoring request has a record of its own' },
  },
  recordScoring: {
    name: 'endpoints.record-scoring',
    why: 'Every scoring request leaves a record in the database of its workspace.',
    actions: [workspace.read],
    under: workspaceType,
    record: { level: 'none', reason: 'it writes the record' },
  },
  removeImages: {
    name: 'endpoints.remove-images',
    why: 'Images of a deployment that it does not run any more are removed.',
    actions: [registryActions.deleteArtifacts],
    under: 'Microsoft.ContainerRegistry/registries',
    record: { level: 'activity' },
  },
  lookUpRetention: {
    name: 'endpoints.look-up-retention',
    why: 'How long records of scoring requests are kept is said by the insights of the workspace.',
    actions: [actionsOfType('Microsoft.Insights/components').read],
    under: 'Microsoft.Insights/components',
    record: { level: 'none', reason: 'reads one number' },
  },
  forgetScoring: {
    name: 'endpoints.forget-scoring',
    why: 'Records of scoring requests are kept for as many days as the insights of the workspace say.',
    actions: [workspace.read],
    under: workspaceType,
    record: { level: 'activity' },
  },
} as const satisfies Record<string, Duty>;
