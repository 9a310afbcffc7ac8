// Where a job runs that names no cluster: on one of its workspace that is called `serverless`. An administrator may make it, and
// say how many nodes it has; where there is none, the house makes it when the first such job comes, without a node until then.

import { computesType } from '@strongroom/contract/compute.actions';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import type { Grants } from '#kernel/authority/grant';
import type { Acts } from '#kernel/authority/perform';
import { createTurns } from '#kernel/turns/turns';
import type { Resources } from '#resources';
import { jobsDuties } from './duties.ts';
import { jobsFailures } from './jobs.errors.ts';

/** Azure's word for it, and the name of the cluster. */
export const serverless = 'serverless';

/** The id of the cluster that a job names, or that it gets because it names none. Pure. */
export const clusterOf = (workspaceId: string, computeId: string | undefined): string =>
  isServerless(computeId) ? `${workspaceId}/computes/${serverless}` : String(computeId);

export const isServerless = (computeId: string | undefined): boolean =>
  computeId === undefined || computeId.toLowerCase() === serverless;

export type Serverless = {
  /** Throws `invalid` where this installation makes none by itself. */
  ensure(workspaceId: string): Promise<void>;
};

export function createServerless(deps: {
  readonly resources: Pick<Resources, 'find' | 'get' | 'create'>;
  readonly grants: Pick<Grants, 'duty'>;
  readonly acts: Pick<Acts, 'duty'>;
  /** Nodes of a cluster that is made; 0: none is. */
  readonly nodes: number;
}): Serverless {
  const { resources, grants, acts, nodes } = deps;
  // Who comes while it is made waits for it.
  const turns = createTurns({ keyOf: (id) => id.toLowerCase() });
  return {
    ensure: (workspaceId) =>
      turns(workspaceId, async () => {
        const id = clusterOf(workspaceId, undefined);
        const looking = grants.duty(jobsDuties.lookForCluster, workspaceId);
        if (await resources.find(looking, id)) return;
        if (nodes === 0) throw jobsFailures.NoServerlessCompute();
        const workspace = await resources.get(looking, workspaceId);
        const facts = {
          operation: 'Computes_MakeServerless',
          action: actionsOfType(computesType).write,
          scope: id,
          parameters: { nodes },
        };
        const properties = { computeType: 'AmlCompute', properties: { scaleSettings: { maxNodeCount: nodes } } };
        // An administrator may have made it meanwhile: then it is there.
        await acts.duty(jobsDuties.makeServerless, facts, (grant) =>
          resources.create(grant, id, { location: workspace.location, properties }),
        );
      }),
  };
}
