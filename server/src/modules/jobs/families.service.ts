// Jobs that belong to other jobs. A parent keeps the names of its children, in the order in which they came, so that whoever
// has the parent reaches them without a search; a child names its parent. There is one way in, and it is bounded.

import { jobsActions } from '@strongroom/contract/jobs.actions';
import { isOnBehalf } from '#kernel/authority/actor';
import type { Action, Grant, Grants } from '#kernel/authority/grant';
import { sameId } from '#kernel/ids/ids';
import type { Resource, Resources } from '#resources';
import { isOver } from './ending.service.ts';
import { type JobRecords, siblingId, stateOf } from './job-state.service.ts';
import { jobsFailures } from './jobs.errors.ts';
import type { ParentTypes } from './parents.port.ts';

/** As many as the trials of the largest sweep. */
export const childrenMax = 1_000;

export type Families = {
  /** Throws unless the job may come to be a child of the one that it names. */
  checkParent(grant: Grant, jobId: string, parentJobName: string): Promise<void>;
  /** The parent knows the child from here on. Idempotent. Throws `conflict` when it takes none any more. */
  join(jobId: string, parentJobName: string): Promise<void>;
  /** The child is gone. */
  leave(jobId: string, parentJobName: string): Promise<void>;
  /** Those that are there, in the order in which they came. */
  childrenOf(parent: Resource): Promise<readonly Resource[]>;
  /** Those, and theirs, and so on. */
  allBelow(parent: Resource): Promise<readonly Resource[]>;
  /** Removes an ended parent's children, each by the caller's own right: decided for all of them before one goes. */
  removeChildren(grant: Grant, parent: Resource, remove: Action): Promise<void>;
};

export function createFamilies(deps: {
  readonly records: JobRecords;
  readonly resources: Pick<Resources, 'remove'>;
  readonly grants: Pick<Grants, 'also'>;
  readonly parents: Pick<ParentTypes, 'isMaking'>;
}): Families {
  const { records, grants } = deps;

  async function childrenOf(parent: Resource): Promise<readonly Resource[]> {
    const found: Resource[] = [];
    for (const name of stateOf(parent).children ?? []) {
      const child = await records.find(siblingId(parent.id, name));
      // A name that somebody took for a job of his own, after the child was removed, is no child.
      if (child !== undefined && sameId(siblingId(child.id, stateOf(child).parentJobName ?? ''), parent.id))
        found.push(child);
    }
    return found;
  }

  async function allBelow(parent: Resource): Promise<readonly Resource[]> {
    const below: Resource[] = [];
    for (const child of await childrenOf(parent)) below.push(child, ...(await allBelow(child)));
    return below;
  }

  return {
    childrenOf,
    allBelow,
    async checkParent(grant, jobId, parentJobName) {
      const parentId = siblingId(jobId, parentJobName);
      // Others act in somebody's name too (a schedule); only who makes this very child is its parent.
      const isMadeByParent = isOnBehalf(grant.actor) && deps.parents.isMaking(jobId);
      // Its cancellation reaches the child, and its removal too: whoever adds one changes it.
      if (!isMadeByParent) grants.also(grant, jobsActions.write, parentId);
      const parent = await records.find(parentId);
      if (parent === undefined) throw jobsFailures.ParentNotFound(parentJobName);
      if (isMadeByParent) return;
      const { jobType, parentJobName: grandparent } = stateOf(parent);
      if (jobType !== 'Command') throw jobsFailures.ParentMakesItsOwn(parentJobName, jobType);
      if (grandparent !== undefined) throw jobsFailures.ParentIsChild(parentJobName, grandparent);
    },
    async join(jobId, parentJobName) {
      const name = jobId.slice(jobId.lastIndexOf('/') + 1);
      let refused: 'over' | 'full' | undefined;
      const parent = await records.change(siblingId(jobId, parentJobName), (state) => {
        const { children = [] } = state;
        if (children.includes(name)) return {};
        refused = isOver(state) || state.status === 'CancelRequested' ? 'over' : undefined;
        if (children.length >= childrenMax) refused ??= 'full';
        return refused === undefined ? { children: [...children, name] } : {};
      });
      if (parent === undefined || refused === 'over') throw jobsFailures.ParentEnded(parentJobName);
      if (refused === 'full') throw jobsFailures.TooManyChildren(parentJobName, childrenMax);
    },
    async leave(jobId, parentJobName) {
      const name = jobId.slice(jobId.lastIndexOf('/') + 1);
      await records.change(siblingId(jobId, parentJobName), ({ children }) =>
        children?.includes(name) ? { children: children.filter((child) => child !== name) } : {},
      );
    },
    async removeChildren(grant, parent, remove) {
      for (const { id } of await allBelow(parent)) grants.also(grant, remove, id);
      for (const child of await childrenOf(parent)) await deps.resources.remove(grant, child.id);
    },
  };
}
