// The scoring processes of every deployment. Each is a piece of work on this machine; which ones there are is known in memory
// only, because after a restart none of them runs any more. A deployment that was ready once is kept running: what ends is
// started again, with growing pauses, and what hangs, in a call or in its init(), is replaced: nothing inside a process is
// trusted to keep the time. Work that this fleet does not know is answered with a refusal, and so ends. What gives way to
// something else takes no more requests, and ends when those that it has are answered.

import type { Work, WorkDocument, WorkEvent, WorkOwner, WorkSpec } from '#compute';
import type { Grants } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import { asFailure, type Failure } from '#kernel/errors/failure';
import { idKey, isWithin } from '#kernel/ids/ids';
import type { Log } from '#kernel/log/log';
import { endpointsDuties } from './duties.ts';
import { endpointsFailures } from './endpoints.errors.ts';
import { createOutput, type Output } from './output.service.ts';
import type { Plan } from './plan.rules.ts';
import { createQueue, type Queue } from './queue.service.ts';

const pauseMsMin = 1_000;
const pauseMsMax = 60_000;
/** One that was ready for so long starts without a pause when it ends. */
const healthyMs = 60_000;
const stopGraceSeconds = 10;
/** A node that is lost before a new deployment is ready is tried again this often. */
const firstTriesMax = 3;

export type Health = 'Healthy' | 'Starting' | 'Unhealthy' | 'Stopped';
/** A request's place in one scoring process; given back once. */
export type Place = {
  readonly workId: string;
  /** Aborted when the process is ended or has ended: nothing that was asked of it is answered any more. */
  readonly gone: AbortSignal;
  leave(): void;
  /** The process has not answered in its time nor in the grace after it: it is replaced. The place stays taken. */
  lose(): void;
};

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
  /** How many processes of the deployment were replaced because they hung, since the server started. */
  replaced(deploymentId: string): number;
  output(deploymentId: string): Output;
  /** Lets go of everything; the work itself ends with its agent. */
  close(): void;
};

