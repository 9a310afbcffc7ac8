// Removes the records of scoring requests that are older than the workspace's insights component says. A workspace that does
// not open keeps what it has until it does.

import type { Grants } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import type { Log } from '#kernel/log/log';
import type { ScoringRecords } from '#monitoring';
import type { Resource, Resources } from '#resources';
import { type Workspaces, workspaceType } from '#workspaces';

const retentionDaysDefault = 90;
const dayMs = 24 * 60 * 60 * 1000;
const workspacesMax = 10_000;

/** Answers what does it for every workspace; for a periodic task, a few times a day. */
export function createRetention(deps: {
  readonly resources: Resources;
  readonly workspaces: Workspaces;
  readonly grants: Grants;
  readonly scoring: ScoringRecords;
  readonly clock: Clock;
  readonly log: Log;
}): (signal: AbortSignal) => Promise<void> {
  const { resources, workspaces, grants, scoring, clock, log } = deps;

  async function prune({ id, uniqueId }: Resource, signal: AbortSignal): Promise<void> {
    const grant = grants.system('remove records of scoring requests that are too old');
    const { applicationInsights } = await workspaces.get(grant, id);
    const component = await resources.find(grant, applicationInsights);
    // Checked by the schema of the component.
    const days = (component?.properties['RetentionInDays'] as number | undefined) ?? retentionDaysDefault;
    const database = await workspaces.database(grant, id);
    const count = await scoring.prune(database, new Date(clock.epochMs() - days * dayMs), signal);
    if (count > 0) log.info({ module: 'endpoints', subject: uniqueId, count }, 'old scoring requests were removed');
  }

  return async (signal) => {
    const grant = grants.system('which workspaces have records of scoring requests');
    const all = await resources.list(grant, { type: workspaceType, under: '/', limit: workspacesMax });
    for (const workspace of all) {
      if (signal.aborted) return;
      await prune(workspace, signal).catch((error: unknown) =>
        log.debug({ module: 'endpoints', subject: workspace.uniqueId, error }, 'old scoring requests were not removed'),
      );
    }
  };
}
