// What schedules do without being asked. The jobs that they make are made in the name of who wrote them, and by no duty.

import { actionsOfType } from '@strongroom/contract/resources.actions';
import { schedulesType } from '@strongroom/contract/schedules.actions';
import type { Duty } from '#kernel/authority/duty';

const { read, write } = actionsOfType(schedulesType);

export const schedulesDuties = {
  advance: {
    name: 'schedules.advance',
    why: 'A schedule that is due is looked up, and keeps what came of it and when it is due next.',
    actions: [write, read],
    under: schedulesType,
    record: { level: 'part', of: "the job, which is recorded as its author's act, or the firing that was passed over" },
  },
  passOver: {
    name: 'schedules.pass-over',
    why: 'A firing whose job may not or cannot be made is passed over, and the schedule says why.',
    actions: [write],
    under: schedulesType,
    record: { level: 'activity' },
  },
} as const satisfies Record<string, Duty>;
