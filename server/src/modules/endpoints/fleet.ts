// The scoring processes of every deployment. Each is a piece of work on this machine; which ones there are is known in memory
// only, because after a restart none of them runs any more. A deployment that was ready once is kept running: what ends is
// started again, with growing pauses. Work that this fleet does not know is answered with a refusal, and so ends. What gives
// way to something else takes no more requests, and ends when those that it has are answered.

import type { Work, WorkDocument, WorkEvent, WorkOwner, WorkSpec } from '#compute';
import type { Grants } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import { asFailure, Failure } from '#kernel/errors/failure';
import { idKey, isWithin } from '#kernel/ids/ids';
import type { Log } from '#kernel/log/log';
import { errors } from './errors.ts';
import { createOutput, type Output } from './output.ts';
import type { Plan } from './plan.ts';
import { createQueue, type Queue } from './queue.ts';

const pauseMsMin = 1_000;
const pauseMsMax = 60_000;
/** One that was ready for so long starts without a pause when it ends. */
const healthyMs = 60_000;
const stopGraceSeconds = 10;
/** A node that is lost before a new deployment is ready is tried again this often. */
const firstTriesMax = 3;

export type Health = 'Healthy' | 'Starting' | 'Unhealthy' | 'Stopped';
/** A request's place in one scoring process; given back once. */
export type Place = { readonly workId: string; leave(): void };

export type Served = {
  readonly plan: Plan;
  /** The deployment's, whatever runs behind it. */
  readonly queue: Queue;
  /** How many instances are ready. */
  readonly ready: number;
};

export type Fleet = Pick<WorkOwner, 'documentOf' | 'onEvent'> & {
  /**
   * Starts what the plan says and resolves when all of it is ready; then it takes the place of what the deployment ran before.
   * Throws `dependency` with the user's own error when it does not come up; what ran before stays.
   */
  roll(plan: Plan): Promise<void>;
  /** Keeps a deployment running that was ready before, from now on and without waiting. */
  keep(plan: Plan): void;
  /** Other bounds or another number of instances for what runs. */
  adjust(plan: Plan): void;
  /** Ends what a deployment runs, or every one below this id, and forgets what it printed. */
  forget(id: string): Promise<void>;
  find(deploymentId: string): Served | undefined;
  /** A place in the ready instance with the fewest requests, of what the deployment runs now. */
  take(deploymentId: string): Place | undefined;
  health(deploymentId: string): Health;
  output(deploymentId: string): Output;
  /** Lets go of everything; the work itself ends with its agent. */
  close(): void;
};

type Slot = {
  workId: string;
  /** Requests that it has. */
  active: number;
  phase: 'starting' | 'ready' | 'pausing' | 'leaving' | 'over';
  /** Told when it has none any more. */
  whenIdle: (() => void) | undefined;
  failures: number;
  readyAtMs: number;
};
type Group = {
  plan: Plan;
  readonly queue: Queue;
  readonly slots: Slot[];
  readonly stopping: AbortController;
  /** While the first start is waited for. */
  first: { readonly ready: () => void; readonly failed: (failure: Failure) => void } | undefined;
};

