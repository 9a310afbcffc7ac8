// What owners ask of work: submit, cancel, where it stands. Decides whether there is anything here that could run it, before
// anything is queued, and says what to do when there is not.

import type { Grant } from '#kernel/authority/grant';
import { isAbout } from '#kernel/authority/reach';
import type { Database } from '#kernel/database/database';
import { idKey, isWithin, sameId } from '#kernel/ids/ids';
import { type Agents, refusalOf } from './agents.service.ts';
import type { Clusters } from './clusters.service.ts';
import { computeFailures } from './compute.errors.ts';
import type { ComputeReach } from './reach.types.ts';
import { localTarget, type TargetId } from './targets.rules.ts';
import { findWork, unsettledWork } from './work.store.ts';
import type { Work, WorkSpec } from './work.types.ts';
import { canceledBefore, queueMax, type WorkQueue } from './work-queue.service.ts';

export type WorkService = Work & {
  /** Stops everything that a cluster runs or keeps waiting, and resolves when all of it has ended. */
  clear(clusterId: string, message: string): Promise<void>;
};

/** Twice what may wait or run: as much again can have ended untold. */
const unsettledMax = 2 * queueMax;
const idPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const labelPattern = /^[A-Za-z0-9._-]{1,255}$/;

export function createWork(deps: {
  readonly database: Database;
  readonly clusters: Clusters;
  readonly agents: Agents;
  readonly queue: WorkQueue;
  readonly reach: Pick<ComputeReach, 'call'>;
}): WorkService {
  const { database, clusters, agents, queue, reach } = deps;

  /** Fails closed: the decision of the caller's request must be about this workspace, or something in it, or around it. */
  function checkReach(grant: Grant, workspaceId: string): void {
    if (!isAbout(grant, workspaceId)) throw computeFailures.AuthorizationFailed();
  }

  function check(grant: Grant, spec: WorkSpec): void {
    checkReach(grant, spec.workspaceId);
    if (!idPattern.test(spec.id) || !labelPattern.test(spec.label))
      throw new Error('work needs a GUID as its id, and a label of letters, digits, dots, dashes and underscores');
    if (spec.computeId !== undefined && !isWithin(spec.computeId, spec.workspaceId))
      throw computeFailures.ComputeNotFound(spec.computeId);
    queue.ownerOf(spec);
  }

  const targetOf = (computeId: string | undefined): TargetId =>
    (computeId === undefined ? undefined : clusters.find(idKey(computeId)))?.stored.target ?? localTarget;

  /** Where it is placed, for as long as it lives. Refused where the cluster takes nothing, or nobody there could run it. */
  function placeOf({ computeId }: WorkSpec): TargetId {
    const cluster = computeId === undefined ? undefined : clusters.find(idKey(computeId));
    if (computeId !== undefined && cluster === undefined) throw computeFailures.ComputeNotFound(computeId);
    if (computeId !== undefined && cluster?.leaving) throw computeFailures.ComputeNotReady(computeId);
    const target = targetOf(computeId);
    const refusal = refusalOf(agents.readiness(target));
    if (refusal !== undefined) throw refusal;
    return target;
  }

  return {
    owner: queue.owner,
    async submit(grant, given) {
      const spec: WorkSpec = { ...given, id: given.id.toLowerCase() };
      check(grant, spec);
      if (!(await queue.submit(spec, () => placeOf(spec)))) return;
      // A cluster that began to leave meanwhile would keep it waiting for ever.
      const item = queue.items.get(spec.id);
      if (item && spec.computeId !== undefined && clusters.find(idKey(spec.computeId))?.leaving !== false)
        await queue.stop(item, 0, 'The compute cluster was deleted.');
    },
    async cancel(grant, id, graceSeconds) {
      const item = queue.items.get(id.toLowerCase());
      const spec = item?.spec ?? (await findWork(database.read, id.toLowerCase()))?.spec;
      if (spec === undefined) throw computeFailures.WorkNotFound();
      checkReach(grant, spec.workspaceId);
      if (item) await queue.stop(item, Math.max(0, Math.floor(graceSeconds)), canceledBefore);
    },
    async state(id) {
      return queue.items.get(id.toLowerCase())?.state ?? (await findWork(database.read, id.toLowerCase()))?.state;
    },
    keptBytes: (computeId) => agents.keptBytes(targetOf(computeId)),
    unsettled: async (kind) => (await unsettledWork(database.read, kind, unsettledMax)).map(({ spec }) => spec),
    call(id, request) {
      const item = queue.items.get(id.toLowerCase());
      if (item?.session === undefined || !item.ready || item.ending) return undefined;
      return reach.call({ session: item.session, workId: item.spec.id }, request);
    },
    async clear(clusterId, message) {
      const ofCluster = () =>
        [...queue.items.values()].filter(
          ({ spec }) => spec.computeId !== undefined && sameId(spec.computeId, clusterId),
        );
      for (const item of ofCluster()) await queue.stop(item, 0, message);
      if (ofCluster().length === 0) return;
      await new Promise<void>((resolve) => {
        const forget = queue.onChange(() => {
          if (ofCluster().length > 0) return;
          forget();
          resolve();
        });
      });
    },
  };
}
