// The scoring processes of one deployment, as one plan has them. What ends is started again, with growing pauses, and what hangs, in a
// call or in its init(), is replaced: nothing inside a process is trusted to keep the time. What gives way takes no more requests, and
// ends when those that it has are answered, or when the longest of them may have been.

import type { WorkEvent } from '#compute';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import { asFailure, type Failure } from '#kernel/errors/failure';
import type { Log } from '#kernel/log/log';
import { endpointsFailures } from './endpoints.errors.ts';
import type { Output } from './output.service.ts';
import type { Plan } from './plan.rules.ts';
import type { Processes } from './processes.service.ts';

const pauseMsMin = 1_000;
const pauseMsMax = 60_000;
/** One that was ready for so long starts without a pause when it ends. */
const healthyMs = 60_000;
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

/** Whoever waits for all of them to be ready for the first time. From then on what ends is started again. */
export type First = { readonly ready: () => void; readonly failed: (failure: Failure) => void };

export type Instances = {
  plan(): Plan;
  /** Of the process with this work; told again it means nothing. */
  onEvent(workId: string, slot: Slot, event: WorkEvent): void;
  /** Other bounds, or another number of processes. */
  change(plan: Plan): void;
  /** In the ready process with the fewest requests. */
  take(): Place | undefined;
  ready(): number;
  health(): Health;
  /** What was being waited for does not come any more. */
  failFirst(failure: Failure): void;
  /** Takes no more requests; resolves when every process has ended. */
  giveWay(): Promise<void>;
  /** At once, whatever they are doing. */
  end(): Promise<void>;
  /** Starts nothing any more. The processes end with their agent. */
  close(): void;
};

export type Owner = { readonly instances: Instances; readonly slot: Slot };

/** A place for a process; what runs in it may be started again. */
export type Slot = {
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
  /** Told when it has no request any more that may be answered. */
  whenIdle: (() => void) | undefined;
  failures: number;
  readyAtMs: number;
};

