// The jobs that a job is made of, made in the name of who submitted it: his rights are decided anew for each, and each is
// recorded as his. A child bears a name that follows from its parent's, so that making it twice makes it once.

import { jobsActions } from '@strongroom/contract/jobs.actions';
import { isEnd, type JobLives, siblingId, stateOf } from '#jobs';
import type { Acts } from '#kernel/authority/perform';
import { Failure, passesBy } from '#kernel/errors/failure';
import type { Room } from '#kernel/files/room';
import { idKey } from '#kernel/ids/ids';
import type { Resource, Resources } from '#resources';
import type { Closing } from './closing.types.ts';

/** `later`: nothing is wrong with it, and there is no room for it now. `gone`: it was made before, and somebody removed it. */
export type Made = { readonly job: Resource } | 'later' | 'gone' | { readonly refused: Closing };

export type Children = {
  /** The job of this name, if it is the parent's own and was made whole. */
  find(parent: Resource, name: string): Promise<Resource | undefined>;
  make(parent: Resource, name: string, properties: object): Promise<Made>;
  /** Whether it stands in another one that is made of others, and was made by it. */
  isWithin(job: Resource): Promise<boolean>;
  /** Whether a job of this id is being made here, at this moment. */
  isMaking(jobId: string): boolean;
  /** Asks all of these to end that have not. True: none is under way any more. */
  endAll(children: readonly Resource[]): Promise<boolean>;
};

export function createChildren(deps: {
  readonly resources: Pick<Resources, 'create' | 'put'>;
  readonly lives: JobLives;
  readonly acts: Pick<Acts, 'onBehalf'>;
  readonly room: Pick<Room, 'state'> | undefined;
}): Children {
  const { resources, lives, acts, room } = deps;
  /** By their keys: one look at a time for each parent, so that each is here once. */
  const making = new Set<string>();
  return {
    async isWithin(job) {
      const { parentJobName } = stateOf(job);
      const parent = parentJobName === undefined ? undefined : await lives.find(siblingId(job.id, parentJobName));
      return parent !== undefined && stateOf(parent).flow !== undefined;
    },
    isMaking: (jobId) => making.has(idKey(jobId)),
    async find(parent, name) {
      const found = await lives.find(siblingId(parent.id, name));
      return found !== undefined && isWhole(found) && isOf(parent, found) ? found : undefined;
    },
    async make(parent, name, properties) {
      const id = siblingId(parent.id, name);
      const there = await lives.find(id);
      if (there !== undefined && (isWhole(there) || !isOf(parent, there))) return adopted(parent, there);
      if (parent.creator === undefined || !(await lives.isBacked(parent))) return { refused: { status: 'Canceled' } };
      if (room !== undefined && room.state() !== 'enough') return 'later';
      const facts = {
        operation: 'Jobs_CreateOrUpdate',
        action: jobsActions.write,
        scope: id,
        parameters: { 'properties.parentJobName': parent.name },
        reason: `submitted ${parent.name}`,
      };
      making.add(idKey(id));
      try {
        const draft = { properties: { ...properties } };
        // What a crash left half made is made again, as what it was.
        const job = await acts.onBehalf(parent.creator, facts, (grant) =>
          there === undefined ? resources.create(grant, id, draft) : resources.put(grant, id, draft),
        );
        if (job !== undefined) return { job };
        const other = await lives.find(id);
        return other === undefined ? 'later' : adopted(parent, other);
      } catch (thrown) {
        if (!(thrown instanceof Failure)) throw thrown;
        if (thrown.code === 'JobNameUsed') return 'gone';
        if (passesBy(thrown)) return 'later';
        const message = `'${name}' could not be submitted in the name of ${parent.creator.name}: ${thrown.message}`;
        return { refused: { status: 'Failed', error: { code: thrown.code, message } } };
      } finally {
        making.delete(idKey(id));
      }
    },
    async endAll(children) {
      let isQuiet = true;
      for (const child of children) {
        const { status } = stateOf(child);
        if (isEnd(status)) continue;
        isQuiet = false;
        if (status !== 'CancelRequested') await lives.cancel(child);
      }
      return isQuiet;
    },
  };
}

/** Not one whose making a crash broke off. */
const isWhole = ({ provisioningState }: Resource): boolean => provisioningState !== 'Failed';

/** Nobody else makes a job the child of one that makes its own. */
const isOf = (parent: Resource, job: Resource): boolean => stateOf(job).parentJobName === parent.name;

/** One of this name that is ours is the child; somebody else's is in the way. */
function adopted(parent: Resource, there: Resource): Made {
  if (isOf(parent, there)) return { job: there };
  const message = `There is a job '${there.name}' already that is another one's, so the child of that name could not be made.`;
  return { refused: { status: 'Failed', error: { code: 'JobNameUsed', message } } };
}