type Slot = {
  readonly deploymentId: string;
  workId: string;
  /** Requests that it has. */
  active: number;
  /** Those of them that will not be answered. */
  lost: number;
  /** Of the process that it is now. */
  gone: AbortController;
  /** Serves until this one is ready, because not all of its places are lost. */
  replaces: Slot | undefined;
  phase: 'starting' | 'ready' | 'pausing' | 'leaving' | 'over';
  /** Told when it has none any more that may be answered. */
  whenIdle: (() => void) | undefined;
  failures: number;
  readyAtMs: number;
};
type Group = {
  plan: Plan;
  readonly queue: Queue;
  readonly slots: Slot[];
  /** Being replaced, and serving as well as they can until then. */
  readonly aside: Set<Slot>;
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
  /** For who counts. */
  readonly onReplaced: (plan: Plan) => void;
  readonly startSeconds?: number;
}): Fleet {
  const { clock, log, grants } = deps;
  const startMs = (deps.startSeconds ?? 120) * 1000;
  const current = new Map<string, Group>();
  /** Started, and waited for. */
  const rolling = new Set<Group>();
  const byWork = new Map<string, { readonly group: Group; readonly slot: Slot }>();
  const outputs = new Map<string, Output>();
  const replacements = new Map<string, number>();
  const closing = new AbortController();
  const byDuty = (deploymentId: string) => grants.duty(endpointsDuties.serve, deploymentId);

  const output = (deploymentId: string): Output => {
    const key = idKey(deploymentId);
    const present = outputs.get(key) ?? createOutput();
    outputs.set(key, present);
    return present;
  };

  function newGroup(plan: Plan, first: Group['first']): Group {
    // Who waits for the deployment goes on waiting when something else takes its place.
    const queue = current.get(idKey(plan.deploymentId))?.queue ?? createQueue(clock);
    return { plan, queue, slots: [], aside: new Set(), stopping: new AbortController(), first };
  }

  function addSlot(group: Group, of: { readonly replaces?: Slot; readonly failures: number } = { failures: 0 }): void {
    const slot: Slot = {
      deploymentId: group.plan.deploymentId,
      workId: '',
      active: 0,
      lost: 0,
      gone: new AbortController(),
      replaces: of.replaces,
      phase: 'starting',
      whenIdle: undefined,
      failures: of.failures,
      readyAtMs: 0,
    };
    group.slots.push(slot);
    void launch(group, slot);
  }

  /** What is ready serves, what is being replaced included. */
  const serving = ({ slots, aside }: Group) => [...slots, ...aside].filter(({ phase }) => phase === 'ready');

  async function launch(group: Group, slot: Slot): Promise<void> {
    if (group.stopping.signal.aborted || slot.phase === 'over') return;
    const { plan } = group;
    const workId = randomUuid();
    slot.workId = workId;
    slot.gone = new AbortController();
    slot.phase = 'starting';
    byWork.set(workId, { group, slot });
    try {
      await deps.work().submit(byDuty(plan.deploymentId), {
        id: workId,
        kind: 'score',
        workspaceId: plan.workspaceId,
        computeId: undefined,
        subject: plan.deploymentId,
        label: `score-${plan.name.slice(0, 60)}`,
      });
      // Stopped while it was being submitted: nobody else knows of it.
      if (!byWork.has(workId)) await cancel(plan.deploymentId, workId);
    } catch (thrown) {
      byWork.delete(workId);
      ended(group, slot, asFailure(thrown));
    }
  }

  /** A process is gone, or could not be submitted. */
  function ended(group: Group, slot: Slot, failure: Failure | undefined): void {
    slot.gone.abort();
    // What was being replaced has its successor already.
    const isAside = group.aside.delete(slot);
    if (isAside || group.stopping.signal.aborted || slot.phase === 'leaving' || slot.phase === 'over') return;
    if (group.first !== undefined) {
      slot.failures += 1;
      if (failure !== undefined || slot.failures >= firstTriesMax) {
        group.first.failed(failure ?? endpointsFailures.machineLost());
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

  /**
   * A process that is started again has as long for its init() as a new deployment, from when it begins: one that hangs there
   * would otherwise hold its slot for good. The first start is watched by who waits for it.
   */
  function watchStart(group: Group, slot: Slot): void {
    const { workId, gone } = slot;
    const signal = AbortSignal.any([group.stopping.signal, gone.signal]);
    clock.sleep(startMs, signal).then(
      () => {
        if (slot.workId !== workId || slot.phase !== 'starting') return;
        say(group, `A scoring process was not ready within ${startMs / 1000} seconds. It is ended and started again.`);
        byWork.delete(workId);
        void cancel(slot.deploymentId, workId, 0);
        ended(group, slot, endpointsFailures.DeploymentNotReady(startMs / 1000));
      },
      () => undefined,
    );
  }

  /** Our own words among what the processes print. */
  const say = (group: Group, text: string) => output(group.plan.deploymentId).add(`[strongroom] ${text}\n`);

  function replace(group: Group, slot: Slot): void {
    slot.lost += 1;
    const isKnown = group.slots.includes(slot) || group.aside.has(slot);
    if (slot.phase !== 'ready' || !isKnown || group.stopping.signal.aborted) return void slot.whenIdle?.();
    const { plan } = group;
    const serves = slot.lost < plan.maxConcurrent;
    const at = group.slots.indexOf(slot);
    if (at >= 0) {
      const key = idKey(plan.deploymentId);
      replacements.set(key, (replacements.get(key) ?? 0) + 1);
      deps.onReplaced(plan);
      const limit = `${plan.timeoutMs / 1000} seconds (requestSettings.requestTimeout)`;
      say(group, `A request was not answered within ${limit} and the grace after it. Its process is replaced.`);
      log.warn(
        { module: 'endpoints', subject: plan.uniqueId, count: slot.lost },
        'a call of a scoring process hangs; the process is replaced',
      );
      group.slots.splice(at, 1);
      if (serves) group.aside.add(slot);
      addSlot(group, { failures: slot.failures + 1, ...(serves ? { replaces: slot } : {}) });
    }
    if (serves) return;
    // Nothing that it has will be answered, and nobody else gets a place in it.
    group.aside.delete(slot);
    void endSlot(slot, 0);
  }

  async function cancel(deploymentId: string, workId: string, graceSeconds = stopGraceSeconds): Promise<void> {
    await deps
      .work()
      .cancel(byDuty(deploymentId), workId, graceSeconds)
      .catch((error: unknown) => {
        if (asFailure(error).kind !== 'notFound')
          log.warn({ module: 'endpoints', error }, 'a scoring process could not be told to end');
      });
  }

  async function endSlot(slot: Slot, graceSeconds?: number): Promise<void> {
    slot.phase = 'over';
    slot.gone.abort();
    const { workId } = slot;
    if (byWork.delete(workId)) await cancel(slot.deploymentId, workId, graceSeconds);
  }

  /** Ends when its requests are answered; at the latest when the longest may have been. */
  async function retire({ plan }: Group, slot: Slot): Promise<void> {
    if (slot.phase === 'ready' && slot.active > slot.lost) {
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
    for (const slot of [...group.slots, ...group.aside]) void retire(group, slot);
    group.aside.clear();
  }

  async function end(group: Group): Promise<void> {
    group.stopping.abort();
    group.first = undefined;
    await Promise.all([...group.slots, ...group.aside].map((slot) => endSlot(slot)));
    group.aside.clear();
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
    return endpointsFailures.DeploymentFailed(why === undefined ? said : `${said} It said: ${why}`);
  }

  return {
    async documentOf(work: WorkSpec) {
      const known = byWork.get(work.id);
      if (known === undefined) throw endpointsFailures.DeploymentChanged();
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
        case 'preparing':
          if (group.first === undefined) watchStart(group, slot);
          return;
        case 'ready':
          // Told again, or what gives way already: it must not come back to life.
          if (slot.phase !== 'starting') return;
          slot.phase = 'ready';
          slot.readyAtMs = clock.epochMs();
          if (slot.replaces !== undefined && group.aside.delete(slot.replaces)) void retire(group, slot.replaces);
          slot.replaces = undefined;
          if (group.first !== undefined && group.slots.every(({ phase }) => phase === 'ready')) {
            const { ready } = group.first;
            // From here on what ends is started again.
            group.first = undefined;
            ready();
          }
          return;
        case 'finished':
          byWork.delete(work.id);
          // Who waits for the first start is told why; of a later one nobody is, and its own log is where he looks.
          if (event.reason === 'setup_failed' && event.message !== undefined && group.first === undefined)
            say(group, event.message);
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
        () => started.reject(endpointsFailures.DeploymentNotReady(startMs / 1000)),
        () => undefined,
      );
      rolling.add(group);
      try {
        fits(group);
        await started.promise;
      } catch (thrown) {
        await end(group);
        throw thrown;
      } finally {
        rolling.delete(group);
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
      // What would only come up for what is gone: nobody would end it any more.
      for (const { plan, first } of rolling)
        if (isWithin(plan.deploymentId, id)) first?.failed(endpointsFailures.DeploymentChanged());
      const leaving = [...current].filter(([key]) => isWithin(key, id));
      for (const [key] of leaving) current.delete(key);
      await Promise.all(leaving.map(([, group]) => end(group)));
      for (const kept of [outputs, replacements])
        for (const key of kept.keys()) if (isWithin(key, id)) kept.delete(key);
    },

    find(deploymentId) {
      const group = current.get(idKey(deploymentId));
      if (group === undefined) return undefined;
      const { plan, queue } = group;
      return { plan, queue, ready: serving(group).length };
    },

    take(deploymentId) {
      const group = current.get(idKey(deploymentId));
      if (group === undefined) return undefined;
      let best: Slot | undefined;
      for (const slot of serving(group)) if (best === undefined || slot.active < best.active) best = slot;
      if (best === undefined) return undefined;
      const slot = best;
      const { workId, gone } = slot;
      slot.active += 1;
      let state: 'held' | 'lost' | 'left' = 'held';
      return {
        workId,
        gone: gone.signal,
        leave() {
          if (state === 'left') return;
          slot.active -= 1;
          if (state === 'lost') slot.lost -= 1;
          state = 'left';
          if (slot.active <= slot.lost) slot.whenIdle?.();
        },
        lose() {
          // Its process has ended already: what is there now has nothing to do with it.
          if (state !== 'held' || gone.signal.aborted) return;
          state = 'lost';
          replace(group, slot);
        },
      };
    },

    health(deploymentId) {
      const group = current.get(idKey(deploymentId));
      if (group === undefined) return 'Stopped';
      if (group.aside.size > 0) return 'Unhealthy';
      if (group.slots.some(({ phase }) => phase === 'ready')) return 'Healthy';
      return group.slots.some(({ failures }) => failures > 0) ? 'Unhealthy' : 'Starting';
    },

    replaced: (deploymentId) => replacements.get(idKey(deploymentId)) ?? 0,

    output,

    close() {
      closing.abort();
      for (const group of current.values()) group.stopping.abort();
      current.clear();
      byWork.clear();
    },
  };
}
