// What a run's own token may touch here: its run, its artifacts, and the experiment that it belongs to, whatever its roles
// and its list of actions say. Everything else of the workspace is refused, and refused alike whether it exists or not, so
// that code inside a job can neither change nor enumerate other people's runs.

import type { Grant } from '#kernel/authority/grant';
import { sameId } from '#kernel/ids/ids';
import { denied } from './errors.ts';

const elsewhere = 'The token of a run reaches only that run, its artifacts and its experiment.';

/** The one run that the caller may touch; undefined for callers without bounds. */
export function onlyRun(grant: Grant, workspaceId: string): string | undefined {
  const { within } = grant;
  if (within === undefined) return undefined;
  if (!sameId(within.workspaceId, workspaceId)) throw denied(elsewhere);
  return within.runId;
}

export function requireRunWithin(grant: Grant, workspaceId: string, runId: string): void {
  const only = onlyRun(grant, workspaceId);
  if (only !== undefined && only !== runId) throw denied(elsewhere);
}

/** For what is nobody's single run: making runs and experiments, changing or deleting experiments. */
export function requireUnbounded(grant: Grant): void {
  if (grant.within !== undefined) throw denied(elsewhere);
}

/** @param experimentOfRun the experiment of the token's own run, as stored */
export function requireExperimentWithin(grant: Grant, experimentId: string, experimentOfRun: string | undefined): void {
  if (grant.within !== undefined && experimentId !== experimentOfRun) throw denied(elsewhere);
}
