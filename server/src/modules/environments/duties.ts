// What environments do without being asked: they are made because somebody's job needs them.

import { actionsOfType } from '@strongroom/contract/resources.actions';
import type { QuietDuty } from '#kernel/authority/duty';
import { workspaceType } from '#workspaces';

export const environmentsDuties = {
  prepare: {
    name: 'environments.prepare',
    why: 'A job that waits for its environment goes on when the build has ended, which nobody asks for.',
    actions: [actionsOfType(workspaceType).read],
    under: workspaceType,
    record: { level: 'part', of: 'the submission of the job that needs the environment' },
  },
} as const satisfies Record<string, QuietDuty>;
