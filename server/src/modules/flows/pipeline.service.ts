// A pipeline as it goes on: each look takes in what became of its steps and begins those whose needs are done. What is kept is
// what each step runs, as it was when the outermost pipeline was accepted, and what became of it. A step that is a pipeline is a job
// of that type, made by the one that it stands in.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { JobInput } from '@strongroom/contract/jobs';
import type { PipelineJob } from '@strongroom/contract/pipelines';
import type { Component, PipelineComponent, PipelineSteps } from '#assets';
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
import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { sha256Hex } from '#kernel/crypto/digest';
import type { Resource } from '#resources';
import { workspaceOf } from '#workspaces';
import type { Children } from './children.service.ts';
import { endParent } from './closing.service.ts';
import type { Closing } from './closing.types.ts';
import { flowsFailures } from './flows.errors.ts';
import type { Parts, Tree } from './parts.service.ts';
import {
  endOf,
  fixedInputs,
  lostIn,
  outputUris,
  outsideInputs,
  type Pipeline,
  type PipelineFlow,
  placesIn,
  readPipeline,
  ready,
  type StepState,
  stepFailed,
  stepJobName,
  writtenBy,
} from './pipeline.rules.ts';
import type { Results } from './results.service.ts';
import { contentOf, type Fixed, stepOf } from './step-jobs.rules.ts';
import { readSteps, type Step } from './steps.rules.ts';
import type { Sweeps } from './sweep.service.ts';
import type { Looked, UnderWays } from './under-way.service.ts';
import { checkGiven, checkWires, wiredIn, wiredOf } from './wires.rules.ts';

export type Pipelines = {
  readonly type: ParentType;
  look(job: Resource): Promise<Looked>;
  /** For whoever registers components. */
  readonly steps: PipelineSteps;
};

/** The manager has checked it by the kind's schema. */
const jobOf = ({ properties }: Pick<Resource, 'properties'>): PipelineJob => properties as unknown as PipelineJob;
const flowOf = (state: JobState): PipelineFlow => state.flow as PipelineFlow; // ours, of `accept`

/** A pipeline and what its steps run. */
type Running = { readonly pipeline: Pipeline; readonly fixed: Fixed };

/** After so many steps that were checked others get a turn. */
const stepsATurn = 50;

