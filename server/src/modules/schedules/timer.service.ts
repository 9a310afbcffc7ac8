// Waits for the earliest schedule that is due, has it fired, and waits for the next: nothing is asked of one that is not due. A few
// at once, one at a time for each. What throws (a workspace whose key is refused) is held and tried again, less and less often; the
// others go on. What is stored here is only when to look: what is due, and for when, stands in the schedule itself, so that one
// that was written is looked at once more a minute later, in case the server died in between.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock } from '#kernel/clock/clock';
import type { Database } from '#kernel/database/database';
import { idKey } from '#kernel/ids/ids';
import type { Log } from '#kernel/log/log';
import type { Telemetry } from '#kernel/telemetry/telemetry';
import * as store from './due.store.ts';
import { schedulesMeters } from './meters.ts';
import { schedulesFailures } from './schedules.errors.ts';

/** As many as a workspace may have, disabled ones included. */
export const schedulesMax = 500;

const atOnce = 4;
/** A waiting loop looks again after this long even if nothing is due, because the time of day can jump. */
const lookAgainMs = 60_000;
const holdMs = 60_000;
const busyMs = 1_000;
const againMs = 5_000;
/** A schedule is stored this long after its time was set at the latest. */
const settledMs = 60_000;
const holdMsMax = 900_000;

/**
 * `next`: when it is due again, if ever. `held`: it is tried again in a while. `busy`: in a moment, because it is being written.
 * `gone`: it is no more.
 */
export type Fired = { readonly next: number | undefined } | 'held' | 'busy' | 'gone';

export type Timer = {
  /** It is about to be stored. Durable when it resolves. `undefined`: it is not due. Throws `conflict` where the workspace has as many as it may have. */
  set(schedule: { readonly id: string; readonly workspaceId: string }, firesAt: number | undefined): Promise<void>;
  forget(scheduleId: string): Promise<void>;
  forgetWorkspace(workspaceId: string): Promise<void>;
  start(): void;
  /** Nothing more is begun. What is under way is cut off like by a crash, and done again after the next start. */
  stop(): void;
  /** For tests: resolves when nothing is due and nothing runs. */
  settled(): Promise<void>;
};

export function createTimer(deps: {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly telemetry: Telemetry;
  readonly fire: (scheduleId: string) => Promise<Fired>;
}): Timer {
  const { database, clock, log, fire } = deps;
  const looks = deps.telemetry.counter(schedulesMeters.looks);
  const running = new Map<string, Promise<void>>();
  const stopping = new AbortController();
  // A firing must not run in the context of the request that set it.
  const atHome = AsyncLocalStorage.snapshot();
  let taking: Promise<number> = Promise.resolve(0);
  let wake: () => void = () => {};

  async function fireOnce(row: store.Due): Promise<void> {
    let fired: Fired;
    let error: unknown;
    try {
      fired = await fire(row.schedule_id);
    } catch (thrown) {
      [fired, error] = ['held', thrown];
    }
    if (stopping.signal.aborted) return;
    looks.add({ outcome: typeof fired === 'string' ? fired : 'fired' });
    if (fired === 'held') {
      const fields = { module: 'schedules', schedule: row.schedule_id, error };
      // Told once, and not with every try.
      if (row.holds === 0) log.warn(fields, 'a schedule could not be fired, and is held');
      else log.debug(fields, 'a schedule is still held');
    }
    await database.write((tx) =>
      fired === 'gone' ? store.deleteDue(tx, row.key) : store.replaceDue(tx, row, againAfter(fired, row)),
    );
  }

  function againAfter(
    fired: Exclude<Fired, 'gone'>,
    { holds, set_at }: store.Due,
  ): Pick<store.Due, 'look_at' | 'holds'> {
    const now = clock.epochMs();
    if (fired === 'held')
      return { look_at: now + Math.min(holdMs * 2 ** Math.min(holds, 10), holdMsMax), holds: holds + 1 };
    if (fired === 'busy') return { look_at: now + busyMs, holds: 0 };
    const next = fired.next ?? Number.POSITIVE_INFINITY;
    // It may be being written at this moment, and be another one when that is done.
    const isSettled = Math.abs(now - set_at) >= settledMs;
    const look = isSettled ? next : Math.min(next, now + againMs);
    return { look_at: Number.isFinite(look) ? look : null, holds: 0 };
  }

  async function takeOnce(): Promise<number> {
    const free = atOnce - running.size;
    if (free <= 0 || stopping.signal.aborted) return 0;
    const rows = await store.dueBy(database.read, clock.epochMs(), [...running.keys()], free);
    for (const row of rows) {
      const firing = atHome(() => fireOnce(row))
        .catch((error: unknown) => log.error({ module: 'schedules', error }, 'a firing could not be concluded'))
        .finally(() => {
          running.delete(row.key);
          wake();
        });
      running.set(row.key, firing);
    }
    return rows.length;
  }

  /** One after another, so that none is taken twice. */
  function take(): Promise<number> {
    taking = taking.then(takeOnce, takeOnce);
    return taking;
  }

  /** Until the earliest is due, or something changes. */
  async function rest(): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    if (running.size >= atOnce) return woken;
    const earliest = await store.earliestLook(database.read, [...running.keys()]);
    if (earliest === undefined) return woken;
    const sleeping = new AbortController();
    const signal = AbortSignal.any([sleeping.signal, stopping.signal]);
    const wait = Math.min(Math.max(earliest - clock.epochMs(), 0), lookAgainMs);
    const slept = clock.sleep(wait, signal).catch(() => undefined);
    await Promise.race([slept, woken]);
    sleeping.abort();
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        if ((await take()) === 0) await rest();
      } catch (error) {
        if (stopping.signal.aborted) return;
        log.error({ module: 'schedules', error }, 'what is due could not be looked up');
        await clock.sleep(lookAgainMs, stopping.signal).catch(() => undefined);
      }
    }
  }

  return {
    async set({ id, workspaceId }, firesAt) {
      const [key, workspace] = [idKey(id), idKey(workspaceId)];
      const now = clock.epochMs();
      const look = Math.min(firesAt ?? Number.POSITIVE_INFINITY, now + settledMs);
      await database.write(async (tx) => {
        if ((await store.countDue(tx, workspace, key)) >= schedulesMax)
          throw schedulesFailures.TooManySchedules(schedulesMax);
        await store.upsertDue(tx, { key, schedule_id: id, workspace, look_at: look, set_at: now, holds: 0 });
      });
      wake();
    },
    forget: (scheduleId) => database.write((tx) => store.deleteDue(tx, idKey(scheduleId))),
    forgetWorkspace: (workspaceId) => database.write((tx) => store.deleteDueOfWorkspace(tx, idKey(workspaceId))),
    start: () => void atHome(run),
    stop() {
      stopping.abort();
      wake();
    },
    async settled() {
      do await Promise.all(running.values());
      while ((await take()) > 0 || running.size > 0);
    },
  };
}
