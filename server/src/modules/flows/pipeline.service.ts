// A pipeline as it goes on: each look takes in what became of its steps and begins those whose needs are done. What is kept is
// what each step runs, as it was when the pipeline was accepted, and what became of it.

import type { PipelineJob } from '@strongroom/contract/pipelines';
import type { Assets, Component } from '#assets';
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
import { isWithin, parseResourceId } from '#kernel/ids/ids';
import type { Resource } from '#resources';
import { workspaceOf, workspaceType } from '#workspaces';
import type { Children } from './children.service.ts';
import { endParent } from './closing.service.ts';
import type { Closing } from './closing.types.ts';
import { flowsFailures } from './flows.errors.ts';
import {
  checkWires,
  contentOf,
  endOf,
  inlineSpec,
  outputUris,
  outsideInputs,
  type Pipeline,
  type PipelineFlow,
  pipelineNameMax,
  readPipeline,
  ready,
  type StepState,
  stepJobName,
  stepOf,
} from './pipeline.rules.ts';
import type { Results } from './results.service.ts';
import type { Step } from './steps.rules.ts';
import type { Sweeps } from './sweep.service.ts';
import type { Looked } from './under-way.service.ts';

export type Pipelines = {
  readonly type: ParentType;
  look(job: Resource): Promise<Looked>;
};

/** The manager has checked it by the kind's schema. */
const pipelineOf = (job: Pick<Resource, 'properties' | 'name'>): Pipeline =>
  readPipeline(job.name, job.properties as unknown as PipelineJob);
const flowOf = (state: JobState): PipelineFlow => state.flow as PipelineFlow; // ours, of `accept`

/** What all steps run, as it is kept beside the pipeline. */
const componentsBytesMax = 1_048_576;