export function createPipelines(deps: {
  readonly lives: JobLives;
  readonly references: References;
  readonly children: Children;
  readonly results: Results;
  readonly parts: Parts;
  /** What a step is that is a sweep. */
  readonly sweeps: Pick<Sweeps, 'type'>;
  readonly underWay: UnderWays['add'];
  readonly clock: Clock;
}): Pipelines {
  const { lives, references, children, results, parts } = deps;

  /** The component that a pipeline is, where it says no steps itself. */
  async function ownComponent(
    grant: Grant,
    workspaceId: string,
    job: PipelineJob,
  ): Promise<PipelineComponent | undefined> {
    const { componentId, jobs = {} } = job;
    if (componentId === undefined) return undefined;
    const found = await parts.component(grant, workspaceId, componentId, 'componentId');
    if (found.type !== 'pipeline')
      throw flowsFailures.FlowValidationError(
        'componentId',
        `The component is of the type ${found.type}, and a pipeline is one of the type pipeline. Make a step of it.`,
      );
    // A client that has read the component sends its steps, too.
    if (Object.keys(jobs).length === 0 || isDeepStrictEqual(readSteps(jobs), readSteps(found.jobs))) return found;
    throw flowsFailures.FlowValidationError(
      'componentId',
      'The pipeline names a component, which says the steps itself, and says others. Leave one of componentId and jobs out.',
    );
  }

  const componentsOf = ({ branches }: Tree): Readonly<Record<string, Component>> =>
    Object.fromEntries(Object.entries(branches).map(([step, { component }]) => [step, component]));

  /**
   * What every step will be is held to what every job is held to, through all levels, with what each is given.
   * @param checked what several steps name alike is looked up once
   */
  async function checkAll(
    grant: Grant,
    jobId: string,
    pipeline: Pipeline,
    tree: Tree,
    checked: { readonly names: Set<string>; steps: number },
  ): Promise<void> {
    const { branches } = tree;
    await references.checkAssets(grant, pipeline.workspaceId, pipeline.job.outputs);
    checkWires(wiredOf(pipeline), componentsOf(tree));
    for (const step of pipeline.steps) {
      if (++checked.steps % stepsATurn === 0) await nextTurn();
      const job = stepOf(pipeline, step, { running: branches, inputs: {} }, placesIn(pipeline, {}));
      const name = stepJobName(pipeline.name, step.name);
      const branch = branches[step.name];
      if (job.jobType === 'Pipeline') {
        if (branch?.component.type !== 'pipeline' || branch.tree === undefined) continue;
        const within = readPipeline(name, pipeline.workspaceId, job, branch.component);
        checkGiven(within, branch.component);
        await checkAll(grant, siblingId(jobId, name), within, branch.tree, checked);
        continue;
      }
      if (job.jobType === 'Sweep') {
        await deps.sweeps.type.check(grant, job, siblingId(jobId, name));
        continue;
      }
      checkJob(job);
      const { computeId, codeId, environmentId, environmentVariables, outputs = {} } = job;
      const left = Object.entries(outputs).filter(
        ([, { uri, assetName, assetVersion }]) => (uri ?? assetName ?? assetVersion) !== undefined,
      );
      const named = JSON.stringify([computeId, codeId, environmentId, environmentVariables, left]);
      if (checked.names.has(named)) continue;
      await references.check(grant, pipeline.workspaceId, job);
      checked.names.add(named);
    }
  }

  /** What the pipeline is and what its steps run; undefined: it is not kept any more. */
  async function running(job: Resource): Promise<Running | undefined> {
    const flow = flowOf(stateOf(job));
    const loaded = await parts.load(job.id, flow);
    if (loaded === undefined) return undefined;
    const own = loaded.self?.component;
    const component = own?.type === 'pipeline' ? own : undefined;
    return {
      pipeline: readPipeline(job.name, workspaceOf(job.id) ?? '', jobOf(job), component),
      fixed: { running: loaded.running, inputs: flow.inputs },
    };
  }

  const update = (job: Resource, changes: (flow: PipelineFlow) => Partial<PipelineFlow>) =>
    lives.keep(job.id, (state) => changes(flowOf(state)));

  /** What is kept of a step is shown among the properties of the pipeline, too: the whole of it on one page. */
  const setStep = (job: Resource, name: string, step: StepState) =>
    update(job, ({ steps, told }) => {
      const next = { ...steps[name], ...step };
      const words = `${next.isReused === true ? 'Reused' : (next.end ?? 'Running')} (${next.holder ?? stepJobName(job.name, name)})`;
      return { steps: { ...steps, [name]: next }, told: { ...told, [`step.${name}`]: words } };
    });

  async function takeIn(job: Resource, name: string, child: Resource): Promise<void> {
    const { status, error, flow } = stateOf(child);
    await setStep(job, name, {
      ...(flow?.outputsOf === undefined ? {} : { holder: flow.outputsOf }),
      ...(flow?.outputUris === undefined ? {} : { uris: flow.outputUris }),
      end: status as NonNullable<StepState['end']>,
      ...(error === undefined ? {} : { error: error.message.slice(0, 500) }),
      ...(error?.code === stepFailed ? { lost: lostIn(child.name, flowOf(stateOf(child)).steps) } : {}),
    });
    const { digest } = flowOf(stateOf(job)).steps[name] ?? {};
    if (status === 'Completed' && digest !== undefined) await results.put(job, digest, child);
    await lives.say(job.id, `${name}: ${status}${error === undefined ? '' : ` (${child.name}); ${error.message}`}`);
  }

  /** The jobs of steps that were begun and have not ended; what has, is taken in. */
  async function openSteps(job: Resource, states: PipelineFlow['steps']) {
    const live: Resource[] = [];
    const missing: string[] = [];
    for (const [name, { end }] of Object.entries(states)) {
      if (end !== undefined) continue;
      const child = await children.find(job, stepJobName(job.name, name));
      if (child === undefined) missing.push(name);
      else if (isEnd(stateOf(child).status)) await takeIn(job, name, child);
      else live.push(child);
    }
    return { live, missing };
  }

  /** Whether the step need not be run: its outputs are there. */
  async function reuse(job: Resource, { pipeline, fixed }: Running, step: Step, flow: PipelineFlow): Promise<boolean> {
    const content = contentOf(pipeline, step, fixed, placesIn(pipeline, flow.steps));
    if (content === undefined) return false;
    const digest = sha256Hex(Buffer.from(content));
    // Its own job may be there from before a crash: what was begun is not given up for another's.
    const before = await children.find(job, stepJobName(job.name, step.name));
    const other = before === undefined ? await results.find(job, digest) : undefined;
    if (other === undefined) {
      await setStep(job, step.name, { digest });
      return false;
    }
    await setStep(job, step.name, { digest, end: 'Completed', holder: other.name, isReused: true });
    await results.put(job, digest, other);
    await lives.say(job.id, `${step.name}: the outputs of ${other.name} are taken`);
    return true;
  }

  /** False: nothing is to be begun for now. */
  async function begin(job: Resource, { pipeline, fixed }: Running, step: Step): Promise<boolean> {
    const flow = flowOf(stateOf((await lives.find(job.id)) ?? job));
    if (flow.steps[step.name]?.digest === undefined && (await reuse(job, { pipeline, fixed }, step, flow))) return true;
    const made = await children.make(
      job,
      stepJobName(job.name, step.name),
      stepOf(pipeline, step, fixed, placesIn(pipeline, flow.steps)),
    );
    if (made === 'later') return false;
    if (made === 'gone') {
      await setStep(job, step.name, { end: 'Gone' });
      return true;
    }
    if ('refused' in made) {
      await update(job, ({ closing }) => ({ closing: closing ?? made.refused }));
      return false;
    }
    await lives.say(job.id, `${step.name} began: ${made.job.name}`);
    return true;
  }

  async function closingOf(job: Resource, state: JobState): Promise<Closing | undefined> {
    if (state.status === 'CancelRequested') return { status: 'Canceled' };
    const { closing } = flowOf(state);
    if (closing !== undefined) return closing;
    return (await lives.isBacked(job)) ? undefined : { status: 'Canceled' };
  }

  async function look(job: Resource): Promise<Looked> {
    const before = stateOf(job);
    const { live, missing } = await openSteps(job, flowOf(before).steps);
    if (isEnd(before.status) || before.outcome !== undefined) {
      const isQuiet = await children.endAll(live);
      if (before.outcome !== undefined) await lives.end(job.id, before.outcome);
      return isQuiet ? 'ended' : 'waits';
    }
    const state = stateOf((await lives.find(job.id)) ?? job);
    const closing = await closingOf(job, state);
    if (closing !== undefined) {
      await update(job, (flow) => ({ closing: flow.closing ?? closing }));
      if (!(await children.endAll(live))) return 'waits';
      await endParent(deps, job, flowOf(state).closing ?? closing);
      return 'ended';
    }
    const now = await running(job);
    if (now === undefined) {
      await update(job, (flow) => ({ closing: flow.closing ?? { status: 'Canceled' } }));
      return look(job);
    }
    const { pipeline } = now;
    const { steps: states } = flowOf(state);
    const next = [...pipeline.steps.filter(({ name }) => missing.includes(name)), ...ready(pipeline, states)];
    for (const step of next) {
      // Stored before its job is made: what was begun is looked for after a crash.
      if (states[step.name] === undefined) await setStep(job, step.name, {});
      if (await begin(job, now, step)) continue;
      const then = await lives.find(job.id);
      // Refused for good is closed with the next look; what is only full is tried again in a while.
      return then !== undefined && flowOf(stateOf(then)).closing !== undefined ? look(then) : 'timed';
    }
    // What is over already, because it was done before or its job is gone, may be all that others waited for.
    if (next.length > 0)
      return isAnyOver(await lives.find(job.id), next) ? look((await lives.find(job.id)) ?? job) : 'waits';
    if (live.length > 0) return 'waits';
    const flow = flowOf(state);
    await update(job, () => ({ outputUris: outputUris(pipeline, placesIn(pipeline, flow.steps)) }));
    await endParent(deps, job, endOf(pipeline, flow.steps));
    return 'ended';
  }

  const isAnyOver = (now: Resource | undefined, begun: readonly Step[]): boolean =>
    now !== undefined && begun.some(({ name }) => flowOf(stateOf(now)).steps[name]?.end !== undefined);

  /** Made by the pipeline that it stands in, and checked with it; what it runs was fixed with the outermost one. */
  async function acceptWithin(job: Resource, parent: Resource): Promise<PipelineFlow> {
    const { root, parts: fixed } = flowOf(stateOf(parent));
    const digest = fixed[job.name.slice(stepJobName(parent.name, '').length)];
    const own = digest === undefined ? undefined : await parts.one(job.id, root, digest);
    if (digest === undefined || own === undefined) throw flowsFailures.PartGone(job.name);
    // What it is given is fixed: snapshots, and what other steps have left. An address that the command reads itself is not.
    const given = Object.entries(jobOf(job).inputs ?? {}).filter(
      ([, { uri, mode }]) => uri !== undefined && mode !== 'Direct',
    );
    const inputs = Object.fromEntries(given.map(([name, { uri = '' }]): [string, string] => [name, uri]));
    return { root, self: digest, parts: own.parts ?? {}, inputs: { ...inputs, ...own.inputs }, steps: {} };
  }

  const inFullOf = (
    pipeline: Pipeline,
    { outputs }: PipelineComponent,
  ): { readonly inputs: Record<string, JobInput>; readonly outputs: NonNullable<PipelineJob['outputs']> } => ({
    inputs: pipeline.given,
    outputs: Object.fromEntries(
      Object.entries(outputs).map(([name, { type }]) => [
        name,
        pipeline.job.outputs?.[name] ?? { jobOutputType: type },
      ]),
    ),
  });

  return {
    look,
    type: {
      async check(grant, properties, jobId) {
        if (isBounded(grant.actor)) throw flowsFailures.BoundedSubmitter();
        if (children.isMaking(jobId)) return;
        const name = jobId.slice(jobId.lastIndexOf('/') + 1);
        const workspaceId = workspaceOf(jobId) ?? '';
        const job = jobOf({ properties });
        const component = await ownComponent(grant, workspaceId, job);
        const pipeline = readPipeline(name, workspaceId, job, component);
        if (component !== undefined) checkGiven(pipeline, component);
        const tree = await parts.findFor(grant, workspaceId, wiredOf(pipeline), name);
        await checkAll(grant, jobId, pipeline, tree, { names: new Set(), steps: 0 });
      },
      async accept(grant, job) {
        const { parentJobName } = stateOf(job);
        const workspaceId = workspaceOf(job.id) ?? '';
        if (parentJobName !== undefined && (await children.isWithin(job))) {
          const parent = await lives.find(siblingId(job.id, parentJobName));
          if (parent === undefined) throw flowsFailures.PartGone(job.name);
          const flow = await acceptWithin(job, parent);
          await deps.underWay(job.id, workspaceId, true);
          return { flow };
        }
        const component = await ownComponent(grant, workspaceId, jobOf(job));
        const pipeline = readPipeline(job.name, workspaceId, jobOf(job), component);
        const tree = await parts.find(grant, workspaceId, wiredOf(pipeline));
        const written = writtenBy(pipeline, parts.stepsBelow(tree));
        const outside = { inputs: fixedInputs(outsideInputs(pipeline), written) };
        const { inputSnapshots } = await references.takeInputs(grant, workspaceId, outside);
        // First: what is kept from here on goes with it.
        await deps.underWay(job.id, workspaceId, false);
        const fixed = await parts.fix(grant, job.id, tree, component, written);
        const flow: PipelineFlow = {
          ...{ ...fixed, root: job.name, inputs: inputSnapshots, steps: {} },
          outputUris: outputUris(pipeline, placesIn(pipeline, {})),
        };
        return { flow, ...(component === undefined ? {} : { inFull: inFullOf(pipeline, component) }) };
      },
    },
    steps: {
      async check(grant, id, component) {
        const workspaceId = workspaceOf(id) ?? '';
        const wired = wiredIn(component);
        checkWires(wired, componentsOf(await parts.find(grant, workspaceId, wired)));
      },
    },
  };
}
