// Removes the records of scoring requests that are older than the workspace's insights component says. A workspace that does
// not open keeps what it has until it does.

import { actionsOfType } from '@strongroom/contract/resources.actions';
import type { Grants } from '#kernel/authority/grant';
import type { Acts } from '#kernel/authority/perform';
import type { Clock } from '#kernel/clock/clock';
import type { Log } from '#kernel/log/log';
import type { ScoringRecords } from '#monitoring';
import type { Resource, Resources } from '#resources';
import { type Workspaces, workspaceType } from '#workspaces';
import { endpointsDuties } from './duties.ts';

const retentionDaysDefault = 90;
const dayMs = 24 * 60 * 60 * 1000;

/** Answers what does it for every workspace; for a periodic task, a few times a day. */
export function createRetention(deps: {
  readonly resources: Resources;
  readonly workspaces: Workspaces;
  readonly grants: Pick<Grants, 'duty'>;
  readonly acts: Pick<Acts, 'duty'>;
  readonly scoring: ScoringRecords;
  readonly clock: Clock;
  readonly log: Log;
}): (signal: AbortSignal) => Promise<void> {
  const { resources, workspaces, grants, acts, scoring, clock, log } = deps;

  async function prune({ id, uniqueId }: Resource, signal: AbortSignal): Promise<void> {
    const grant = grants.duty(endpointsDuties.serve, id);
    const { applicationInsights } = await workspaces.get(grant, id);
    const component = await resources.find(
      grants.duty(endpointsDuties.lookUpRetention, applicationInsights),
      applicationInsights,
    );
    // Checked by the schema of the component.
    const days = (component?.properties['RetentionInDays'] as number | undefined) ?? retentionDaysDefault;
    const database = await workspaces.database(grant, id);
    const before = new Date(clock.epochMs() - days * dayMs);
    if (!(await scoring.hasBefore(database, before))) return;
    const facts = {
      operation: 'ScoringRecords_Forget',
      action: actionsOfType(workspaceType).read,
      scope: id,
      parameters: { before: before.toISOString(), days },
    };
    const count = await acts.duty(endpointsDuties.forgetScoring, facts, () => scoring.prune(database, before, signal));
    if (count > 0) log.info({ module: 'endpoints', subject: uniqueId, count }, 'old scoring requests were removed');
  }

  return async (signal) => {
    const grant = grants.duty(endpointsDuties.findWorkspaces, '/');
    for await (const workspace of resources.each(grant, { type: workspaceType, under: '/' })) {
      if (signal.aborted) return;
      await prune(workspace, signal).catch((error: unknown) =>
        log.debug({ module: 'endpoints', subject: workspace.uniqueId, error }, 'old scoring requests were not removed'),
      );
    }
  };
}
