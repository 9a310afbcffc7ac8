// What environments do without being asked: they are made because somebody's job needs them.

import { registryActions } from '@strongroom/contract/registry.actions';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import type { Duty } from '#kernel/authority/duty';
import { registryType } from '#registry';
import { workspaceType } from '#workspaces';

export const environmentsDuties = {
  prepare: {
    name: 'environments.prepare',
    why: 'A job that waits for its environment goes on when the build has ended, which nobody asks for.',
    actions: [actionsOfType(workspaceType).read],
    under: workspaceType,
    record: { level: 'part', of: 'the submission of the job that needs the environment' },
  },
  letInstall: {
    name: 'environments.let-install',
    why: 'A job that asks for a package gets it while its workspace lets it, as that is at the moment.',
    actions: [actionsOfType(workspaceType).read],
    under: workspaceType,
    record: { level: 'part', of: 'what the job has asked for, which has its record' },
  },
  build: {
    name: 'environments.build',
    why: 'What a job or a deployment runs in is built when it is not there, in the name of whoever needed it first.',
    actions: [actionsOfType(`${workspaceType}/jobs`).write],
    under: workspaceType,
    record: { level: 'activity' },
  },
  fetch: {
    name: 'environments.fetch',
    why: 'An image of another registry that a job or a deployment names is fetched for it, where the operator and the workspace permit that, in the name of whoever needed it first.',
    actions: [registryActions.push],
    under: registryType,
    record: { level: 'activity' },
  },
  readMapped: {
    name: 'environments.read-mapped',
    why: 'What the operator lets stand for an environment that is not here is for everybody who asks for that one.',
    actions: [actionsOfType(`${workspaceType}/environments/versions`).read],
    under: `${workspaceType}/environments/versions`,
    record: { level: 'part', of: 'the submission of what asks for it; the map is the configuration of the server' },
  },
  findUnused: {
    name: 'environments.find-unused',
    why: 'Each workspace is looked through for images of environments that nothing names and nobody uses.',
    actions: [
      actionsOfType(workspaceType).read,
      actionsOfType(`${workspaceType}/environments/versions`).read,
      actionsOfType(registryType).read,
    ],
    under: '/',
    record: { level: 'none', reason: 'only looks; what is removed is recorded by the duty that removes it' },
  },
  removeUnused: {
    name: 'environments.remove-unused',
    why: 'An image that a build made is built again when it is needed, so it goes when nothing names it, nobody has used it for long, or its workspace is gone.',
    actions: [registryActions.deleteArtifacts],
    under: registryType,
    record: { level: 'activity' },
  },
} as const satisfies Record<string, Duty>;