export function createInstances(
  deps: {
    readonly processes: Processes<Owner>;
    readonly clock: Clock;
    readonly log: Log;
    readonly startMs: number;
    /** Of the deployment, whatever runs behind it. */
    readonly output: () => Output;
    readonly onReplaced: (plan: Plan) => void;
    /** When the server stops, nobody waits for answers any more. */
    readonly closing: AbortSignal;
  },
  of: { readonly plan: Plan; readonly first: First | undefined },
): Instances {
  const { processes, clock, log, startMs, output } = deps;
  const stopping = new AbortController();
  const slots: Slot[] = [];
  /** Being replaced, and serving as well as they can until then. */
  const aside = new Set<Slot>();
  /** They answer what they have, and end. */
  const leaving = new Set<Slot>();
  let { plan, first } = of;

  /** Our own words among what the processes print. */
  const say = (text: string) => output().add(`[strongroom] ${text}\n`);

  const serving = () => [...slots, ...aside].filter(({ phase }) => phase === 'ready');
  const isIdle = ({ active, lost }: Slot) => active <= lost;

  function add(made: { readonly replaces?: Slot; readonly failures: number }): void {
    const slot: Slot = {
      workId: '',
      active: 0,
      lost: 0,
      gone: new AbortController(),
      replaces: made.replaces,
      phase: 'starting',
      whenIdle: undefined,
      failures: made.failures,
      readyAtMs: 0,
    };
    slots.push(slot);
    void launch(slot);
  }

  async function launch(slot: Slot): Promise<void> {
    if (stopping.signal.aborted || slot.phase === 'over') return;
    slot.gone = new AbortController();
    slot.phase = 'starting';
    slot.workId = randomUuid();
    try {
      await processes.start(plan, slot.workId, { instances, slot });
    } catch (thrown) {
      ended(slot, asFailure(thrown));
    }
  }

  /** A process is gone, or could not be submitted. */
  function ended(slot: Slot, failure: Failure | undefined): void {
    slot.gone.abort();
    // What was being replaced has its successor already.
    if (aside.delete(slot) || stopping.signal.aborted || slot.phase === 'leaving' || slot.phase === 'over') return;
    if (first !== undefined) {
      slot.failures += 1;
      if (failure !== undefined || slot.failures >= firstTriesMax) {
        first.failed(failure ?? endpointsFailures.machineLost());
        return;
      }
    } else if (slot.phase === 'ready' && clock.elapsedMs() - slot.readyAtMs >= healthyMs) slot.failures = 0;
    else slot.failures += 1;
    slot.phase = 'pausing';
    const pauseMs = slot.failures === 0 ? 0 : Math.min(pauseMsMin * 2 ** (slot.failures - 1), pauseMsMax);
    log.warn(
      { module: 'endpoints', subject: plan.uniqueId, attempt: slot.failures, error: failure },
      'a scoring process ended; it is started again',
    );
    clock.sleep(pauseMs, stopping.signal).then(
      () => launch(slot),
      () => undefined,
    );
  }

  /**
   * A process that is started again has as long for its init() as a new deployment, from when it begins: one that hangs there
   * would otherwise hold its slot for good. The first start is watched by who waits for it.
   */
  function watchStart(slot: Slot): void {
    const { workId, gone } = slot;
    clock.sleep(startMs, AbortSignal.any([stopping.signal, gone.signal])).then(
      () => {
        if (slot.workId !== workId || slot.phase !== 'starting') return;
        say(`A scoring process was not ready within ${startMs / 1000} seconds. It is ended and started again.`);
        void processes.stop(plan.deploymentId, workId, 0);
        ended(slot, endpointsFailures.DeploymentNotReady(startMs / 1000));
      },
      () => undefined,
    );
  }

  function isReady(slot: Slot): void {
    // Told again, or what gives way already: it must not come back to life.
    if (slot.phase !== 'starting') return;
    slot.phase = 'ready';
    slot.readyAtMs = clock.elapsedMs();
    giveUpReplaced(slot);
    if (first === undefined || !slots.every(({ phase }) => phase === 'ready')) return;
    const { ready } = first;
    first = undefined;
    ready();
  }

  /** What it was to replace is not needed any more, or is not replaced any more. */
  function giveUpReplaced(slot: Slot): void {
    const { replaces } = slot;
    slot.replaces = undefined;
    if (replaces !== undefined && aside.delete(replaces)) void retire(replaces);
  }

  function replace(slot: Slot): void {
    slot.lost += 1;
    const at = slots.indexOf(slot);
    if (slot.phase !== 'ready' || (at < 0 && !aside.has(slot)) || stopping.signal.aborted) {
      if (isIdle(slot)) slot.whenIdle?.();
      return;
    }
    const serves = slot.lost < plan.maxConcurrent;
    if (at >= 0) {
      deps.onReplaced(plan);
      const limit = `${plan.timeoutMs / 1000} seconds (requestSettings.requestTimeout)`;
      say(`A request was not answered within ${limit} and the grace after it. Its process is replaced.`);
      log.warn(
        { module: 'endpoints', subject: plan.uniqueId, count: slot.lost },
        'a call of a scoring process hangs; the process is replaced',
      );
      slots.splice(at, 1);
      if (serves) aside.add(slot);
      add({ failures: slot.failures + 1, ...(serves ? { replaces: slot } : {}) });
    }
    if (serves) return;
    // Nothing that it has will be answered, and nobody else gets a place in it.
    aside.delete(slot);
    void endSlot(slot, 0);
  }

  async function endSlot(slot: Slot, graceSeconds?: number): Promise<void> {
    slot.phase = 'over';
    slot.gone.abort();
    await processes.stop(plan.deploymentId, slot.workId, graceSeconds);
  }

  async function retire(slot: Slot): Promise<void> {
    if (slot.phase === 'ready' && !isIdle(slot)) {
      slot.phase = 'leaving';
      leaving.add(slot);
      const idle = new AbortController();
      slot.whenIdle = () => idle.abort();
      const early = AbortSignal.any([idle.signal, slot.gone.signal, deps.closing]);
      await clock.sleep(plan.timeoutMs, early).catch(() => undefined);
      leaving.delete(slot);
    }
    await endSlot(slot);
  }

  function failureOf(event: Extract<WorkEvent, { type: 'finished' }>): Failure {
    const said = event.message ?? `The scoring process ended: ${event.reason}.`;
    const why = event.reason === 'init_failed' && !plan.hbi ? output().reason() : undefined;
    return endpointsFailures.DeploymentFailed(why === undefined ? said : `${said} It said: ${why}`);
  }

  /** Which one goes when there are too many: what nothing serves for before what does, and of those the one with the fewest requests. */
  function spare(): Slot | undefined {
    const worth = ({ phase, active, replaces }: Slot) =>
      phase === 'ready' ? 2 + active : replaces !== undefined && aside.has(replaces) ? 1 : 0;
    return [...slots].reverse().sort((one, other) => worth(one) - worth(other))[0];
  }

  function fit(): void {
    while (slots.length < plan.capacity) add({ failures: 0 });
    while (slots.length > plan.capacity) {
      const slot = spare();
      if (slot === undefined) return;
      slots.splice(slots.indexOf(slot), 1);
      giveUpReplaced(slot);
      void retire(slot);
    }
  }

  function placeIn(slot: Slot): Place {
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
        if (isIdle(slot)) slot.whenIdle?.();
      },
      lose() {
        // Its process has ended already: what is there now has nothing to do with it.
        if (state !== 'held' || gone.signal.aborted) return;
        state = 'lost';
        replace(slot);
      },
    };
  }

  const instances: Instances = {
    plan: () => plan,
    onEvent(workId, slot, event) {
      switch (event.type) {
        case 'output':
          // Of a workspace of high business impact nothing is kept that its code prints.
          if (!plan.hbi) output().add(event.text);
          return;
        case 'preparing':
          if (first === undefined) watchStart(slot);
          return;
        case 'ready':
          return isReady(slot);
        case 'finished':
          processes.over(workId);
          // Who waits for the first start is told why; of a later one nobody is, and its own log is where he looks.
          if (event.reason === 'setup_failed' && event.message !== undefined && first === undefined) say(event.message);
          return ended(slot, failureOf(event));
        case 'lost':
          processes.over(workId);
          return ended(slot, undefined);
        default:
          return;
      }
    },
    change(changed) {
      plan = changed;
      fit();
    },
    take() {
      let best: Slot | undefined;
      for (const slot of serving()) if (best === undefined || slot.active < best.active) best = slot;
      return best && placeIn(best);
    },
    ready: () => serving().length,
    health() {
      if (aside.size > 0) return 'Unhealthy';
      if (slots.some(({ phase }) => phase === 'ready')) return 'Healthy';
      return slots.some(({ failures }) => failures > 0) ? 'Unhealthy' : 'Starting';
    },
    failFirst: (failure) => first?.failed(failure),
    async giveWay() {
      stopping.abort();
      const all = [...slots, ...aside];
      aside.clear();
      await Promise.all(all.map(retire));
    },
    async end() {
      stopping.abort();
      first = undefined;
      const all = [...slots, ...aside, ...leaving];
      aside.clear();
      await Promise.all(all.map((slot) => endSlot(slot)));
    },
    close: () => stopping.abort(),
  };
  fit();
  return instances;
}
