// What owners ask of work: submit, cancel, where it stands. Decides whether there is anything here that could run it, before
// anything is queued, and says what to do when there is not.

import type { Grant } from '#kernel/authority/grant';
import { isAbout } from '#kernel/authority/reach';
import type { Clock } from '#kernel/clock/clock';
import { type Database, isUniqueViolation } from '#kernel/database/database';
import { idKey, isWithin, sameId } from '#kernel/ids/ids';
import type { Agents } from './agents.service.ts';
import type { Clusters } from './clusters.service.ts';
import { computeFailures } from './compute.errors.ts';
import { findWork, insertWork, unsettledWork } from './work.store.ts';
import type { Work, WorkSpec } from './work.types.ts';
import { type Item, queueMax, type WorkQueue } from './work-queue.service.ts';

export type WorkService = Work & {
  /** After `queue.load`: numbers go on from here. */
  countFrom(number: number): void;
  /** Stops everything that a cluster runs or keeps waiting, and resolves when all of it has ended. */
  clear(clusterId: string, message: string): Promise<void>;
};

/** Twice what may wait or run: as much again can have ended untold. */
const unsettledMax = 2 * queueMax;
const idPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const labelPattern = /^[A-Za-z0-9._-]{1,255}$/;

export function createWork(deps: {
  readonly database: Database;
  readonly clock: Clock;
  readonly clusters: Clusters;
  readonly agents: Agents;
  readonly queue: WorkQueue;
}): WorkService {
  const { database, clock, clusters, agents, queue } = deps;
  let number = 0;

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

  function checkPlace({ computeId }: WorkSpec): void {
    const cluster = computeId === undefined ? undefined : clusters.find(idKey(computeId));
    if (computeId !== undefined && cluster === undefined) throw computeFailures.ComputeNotFound(computeId);
    if (computeId !== undefined && cluster?.leaving) throw computeFailures.ComputeNotReady(computeId);
    const readiness = agents.readiness();
    if (readiness.state === 'none') throw computeFailures.NoComputeAgent();
    if (readiness.state === 'unavailable') throw computeFailures.SandboxUnavailable(readiness.reason, readiness.remedy);
    if (queue.items.size >= queueMax) throw computeFailures.TooMuchWorkQueued();
  }

  /** What waits ends here; what runs is asked to stop, and ends by its agent's report. */
  async function stop(item: Item, graceSeconds: number, message: string): Promise<void> {
    const waits = await item.turn(async () => {
      if (item.state !== 'queued') return false;
      await queue.end(item, { type: 'finished', reason: 'stopped', exitCode: null, message });
      return true;
    });
    if (waits) return;
    // A second request can only shorten the first one's grace.
    item.stopGraceSeconds = Math.min(item.stopGraceSeconds ?? graceSeconds, graceSeconds);
    queue.changed();
  }

  return {
    owner(kind, owner) {
      if (queue.owners.has(kind)) throw new Error(`work of the kind ${kind} has an owner already`);
      queue.owners.set(kind, owner);
    },
    async submit(grant, given) {
      const spec: WorkSpec = { ...given, id: given.id.toLowerCase() };
      check(grant, spec);
      const known = queue.items.get(spec.id)?.spec ?? (await findWork(database.read, spec.id))?.spec;
      if (known !== undefined) {
        if (!sameWork(known, spec)) throw computeFailures.WorkExists();
        return;
      }
      checkPlace(spec);
      number += 1;
      const mine = number;
      const queuedAtMs = clock.epochMs();
      try {
        await database.write((tx) => insertWork(tx, spec, mine, queuedAtMs));
      } catch (thrown) {
        if (!isUniqueViolation(thrown)) throw thrown;
        const other = await findWork(database.read, spec.id);
        if (other === undefined || !sameWork(other.spec, spec)) throw computeFailures.WorkExists();
        return;
      }
      const item = queue.add(spec, 0, queuedAtMs);
      // A cluster that began to leave meanwhile would keep it waiting for ever.
      if (spec.computeId !== undefined && clusters.find(idKey(spec.computeId))?.leaving !== false)
        await stop(item, 0, 'The compute cluster was deleted.');
      queue.changed();
    },
    async cancel(grant, id, graceSeconds) {
      const item = queue.items.get(id.toLowerCase());
      const spec = item?.spec ?? (await findWork(database.read, id.toLowerCase()))?.spec;
      if (spec === undefined) throw computeFailures.WorkNotFound();
      checkReach(grant, spec.workspaceId);
      if (item) await stop(item, Math.max(0, Math.floor(graceSeconds)), 'It was canceled before it began.');
    },
    async state(id) {
      return queue.items.get(id.toLowerCase())?.state ?? (await findWork(database.read, id.toLowerCase()))?.state;
    },
    unsettled: async (kind) => (await unsettledWork(database.read, kind, unsettledMax)).map(({ spec }) => spec),
    address(id) {
      const item = queue.items.get(id.toLowerCase());
      if (item?.session === undefined || !item.ready) return undefined;
      return { socketPath: item.session.socketPath, workId: item.spec.id, key: item.session.key };
    },
    countFrom(last) {
      number = last;
    },
    async clear(clusterId, message) {
      const ofCluster = () =>
        [...queue.items.values()].filter(
          ({ spec }) => spec.computeId !== undefined && sameId(spec.computeId, clusterId),
        );
      for (const item of ofCluster()) await stop(item, 0, message);
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

function sameWork(one: WorkSpec, other: WorkSpec): boolean {
  return (
    one.kind === other.kind &&
    sameId(one.workspaceId, other.workspaceId) &&
    sameId(one.computeId ?? '/', other.computeId ?? '/') &&
    sameId(one.subject, other.subject)
  );
}
