// What the resource manager does without being asked again: it ends what a request began. Each is for one type, so that its
// grant writes or deletes resources of that type and nothing else.

import { accessActions } from '@strongroom/contract/access.actions';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import type { Duty, QuietDuty, RecordedDuty } from '#kernel/authority/duty';

const removing = (name: RecordedDuty['name'], why: string) => (type: string) =>
  ({
    name,
    why,
    actions: [actionsOfType(type).remove],
    under: type,
    record: { level: 'activity' },
  }) as const satisfies RecordedDuty;

export const resourcesDuties = {
  finishCreation: (type: string) =>
    ({
      name: 'resources.finish-creation',
      why: 'A long creation was accepted by a request and goes on behind its answer, through restarts.',
      actions: [actionsOfType(type).write],
      under: type,
      record: { level: 'activity' },
    }) as const satisfies RecordedDuty,
  finishRemoval: removing(
    'resources.finish-removal',
    'A long removal was accepted by a request and goes on behind its answer, through restarts.',
  ),
  removeBelow: removing(
    'resources.remove-below',
    'Who removes a group or a resource removes what is in it, each by its own kind.',
  ),
  endInterrupted: removing(
    'resources.end-interrupted',
    'A stop left a creation or a removal half-way: the first is taken back, the second is finished.',
  ),
  takeBack: (type: string) =>
    ({
      name: 'resources.take-back',
      why: 'What a refused or failed request had begun to make does not stay.',
      actions: [actionsOfType(type).remove],
      under: type,
      record: { level: 'part', of: 'the request that failed' },
    }) as const satisfies QuietDuty,
  detach: {
    name: 'resources.detach',
    why: 'Roles at a resource go with it: who may remove it need not be one who may withdraw roles.',
    actions: [accessActions.deleteRoleAssignments],
    under: '/',
    record: { level: 'part', of: 'the removal of the resource' },
  } as const satisfies QuietDuty,
};

/** All of them, for one type. */
export const dutiesOfEach = (type: string): readonly Duty[] =>
  Object.values(resourcesDuties).map((duty) => (typeof duty === 'function' ? duty(type) : duty));
