// The door of schedules: jobs that are made when it is time. Gives the resource manager the kind of schedules, and waits for the
// earliest that is due.

import type { Jobs } from '#jobs';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { Acts } from '#kernel/authority/perform';
import type { Clock } from '#kernel/clock/clock';
import type { Database } from '#kernel/database/database';
import { tableOf } from '#kernel/errors/failures';
import type { Room } from '#kernel/files/room';
import type { Log } from '#kernel/log/log';
import type { Module } from '#kernel/module';
import type { Telemetry } from '#kernel/telemetry/telemetry';
import type { ResourceKind, Resources } from '#resources';
import { schedulesDuties } from './duties.ts';
import { type Authors, createFiring } from './firing.service.ts';
import { schedulesMeters } from './meters.ts';
import { scheduleTables } from './migrations/index.ts';
import { schedulesFailures } from './schedules.errors.ts';
import { createScheduleKind } from './schedules.kind.ts';
import { createTimer } from './timer.service.ts';

export { scheduleTables } from './migrations/index.ts';

export type Schedules = Module<ResourceKind> & {
  readonly kinds: readonly ResourceKind[];
  /** For tests: resolves when nothing is due and nothing runs. */
  settled(): Promise<void>;
};

export function createSchedules(deps: {
  readonly database: Database;
  readonly resources: Resources;
  readonly jobs: Pick<Jobs, 'lives'>;
  readonly directory: Authors;
  readonly grants: Pick<Grants, 'duty'>;
  readonly acts: Pick<Acts, 'onBehalf' | 'also' | 'duty'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly telemetry: Telemetry;
  /** Absent: the disk has room for what is made. */
  readonly room?: Pick<Room, 'state'>;
}): Schedules {
  const firing = createFiring({ ...deps, lives: deps.jobs.lives, room: deps.room });
  const timer = createTimer({ ...deps, fire: firing.fire });
  return {
    name: 'schedules',
    migrations: scheduleTables,
    duties: Object.values(schedulesDuties),
    failures: [tableOf(schedulesFailures)],
    meters: Object.values(schedulesMeters),
    kinds: [createScheduleKind({ ...deps, timer, firing })],
    removed: async (_grant: Grant, id: string) => timer.forgetWorkspace(id),
    start: async () => timer.start(),
    stop: async () => timer.stop(),
    settled: timer.settled,
  };
}
