// Which deployments run, and by what: each by its instances, which a plan describes. A deployment that was ready once is kept running;
// something else takes its place only when it is ready, and what gives way answers what it has. Nothing of it is stored: after a restart
// everything that was ever ready is kept anew.

import type { Work, WorkDocument, WorkOwner, WorkSpec } from '#compute';
import type { Grants } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { idKey, isWithin } from '#kernel/ids/ids';
import type { Log } from '#kernel/log/log';
import { endpointsFailures } from './endpoints.errors.ts';
import {
  createInstances,
  type First,
  type Health,
  type Instances,
  type Owner,
  type Place,
} from './instances.service.ts';
import { createOutput, type Output } from './output.service.ts';
import type { Plan } from './plan.rules.ts';
import { createProcesses } from './processes.service.ts';
import { createQueue, type Queue } from './queue.service.ts';

export type { Place } from './instances.service.ts';

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

type Deployment = { readonly instances: Instances; readonly queue: Queue };

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
  const { clock, log } = deps;
  const startMs = (deps.startSeconds ?? 120) * 1000;
  const processes = createProcesses<Owner>(deps);
  const current = new Map<string, Deployment>();
  /** Started, and waited for. */
  const rolling = new Set<Instances>();
  /** They answer what they have, and end. */
  const givingWay = new Set<Instances>();
  const outputs = new Map<string, Output>();
  const replacements = new Map<string, number>();
  const closing = new AbortController();

  const output = (deploymentId: string): Output => {
    const key = idKey(deploymentId);
    const present = outputs.get(key) ?? createOutput();
    outputs.set(key, present);
    return present;
  };
  const find = (deploymentId: string) => current.get(idKey(deploymentId));

  function start(plan: Plan, first: First | undefined): Deployment {
    const key = idKey(plan.deploymentId);
    const onReplaced = (of: Plan) => {
      replacements.set(key, (replacements.get(key) ?? 0) + 1);
      deps.onReplaced(of);
    };
    const instances = createInstances(
      {
        ...{ processes, clock, log, startMs, onReplaced, closing: closing.signal },
        output: () => output(plan.deploymentId),
      },
      { plan, first },
    );
    // Who waits for the deployment goes on waiting when something else takes its place.
    return { instances, queue: current.get(key)?.queue ?? createQueue(clock) };
  }

  return {
    async documentOf(work: WorkSpec) {
      const known = processes.ownerOf(work.id);
      if (known === undefined) throw endpointsFailures.DeploymentChanged();
      return deps.documentFor(known.instances.plan());
    },

    async onEvent(work, event) {
      const known = processes.ownerOf(work.id);
      known?.instances.onEvent(work.id, known.slot, event);
    },

    async roll(plan) {
      const key = idKey(plan.deploymentId);
      const over = new AbortController();
      const started = Promise.withResolvers<void>();
      clock.sleep(startMs, over.signal).then(
        () => started.reject(endpointsFailures.DeploymentNotReady(startMs / 1000)),
        () => undefined,
      );
      const deployment = start(plan, { ready: started.resolve, failed: started.reject });
      const { instances } = deployment;
      rolling.add(instances);
      try {
        await started.promise;
      } catch (thrown) {
        await instances.end();
        throw thrown;
      } finally {
        rolling.delete(instances);
        over.abort();
      }
      const before = current.get(key);
      current.set(key, deployment);
      if (before === undefined) return;
      givingWay.add(before.instances);
      void before.instances.giveWay().then(() => givingWay.delete(before.instances));
    },

    keep(plan) {
      const key = idKey(plan.deploymentId);
      if (!current.has(key)) current.set(key, start(plan, undefined));
    },

    adjust: (plan) => find(plan.deploymentId)?.instances.change(plan),

    async forget(id) {
      const isOf = (instances: Instances) => isWithin(instances.plan().deploymentId, id);
      // What would only come up for what is gone: nobody would end it any more.
      for (const instances of rolling) if (isOf(instances)) instances.failFirst(endpointsFailures.DeploymentChanged());
      const gone = [...[...current.values()].map(({ instances }) => instances), ...givingWay].filter(isOf);
      for (const key of [...current.keys()]) if (isWithin(key, id)) current.delete(key);
      await Promise.all(gone.map((instances) => instances.end()));
      for (const kept of [outputs, replacements])
        for (const key of kept.keys()) if (isWithin(key, id)) kept.delete(key);
    },

    find(deploymentId) {
      const found = find(deploymentId);
      return found && { plan: found.instances.plan(), queue: found.queue, ready: found.instances.ready() };
    },

    take: (deploymentId) => find(deploymentId)?.instances.take(),

    health: (deploymentId) => find(deploymentId)?.instances.health() ?? 'Stopped',

    replaced: (deploymentId) => replacements.get(idKey(deploymentId)) ?? 0,

    output,

    close() {
      closing.abort();
      for (const { instances } of current.values()) instances.close();
      current.clear();
      processes.clear();
    },
  };
}