export function createFleet(deps: {
  readonly work: () => Work;
  readonly grants: Grants;
  readonly clock: Clock;
  readonly log: Log;
  /** Makes the document at the moment that an agent takes the work. */
  readonly documentFor: (plan: Plan) => Promise<WorkDocument>;
  readonly startSeconds?: number;
}): Fleet {
  const { clock, log, grants } = deps;
  const startMs = (deps.startSeconds ?? 120) * 1000;
  const current = new Map<string, Group>();
  const byWork = new Map<string, { readonly group: Group; readonly slot: Slot }>();
  const outputs = new Map<string, Output>();
  const closing = new AbortController();
  const system = () => grants.system('keep a deployment running');

  const output = (deploymentId: string): Output => {
    const key = idKey(deploymentId);
    const present = outputs.get(key) ?? createOutput();
    outputs.set(key, present);
    return present;
  };

  function newGroup(plan: Plan, first: Group['first']): Group {
    // Who waits for the deployment goes on waiting when something else takes its place.
    const queue = current.get(idKey(plan.deploymentId))?.queue ?? createQueue(clock);
    return { plan, queue, slots: [], stopping: new AbortController(), first };
  }

  function addSlot(group: Group): void {
    const slot: Slot = {
      workId: '',
      active: 0,
      phase: 'starting',
      whenIdle: undefined,
      failures: 0,
      readyAtMs: 0,
    };
    group.slots.push(slot);
    void launch(group, slot);
  }

  async function launch(group: Group, slot: Slot): Promise<void> {
    if (group.stopping.signal.aborted || slot.phase === 'over') return;
    const { plan } = group;
    const workId = randomUuid();
    slot.workId = workId;
    slot.phase = 'starting';
    byWork.set(workId, { group, slot });
    try {
      await deps.work().submit(system(), {
        id: workId,
        kind: 'score',
        workspaceId: plan.workspaceId,
        computeId: undefined,
        subject: plan.deploymentId,
        label: `score-${plan.name.slice(0, 60)}`,
      });
      // Stopped while it was being submitted: nobody else knows of it.
      if (!byWork.has(workId)) await cancel(workId);
    } catch (thrown) {
      byWork.delete(workId);
      ended(group, slot, asFailure(thrown));
    }
  }

  /** A process is gone, or could not be submitted. */
  function ended(group: Group, slot: Slot, failure: Failure | undefined): void {
    if (group.stopping.signal.aborted || slot.phase === 'leaving' || slot.phase === 'over') return;
    if (group.first !== undefined) {
      slot.failures += 1;
      if (failure !== undefined || slot.failures >= firstTriesMax) {
        group.first.failed(failure ?? errors.startFailed('The machine that ran the deployment was lost. Try again.'));
        return;
      }
    } else if (slot.phase === 'ready' && clock.epochMs() - slot.readyAtMs >= healthyMs) slot.failures = 0;
    else slot.failures += 1;
    slot.phase = 'pausing';
    const pauseMs = slot.failures === 0 ? 0 : Math.min(pauseMsMin * 2 ** (slot.failures - 1), pauseMsMax);
    log.warn(
      { module: 'endpoints', subject: group.plan.uniqueId, attempt: slot.failures, error: failure },
      'a scoring process ended; it is started again',
    );
    clock.sleep(pauseMs, group.stopping.signal).then(
      () => launch(group, slot),
      () => undefined,
    );
  }

  async function cancel(workId: string): Promise<void> {
    await deps
      .work()
      .cancel(system(), workId, stopGraceSeconds)
      .catch((error: unknown) => {
        if (asFailure(error).kind !== 'notFound')
          log.warn({ module: 'endpoints', error }, 'a scoring process could not be told to end');
      });
  }

  async function endSlot(slot: Slot): Promise<void> {
    slot.phase = 'over';
    const { workId } = slot;
    if (byWork.delete(workId)) await cancel(workId);
  }

  /** Ends when its requests are answered; at the latest when the longest may have been. */
  async function retire({ plan }: Group, slot: Slot): Promise<void> {
    if (slot.phase === 'ready' && slot.active > 0) {
      slot.phase = 'leaving';
      const idle = new AbortController();
      slot.whenIdle = () => idle.abort();
      const early = AbortSignal.any([idle.signal, closing.signal]);
      await clock.sleep(plan.timeoutMs, early).catch(() => undefined);
    }
    await endSlot(slot);
  }

  function giveWay(group: Group): void {
    group.stopping.abort();
    for (const slot of group.slots) void retire(group, slot);
  }

  async function end(group: Group): Promise<void> {
    group.stopping.abort();
    group.first = undefined;
    await Promise.all(group.slots.map(endSlot));
  }

  const fits = (group: Group) => {
    while (group.slots.length < group.plan.capacity) addSlot(group);
    while (group.slots.length > group.plan.capacity) {
      const slot = group.slots.pop();
      if (slot !== undefined) void retire(group, slot);
    }
  };

  function failureOf(plan: Plan, event: Extract<WorkEvent, { type: 'finished' }>): Failure {
    const said = event.message ?? `The scoring process ended: ${event.reason}.`;
    const why = event.reason === 'init_failed' && !plan.hbi ? output(plan.deploymentId).reason() : undefined;
    return errors.startFailed(why === undefined ? said : `${said} It said: ${why}`);
  }

  return {
    async documentOf(work: WorkSpec) {
      const known = byWork.get(work.id);
      if (known === undefined)
        throw new Failure({
          kind: 'conflict',
          code: 'DeploymentChanged',
          message: 'This scoring process is not wanted any more.',
        });
      return deps.documentFor(known.group.plan);
    },

    async onEvent(work, event) {
      const known = byWork.get(work.id);
      if (known === undefined) return;
      const { group, slot } = known;
      switch (event.type) {
        case 'output':
          // Of a workspace of high business impact nothing is kept that its code prints.
          if (!group.plan.hbi) output(group.plan.deploymentId).add(event.text);
          return;
        case 'ready':
          slot.phase = 'ready';
          slot.readyAtMs = clock.epochMs();
          if (group.first !== undefined && group.slots.every(({ phase }) => phase === 'ready')) {
            const { ready } = group.first;
            // From here on what ends is started again.
            group.first = undefined;
            ready();
          }
          return;
        case 'finished':
          byWork.delete(work.id);
          return ended(group, slot, failureOf(group.plan, event));
        case 'lost':
          byWork.delete(work.id);
          return ended(group, slot, undefined);
        default:
          return;
      }
    },

    async roll(plan) {
      const key = idKey(plan.deploymentId);
      const waiting = new AbortController();
      const started = Promise.withResolvers<void>();
      const group = newGroup(plan, { ready: started.resolve, failed: started.reject });
      clock.sleep(startMs, waiting.signal).then(
        () => started.reject(errors.notReadyInTime(startMs / 1000)),
        () => undefined,
      );
      try {
        fits(group);
        await started.promise;
      } catch (thrown) {
        await end(group);
        throw thrown;
      } finally {
        waiting.abort();
      }
      const before = current.get(key);
      current.set(key, group);
      if (before !== undefined) giveWay(before);
    },

    keep(plan) {
      const key = idKey(plan.deploymentId);
      if (current.has(key)) return;
      const group = newGroup(plan, undefined);
      current.set(key, group);
      fits(group);
    },

    adjust(plan) {
      const group = current.get(idKey(plan.deploymentId));
      if (group === undefined) return;
      group.plan = plan;
      fits(group);
    },

    async forget(id) {
      const leaving = [...current].filter(([key]) => isWithin(key, id));
      for (const [key] of leaving) current.delete(key);
      await Promise.all(leaving.map(([, group]) => end(group)));
      for (const key of outputs.keys()) if (isWithin(key, id)) outputs.delete(key);
    },

    find(deploymentId) {
      const group = current.get(idKey(deploymentId));
      if (group === undefined) return undefined;
      const { plan, queue, slots } = group;
      return { plan, queue, ready: slots.filter(({ phase }) => phase === 'ready').length };
    },

    take(deploymentId) {
      let best: Slot | undefined;
      for (const slot of current.get(idKey(deploymentId))?.slots ?? [])
        if (slot.phase === 'ready' && (best === undefined || slot.active < best.active)) best = slot;
      if (best === undefined) return undefined;
      const slot = best;
      slot.active += 1;
      let held = true;
      return {
        workId: slot.workId,
        leave() {
          if (held) slot.active -= 1;
          held = false;
          if (slot.active === 0) slot.whenIdle?.();
        },
      };
    },

    health(deploymentId) {
      const group = current.get(idKey(deploymentId));
      if (group === undefined) return 'Stopped';
      if (group.slots.some(({ phase }) => phase === 'ready')) return 'Healthy';
      return group.slots.some(({ failures }) => failures > 0) ? 'Unhealthy' : 'Starting';
    },

    output,

    close() {
      closing.abort();
      for (const group of current.values()) group.stopping.abort();
      current.clear();
      byWork.clear();
    },
  };
}
