// Scoring processes as pieces of work: each is submitted once, and whose it is stands in memory only, because after a restart none of
// them runs any more. Work that nobody here knows is answered with a refusal, and so ends.

import type { Work } from '#compute';
import type { Grants } from '#kernel/authority/grant';
import { asFailure } from '#kernel/errors/failure';
import type { Log } from '#kernel/log/log';
import { endpointsDuties } from './duties.ts';
import type { Plan } from './plan.rules.ts';

const stopGraceSeconds = 10;

export type Processes<Owner> = {
  /** Submits it. Rejects when it could not be; then it is known no more. */
  start(plan: Plan, workId: string, owner: Owner): Promise<void>;
  /** Told to end, once. It may be that it has ended. */
  stop(deploymentId: string, workId: string, graceSeconds?: number): Promise<void>;
  /** It has ended by itself. */
  over(workId: string): void;
  ownerOf(workId: string): Owner | undefined;
  clear(): void;
};

export function createProcesses<Owner>(deps: {
  readonly work: () => Work;
  readonly grants: Grants;
  readonly log: Log;
}): Processes<Owner> {
  const { grants, log } = deps;
  const owners = new Map<string, Owner>();
  const byDuty = (deploymentId: string) => grants.duty(endpointsDuties.serve, deploymentId);

  async function cancel(deploymentId: string, workId: string, graceSeconds = stopGraceSeconds): Promise<void> {
    try {
      await deps.work().cancel(byDuty(deploymentId), workId, graceSeconds);
    } catch (error) {
      if (asFailure(error).kind !== 'notFound')
        log.warn({ module: 'endpoints', error }, 'a scoring process could not be told to end');
    }
  }

  async function submit(plan: Plan, workId: string): Promise<void> {
    try {
      await deps.work().submit(byDuty(plan.deploymentId), {
        id: workId,
        kind: 'score',
        workspaceId: plan.workspaceId,
        computeId: undefined,
        subject: plan.deploymentId,
        label: `score-${plan.name.slice(0, 60)}`,
      });
    } catch (thrown) {
      owners.delete(workId);
      throw thrown;
    }
    // Stopped while it was being submitted: nobody else knows of it.
    if (!owners.has(workId)) await cancel(plan.deploymentId, workId);
  }

  return {
    start(plan, workId, owner) {
      owners.set(workId, owner);
      return submit(plan, workId);
    },
    async stop(deploymentId, workId, graceSeconds) {
      if (owners.delete(workId)) await cancel(deploymentId, workId, graceSeconds);
    },
    over: (workId) => void owners.delete(workId),
    ownerOf: (workId) => owners.get(workId),
    clear: () => owners.clear(),
  };
}
