// A sweep as it goes on: each look takes in what became of its trials, gives up those that its policy gives up, begins as many
// as may run at once, and ends it once there is nothing more to try. What is kept is what became of each trial, by its number;
// which values it tries follows from the number alone.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { placeholdersIn } from '@strongroom/contract/placeholders';
import type { SweepJob } from '@strongroom/contract/sweeps';
import {
  checkJob,
  isEnd,
  type JobLives,
  type JobState,
  type ParentType,
  type References,
  siblingId,
  stateOf,
} from '#jobs';
import { isBounded } from '#kernel/authority/actor';
import type { Clock } from '#kernel/clock/clock';
import type { Resource } from '#resources';
import { workspaceOf } from '#workspaces';
import type { Children } from './children.service.ts';
import { endParent } from './closing.service.ts';
import type { Closing } from './closing.types.ts';
import { flowsFailures } from './flows.errors.ts';
import { type Curve, curveOf, intervalOf, isGivenUp } from './policies.rules.ts';
import {
  bestIn,
  bestTrial,
  endOf,
  hopeless,
  nextTrial,
  type Plan,
  planOf,
  pointOfTrial,
  type SweepFlow,
  sweepNameMax,
  type Trial,
  timedOut,
  toldOf,
  trialName,
  trialOf,
} from './sweep.rules.ts';
import type { Looked, UnderWays } from './under-way.service.ts';

export type Sweeps = {
  readonly type: ParentType;
  look(job: Resource): Promise<Looked>;
};

/** The manager has checked it by the kind's schema. */
const sweepOf = (job: Pick<Resource, 'properties' | 'name'>) => ({
  ...(job.properties as unknown as SweepJob),
  name: job.name,
});
const flowOf = (state: JobState): SweepFlow => state.flow as SweepFlow; // ours, of `accept`

/** Where none is asked for: the same for the same sweep, and another for every other. */
const seedOf = (uniqueId: string): number => Number.parseInt(uniqueId.replaceAll('-', '').slice(0, 12), 16) || 0;

/** How long pieces of work may follow each other while others wait. */
const busyMs = 2;

async function inTurns<R>(pieces: Generator<undefined, R>): Promise<R> {
  let since = performance.now();
  for (;;) {
    const piece = pieces.next();
    if (piece.done) return piece.value;
    if (performance.now() - since < busyMs) continue;
    await nextTurn();
    since = performance.now();
  }
}