export function createPipelines(deps: {
  readonly lives: JobLives;
  readonly references: References;
  readonly assets: Pick<Assets, 'code' | 'component' | 'componentIn'>;
  readonly children: Children;
  readonly results: Results;
  /** What a step is that is a sweep. */
  readonly sweeps: Pick<Sweeps, 'type'>;
  readonly underWay: (jobId: string, workspaceId: string) => Promise<void>;
  readonly clock: Clock;
}): Pipelines {
  const { lives, references, assets, children, results } = deps;

  async function componentOf(grant: Grant, workspaceId: string, step: Step, job: PipelineJob): Promise<Component> {
    const { componentId } = step;
    if (componentId === undefined) return assets.componentIn(inlineSpec(step, job));
    const wanted = `${workspaceType}/components/versions`.toLowerCase();
    if (!isWithin(componentId, workspaceId) || parseResourceId(componentId).type?.toLowerCase() !== wanted)
      throw flowsFailures.FlowValidationError(
        `jobs.${step.name}.componentId`,
        `The step '${step.name}' must name one of this workspace's components/versions by its id: ${workspaceId}/components/NAME/versions/VERSION.`,
      );
    return assets.component(grant, componentId);
  }

  async function componentsOf(grant: Grant, workspaceId: string, { steps, job }: Pipeline) {
    const found: Record<string, Component> = {};
    for (const step of steps) found[step.name] = await componentOf(grant, workspaceId, step, job);
    if (Buffer.byteLength(JSON.stringify(found)) > componentsBytesMax)
      throw flowsFailures.FlowValidationError(
        'jobs',
        'The components of the pipeline are more than a mebibyte of text. Make pipelines of their own of some steps.',
      );
    return found;
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

  const holderOf = (job: Resource, flow: PipelineFlow) => (step: string) =>
    flow.steps[step]?.holder ?? stepJobName(job.name, step);

  async function takeIn(job: Resource, name: string, child: Resource): Promise<void> {
    const { status, error, flow } = stateOf(child);
    await setStep(job, name, {
      ...(flow?.outputsOf === undefined ? {} : { holder: flow.outputsOf }),
      end: status as NonNullable<StepState['end']>,
      ...(error === undefined ? {} : { error: error.message.slice(0, 500) }),
    });
    const { digest } = flowOf(stateOf(job)).steps[name] ?? {};
    if (status === 'Completed' && digest !== undefined) await results.put(job, digest, child.name);
    await lives.say(job.id, `${name}: ${status}${error === undefined ? '' : `; ${error.message}`}`);
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
  async function reuse(job: Resource, pipeline: Pipeline, step: Step, flow: PipelineFlow): Promise<boolean> {
    const content = contentOf(pipeline, step, flow, holderOf(job, flow));
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
    await lives.say(job.id, `${step.name}: the outputs of ${other.name} are taken`);
    return true;
  }

  /** False: nothing is to be begun for now. */
  async function begin(job: Resource, pipeline: Pipeline, step: Step): Promise<boolean> {
    const flow = flowOf(stateOf((await lives.find(job.id)) ?? job));
    if (flow.steps[step.name]?.digest === undefined && (await reuse(job, pipeline, step, flow))) return true;
    const made = await children.make(
      job,
      stepJobName(job.name, step.name),
      stepOf(pipeline, step, flow, holderOf(job, flow)),
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
    const pipeline = pipelineOf(job);
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
    const { steps: states } = flowOf(state);
    const next = [...pipeline.steps.filter(({ name }) => missing.includes(name)), ...ready(pipeline, states)];
    for (const step of next) {
      // Stored before its job is made: what was begun is looked for after a crash.
      if (states[step.name] === undefined) await setStep(job, step.name, {});
      if (await begin(job, pipeline, step)) continue;
      const now = await lives.find(job.id);
      // Refused for good is closed with the next look; what is only full is tried again in a while.
      return now !== undefined && flowOf(stateOf(now)).closing !== undefined ? look(now) : 'timed';
    }
    // What is over already, because it was done before or its job is gone, may be all that others waited for.
    if (next.length > 0)
      return isAnyOver(await lives.find(job.id), next) ? look((await lives.find(job.id)) ?? job) : 'waits';
    if (live.length > 0) return 'waits';
    const flow = flowOf(state);
    await update(job, () => ({ outputUris: outputUris(pipeline, holderOf(job, flow)) }));
    await endParent(deps, job, endOf(pipeline, flow.steps));
    return 'ended';
  }

  const isAnyOver = (now: Resource | undefined, begun: readonly Step[]): boolean =>
    now !== undefined && begun.some(({ name }) => flowOf(stateOf(now)).steps[name]?.end !== undefined);

  return {
    look,
    type: {
      async check(grant, properties, jobId) {
        if (isBounded(grant.actor)) throw flowsFailures.BoundedSubmitter();
        const name = jobId.slice(jobId.lastIndexOf('/') + 1);
        if (name.length > pipelineNameMax) throw flowsFailures.FlowNameTooLong(pipelineNameMax);
        const workspaceId = workspaceOf(jobId) ?? '';
        const pipeline = pipelineOf({ properties, name });
        const components = await componentsOf(grant, workspaceId, pipeline);
        checkWires(pipeline, components);
        // What every step will be is held to what every job is held to, before there is one.
        for (const step of pipeline.steps) {
          const job = stepOf(pipeline, step, { components, inputs: {} }, (other) => stepJobName(name, other));
          if (job.jobType === 'Sweep') {
            await deps.sweeps.type.check(grant, job, siblingId(jobId, stepJobName(name, step.name)));
            continue;
          }
          checkJob(job);
          await references.check(grant, workspaceId, job);
        }
      },
      async accept(grant, job) {
        const workspaceId = workspaceOf(job.id) ?? '';
        const pipeline = pipelineOf(job);
        const components = await componentsOf(grant, workspaceId, pipeline);
        const { inputSnapshots } = await references.takeInputs(grant, workspaceId, { inputs: outsideInputs(pipeline) });
        const codes: Record<string, string> = {};
        for (const [name, { codeId }] of Object.entries(components))
          if (codeId !== undefined) codes[name] = (await assets.code(grant, codeId)).uri;
        await deps.underWay(job.id, workspaceId);
        const flow: PipelineFlow = {
          ...{ components, codes, inputs: inputSnapshots, steps: {} },
          outputUris: outputUris(pipeline, (step) => stepJobName(pipeline.name, step)),
        };
        return flow;
      },
    },
  };
}
