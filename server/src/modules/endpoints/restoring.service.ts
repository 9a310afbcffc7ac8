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
    const endpoints = { under: workspace.id, type: endpointType };
    for await (const endpoint of resources.each(grant, endpoints)) {
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
    for await (const endpoint of resources.each(grant, endpoints))
      for await (const deployment of resources.each(grant, { under: endpoint.id, type: deploymentType })) {
        const { image } = stateOf(deployment.properties);
        // One that is being removed while this runs would be started again behind its end.
        if (image !== undefined && deployment.provisioningState !== 'Deleting')
          fleet.keep(planOf(deployment, image, workspace));
      }
  }

  /** Those that could not be restored. */
  async function restoreAll(isWanted: (one: Listed) => boolean): Promise<readonly Listed[]> {
    const failed: Listed[] = [];
    const grant = grants.duty(endpointsDuties.findWorkspaces, '/');
    for await (const workspace of resources.each(grant, { type: workspaceType, under: '/' })) {
      if (!isWanted(workspace)) continue;
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
    let left = new Set(failed.map(({ uniqueId }) => uniqueId));
    while (left.size > 0) {
      await clock.sleep(againMs, stopping.signal);
      const again = await restoreAll(({ uniqueId }) => left.has(uniqueId));
      left = new Set(again.map(({ uniqueId }) => uniqueId));
    }
  }

  return {
    async start(): Promise<void> {
      const left = await restoreAll(() => true);
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