export function createSweeps(deps: {
  readonly lives: JobLives;
  readonly references: References;
  readonly children: Children;
  readonly underWay: UnderWays['add'];
  readonly clock: Clock;
}): Sweeps {
  const { lives, references, children, clock } = deps;

  const update = (job: Resource, changes: (flow: SweepFlow) => Partial<SweepFlow>) =>
    lives.keep(job.id, (state) => changes(flowOf(state)));

  const setTrial = (job: Resource, plan: Plan, number: number, trial: Trial) =>
    update(job, ({ trials }) => {
      const next = trials.map((each, index) => (index === number ? { ...each, ...trial } : each));
      const best = bestTrial(plan, next);
      return {
        trials: next,
        told: toldOf(job.name, best),
        ...(best === undefined ? {} : { outputsOf: trialName(job.name, best.number) }),
      };
    });

  /** What became of a trial whose job has ended, in what is kept and in words. */
  async function takeIn(job: Resource, plan: Plan, number: number, child: Resource): Promise<void> {
    const { status, error } = stateOf(child);
    if (!isEnd(status)) return;
    const { range, logged } = await lives.metric(child.id, plan.metric);
    const best = bestIn(plan.goal, range);
    await setTrial(job, plan, number, {
      end: status as NonNullable<Trial['end']>,
      ...(best === undefined ? { logged: logged.slice(0, 20) } : { best }),
      ...(error === undefined ? {} : { error: error.message.slice(0, 500) }),
    });
    const said = best === undefined ? `${plan.metric} was not logged` : `best ${plan.metric}: ${best}`;
    await lives.say(job.id, `${child.name}: ${status}; ${error === undefined ? said : error.message}`);
  }

  /** Trials that the policy gives up now are asked to end. */
  async function applyPolicy(job: Resource, plan: Plan, live: ReadonlyMap<number, Resource>, trials: readonly Trial[]) {
    if (plan.policy === undefined || live.size === 0) return;
    const lengths = new Map<number, number>();
    for (const [number, child] of live)
      if (trials[number]?.givenUp !== true)
        lengths.set(number, (await lives.metric(child.id, plan.metric)).range.count);
    const { policy } = plan;
    const intervals = [...new Set([...lengths.values()].flatMap((length) => intervalOf(policy, length) ?? []))];
    if (intervals.length === 0) return;
    const curves: Curve[] = [];
    for (const [trial, each] of trials.entries()) {
      // One that a crash left unmade has logged nothing, and has no run to look into.
      if (each.end === 'Gone' || (each.end === undefined && !live.has(trial))) continue;
      // As it was counted: what was logged since is looked at the next time.
      const counted = lengths.get(trial);
      const at = counted === undefined ? intervals : [...intervals, counted];
      const parts = await lives.parts(siblingId(job.id, trialName(job.name, trial)), plan.metric, at);
      const length = counted ?? parts.at(-1)?.points ?? 0;
      curves.push(curveOf(plan.goal, { trial, length, isOver: counted === undefined }, parts));
    }
    for (const curve of curves) {
      const { trial: number, isOver } = curve;
      const child = isOver ? undefined : live.get(number);
      if (child === undefined) continue;
      // Each is compared with all others: in between others get a turn.
      await nextTurn();
      if (!isGivenUp(policy, plan.goal, curve, curves)) continue;
      await setTrial(job, plan, number, { givenUp: true });
      await lives.say(job.id, `${child.name} is given up by the policy ${policy.type}`);
      await lives.cancel(child);
    }
  }

  /** Why no more is to be begun, if so. */
  async function closingOf(job: Resource, state: JobState, plan: Plan): Promise<Closing | undefined> {
    if (state.status === 'CancelRequested' || state.outcome?.status === 'Canceled') return { status: 'Canceled' };
    const { closing, trials } = flowOf(state);
    if (closing !== undefined) return closing;
    if (!(await lives.isBacked(job))) return { status: 'Canceled' };
    const { timeoutSeconds } = plan;
    const sinceMs = clock.epochMs() - Date.parse(state.startTime ?? '');
    if (timeoutSeconds !== undefined && sinceMs >= timeoutSeconds * 1000) return timedOut(timeoutSeconds);
    return hopeless(job.name, trials);
  }

  /** One more, unless something is in its way. `held`: none is to be begun for now; `over`: there is nothing left of it to run. */
  async function begin(
    job: Resource,
    plan: Plan,
    number: number,
    { trials, inputs }: Pick<SweepFlow, 'trials' | 'inputs'>,
  ): Promise<'begun' | 'over' | 'held'> {
    const point = pointOfTrial(plan, number, trials[number]);
    const name = trialName(job.name, number);
    const made = await children.make(job, name, trialOf(sweepOf(job), point, inputs, number));
    if (made === 'later') return 'held';
    if (made === 'gone') {
      await setTrial(job, plan, number, { end: 'Gone' });
      return 'over';
    }
    if ('refused' in made) {
      await update(job, ({ closing }) => ({ closing: closing ?? made.refused }));
      return 'held';
    }
    const words = Object.entries(point).map(([parameter, value]) => `${parameter}=${value}`);
    await lives.say(job.id, `${name} began: ${words.join(', ')}`);
    return 'begun';
  }

  /** The jobs of trials that have not ended; what has, is taken in. */
  async function openTrials(job: Resource, plan: Plan, trials: readonly Trial[]) {
    const live = new Map<number, Resource>();
    const missing: number[] = [];
    for (const [number, trial] of trials.entries()) {
      if (trial.end !== undefined) continue;
      const child = await children.find(job, trialName(job.name, number));
      if (child === undefined) missing.push(number);
      else if (isEnd(stateOf(child).status)) await takeIn(job, plan, number, child);
      else live.set(number, child);
    }
    return { live, missing };
  }

  async function look(job: Resource): Promise<Looked> {
    const before = stateOf(job);
    const plan = planOf(sweepOf(job), seedOf(job.uniqueId));
    const { live, missing } = await openTrials(job, plan, flowOf(before).trials);
    if (isEnd(before.status) || before.outcome !== undefined) {
      const isQuiet = await children.endAll([...live.values()]);
      if (before.outcome !== undefined) await lives.end(job.id, before.outcome);
      return isQuiet ? 'ended' : 'waits';
    }
    const state = stateOf((await lives.find(job.id)) ?? job);
    const { trials, inputs } = flowOf(state);
    const closing = await closingOf(job, state, plan);
    if (closing !== undefined) {
      await update(job, (flow) => ({ closing: flow.closing ?? closing }));
      if (!(await children.endAll([...live.values()]))) return 'waits';
      await endParent(deps, job, flowOf(state).closing ?? closing);
      return 'ended';
    }
    await applyPolicy(job, plan, live, trials);
    // In the order of their numbers: those that a crash left unmade come first.
    let running = live.size;
    let isHeld = false;
    const next = [...missing];
    for (let number = trials.length; number < plan.total; number++) next.push(number);
    for (const number of next) {
      if (running >= plan.concurrent || isHeld) break;
      // Counted before it is made: what was begun is looked for after a crash.
      if (number >= trials.length) {
        const before = plan.isLearning ? flowOf(stateOf((await lives.find(job.id)) ?? job)).trials : [];
        const trial = await inTurns(nextTrial(plan, number, before));
        await update(job, (flow) => (flow.trials.length > number ? {} : { trials: [...flow.trials, trial] }));
      }
      const now = plan.isLearning ? ((await lives.find(job.id)) ?? job) : job;
      const begun = await begin(job, plan, number, { inputs, trials: flowOf(stateOf(now)).trials });
      isHeld = begun === 'held';
      if (begun === 'begun') running += 1;
    }
    if (isHeld) {
      const now = await lives.find(job.id);
      // Refused for good is closed with the next look; what is only full is tried again in a while.
      return now !== undefined && flowOf(stateOf(now)).closing !== undefined ? look(now) : 'timed';
    }
    if (running === 0) {
      const now = await lives.find(job.id);
      if (now !== undefined) await endParent(deps, now, endOf(job.name, plan, flowOf(stateOf(now)).trials));
      return 'ended';
    }
    return plan.policy !== undefined || plan.timeoutSeconds !== undefined ? 'timed' : 'waits';
  }

  return {
    look,
    type: {
      async check(grant, properties, jobId) {
        if (isBounded(grant.actor)) throw flowsFailures.BoundedSubmitter();
        const name = jobId.slice(jobId.lastIndexOf('/') + 1);
        if (name.length > sweepNameMax) throw flowsFailures.FlowNameTooLong(sweepNameMax);
        const sweep = sweepOf({ properties, name });
        const plan = planOf(sweep, 0);
        // What every trial will be is held to what every job is held to, before there is one.
        const trial = trialOf(sweep, plan.sampler.at(0), {}, 0);
        checkJob(trial);
        const shared = Object.entries(trial.outputs ?? {}).find(
          ([, { uri }]) => uri !== undefined && !placeholdersIn(uri).includes('name'),
        );
        if (shared !== undefined)
          throw flowsFailures.FlowValidationError(
            `outputs.${shared[0]}.uri`,
            `Every trial would write the output '${shared[0]}' to one place, over the others. Put \${{name}}, which is the name of the trial, into its path.`,
          );
        await references.check(grant, workspaceOf(jobId) ?? '', trial);
        await references.checkAssets(grant, workspaceOf(jobId) ?? '', sweep.outputs);
      },
      async accept(grant, job) {
        const workspaceId = workspaceOf(job.id) ?? '';
        const { inputSnapshots: inputs } = await references.takeInputs(grant, workspaceId, stateOf(job));
        await deps.underWay(job.id, workspaceId, await children.isWithin(job));
        const flow: SweepFlow = { trials: [], inputs };
        return { flow };
      },
    },
  };
}
