// The door of flows: jobs that are made of other jobs. Gives jobs the types that it stands above of, and looks after each of
// them until it has ended.

import type { Assets, PipelineSteps } from '#assets';
import { type Jobs, type ParentType, type ParentTypes, stateOf } from '#jobs';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { Acts } from '#kernel/authority/perform';
import type { Clock } from '#kernel/clock/clock';
import type { Database } from '#kernel/database/database';
import { tableOf } from '#kernel/errors/failures';
import type { Room } from '#kernel/files/room';
import type { Log } from '#kernel/log/log';
import type { Module } from '#kernel/module';
import type { Resource, ResourceKind, Resources } from '#resources';
import { createChildren } from './children.service.ts';
import { flowsFailures } from './flows.errors.ts';
import { flowTables, resultTables } from './migrations/index.ts';
import { createParts } from './parts.service.ts';
import { createPipelines } from './pipeline.service.ts';
import { createResults } from './results.service.ts';
import { createSweeps } from './sweep.service.ts';
import { createUnderWays, type Looked } from './under-way.service.ts';

export { flowTables } from './migrations/index.ts';

export type Flows = Module<ResourceKind> & {
  /** What jobs knows of them. */
  readonly parents: ParentTypes;
  /** What assets know of the steps of a component that is a pipeline. */
  readonly pipelineSteps: PipelineSteps;
  /** Who submitted jobs is disabled or gone: what is made of them goes on no more. */
  endThoseOf(objectId: string): Promise<void>;
  /** Looks at what goes by the time. For a periodic task. */
  tick(): void;
  /** Resolves when nothing is being looked at. */
  idle(): Promise<void>;
};

/** How late a policy, or the end of a time, is seen. */
const tickMs = 5_000;

export function createFlows(deps: {
  readonly database: Database;
  readonly resources: Resources;
  readonly jobs: Pick<Jobs, 'lives' | 'references'>;
  readonly assets: Assets;
  readonly acts: Pick<Acts, 'onBehalf'>;
  readonly grants: Pick<Grants, 'onBehalf'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Absent: the disk has room for what is made. */
  readonly room?: Pick<Room, 'state'>;
}): Flows {
  const { lives, references } = deps.jobs;
  const parts = createParts({ lives, references, assets: deps.assets });
  const underWays = createUnderWays({
    database: deps.database,
    log: deps.log,
    async lookAt(jobId) {
      const job = await lives.find(jobId);
      // Not accepted, or taken back after a crash: there is nothing to go on with.
      if (job === undefined) return 'ended';
      const { flow, jobType } = stateOf(job);
      if (flow === undefined || job.provisioningState === 'Failed') return 'timed';
      return types[jobType]?.look(job) ?? 'ended';
    },
    // With the outermost one goes what all of them ran.
    ended: parts.forget,
  });
  const children = createChildren({ ...deps, lives, room: deps.room });
  const made = { ...deps, lives, references, children, underWay: underWays.add };
  const sweeps = createSweeps(made);
  const pipelines = createPipelines({
    ...made,
    parts,
    sweeps,
    results: createResults({ ...deps, lives }),
  });
  const types: Readonly<
    Record<string, { look(job: Resource): Promise<Looked>; readonly type: ParentType } | undefined>
  > = {
    Sweep: sweeps,
    Pipeline: pipelines,
  };

  return {
    name: 'flows',
    migrations: flowTables,
    workspaceTables: resultTables,
    failures: [tableOf(flowsFailures)],
    kinds: [],
    parents: {
      of: (jobType) => (Object.hasOwn(types, jobType) ? types[jobType]?.type : undefined),
      look: underWays.look,
      isMaking: children.isMaking,
    },
    pipelineSteps: pipelines.steps,
    async endThoseOf(objectId) {
      for (const id of underWays.all()) {
        const job = await lives.find(id);
        if (job !== undefined && stateOf(job).submitter === objectId) underWays.look(id);
      }
    },
    removed: async (_grant: Grant, id: string) => underWays.forgetWorkspace(id),
    periodic: [{ name: 'flows', everyMs: tickMs, run: async () => underWays.tick() }],
    tick: underWays.tick,
    idle: underWays.idle,
    start: () => underWays.load(),
    stop: async () => underWays.stop(),
  };
}
