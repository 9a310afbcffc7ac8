// After a start: which endpoints there are, and what each of their deployments runs, read from every workspace. A workspace
// that does not open (its customer has disabled the key) is tried again until it does; nothing else waits for it.

import type { Grants } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import type { Log } from '#kernel/log/log';
import type { Resource, Resources } from '#resources';
import { type Workspaces, workspaceType } from '#workspaces';
import { type Directory, trafficOf } from './directory.service.ts';
import { endpointsDuties } from './duties.ts';
import type { Fleet } from './fleet.service.ts';
import { deploymentType, endpointType } from './names.rules.ts';
import { planOf, stateOf } from './plan.rules.ts';

type Listed = Pick<Resource, 'id' | 'uniqueId'>;

const againMs = 30_000;
const workspacesMax = 10_000;
const perWorkspaceMax = 10_000;

export function createRestoring(deps: {
  readonly resources: Resources;
  readonly workspaces: Workspaces;
  readonly grants: Grants;
  readonly directory: Directory;
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly log: Log;
}) {
  const { resources, workspaces, grants, directory, fleet, clock, log } = deps;
  const stopping = new AbortController();
  let trying: Promise<void> = Promise.resolve();

  async function restore(workspaceId: string): Promise<void> {
    const grant = grants.duty(endpointsDuties.serve, workspaceId);
    const workspace = await workspaces.get(grant, workspaceId);
    const below = { under: workspace.id, limit: perWorkspaceMax };
    for (const endpoint of await resources.list(grant, { ...below, type: endpointType })) {
      // One that is being made puts itself there when it is done.
      if (endpoint.provisioningState === 'Creating' || directory.byId(endpoint.id) !== undefined) continue;
      directory.put({
        id: endpoint.id,
        name: endpoint.name,
        uniqueId: endpoint.uniqueId,
        workspaceId: workspace.id,
        workspaceUniqueId: workspace.uniqueId,
        hbi: workspace.hbi,
        traffic: trafficOf(endpoint.properties),
        keys: undefined,
      });
    }
    for (const endpoint of await resources.list(grant, { ...below, type: endpointType }))
      for (const deployment of await resources.list(grant, { ...below, under: endpoint.id, type: deploymentType })) {
        const { image } = stateOf(deployment.properties);
        // One that is being removed while this runs would be started again behind its end.
        if (image !== undefined && deployment.provisioningState !== 'Deleting')
          fleet.keep(planOf(deployment, image, workspace));
      }
  }

  /** Those that could not be restored. */
  async function restoreAll(all: readonly Listed[]): Promise<readonly Listed[]> {
    const failed: Listed[] = [];
    for (const workspace of all) {
      try {
        await restore(workspace.id);
      } catch (error) {
        failed.push(workspace);
        const fields = { module: 'endpoints', subject: workspace.uniqueId, error };
        log.warn(fields, 'the endpoints of a workspace are not served yet');
      }
    }
    return failed;
  }

  async function tryOn(failed: readonly Listed[]): Promise<void> {
    let left = failed;
    while (left.length > 0) {
      await clock.sleep(againMs, stopping.signal);
      const grant = grants.duty(endpointsDuties.findWorkspaces, '/');
      const there = await resources.list(grant, { type: workspaceType, under: '/', limit: workspacesMax });
      left = await restoreAll(there.filter(({ uniqueId }) => left.some((each) => each.uniqueId === uniqueId)));
    }
  }

  return {
    async start(): Promise<void> {
      const grant = grants.duty(endpointsDuties.findWorkspaces, '/');
      const all = await resources.list(grant, { type: workspaceType, under: '/', limit: workspacesMax });
      const left = await restoreAll(all);
      trying = tryOn(left).catch((error: unknown) => {
        if (!stopping.signal.aborted) log.error({ module: 'endpoints', error }, 'restoring endpoints has ended');
      });
    },
    async stop(): Promise<void> {
      stopping.abort();
      await trying;
    },
  };
}
