// What environments do without being asked: they are made because somebody's job needs them.

import { actionsOfType } from '@strongroom/contract/resources.actions';
import type { Duty } from '#kernel/authority/duty';
import { workspaceType } from '#workspaces';

export const environmentsDuties = {
  prepare: {
    name: 'environments.prepare',
    why: 'A job that waits for its environment goes on when the build has ended, which nobody asks for.',
    actions: [actionsOfType(workspaceType).read],
    under: workspaceType,
    record: { level: 'part', of: 'the submission of the job that needs the environment' },
  },
  build: {
    name: 'environments.build',
    why: 'What a job or a deployment runs in is built when it is not there, in the name of whoever needed it first.',
    actions: [actionsOfType(`${workspaceType}/jobs`).write],
    under: workspaceType,
    record: { level: 'activity' },
  },
  readMapped: {
    name: 'environments.read-mapped',
    why: 'What the operator lets stand for an environment that is not here is for everybody who asks for that one.',
    actions: [actionsOfType(`${workspaceType}/environments/versions`).read],
    under: `${workspaceType}/environments/versions`,
    record: { level: 'part', of: 'the submission of what asks for it; the map is the configuration of the server' },
  },
} as const satisfies Record<string, Duty>;
