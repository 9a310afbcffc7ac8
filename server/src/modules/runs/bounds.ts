// What a run's own token may touch here: its run, its artifacts, and the experiment that it belongs to, whatever its roles
// and its list of actions say. Everything else of the workspace is refused, and refused alike whether it exists or not, so
// that code inside a job can neither change nor enumerate other people's runs.

import type { BoundsRule } from '#kernel/authority/bounds';
import type { Grant } from '#kernel/authority/grant';
import { idKey } from '#kernel/ids/ids';
import { denied } from './errors.ts';

const elsewhere = 'The token of a run reaches only that run, its artifacts and its experiment.';

/** The ids of runs tell case apart, and ids of resources do not. No id of a run holds a tilde. */
const written = (runId: string) => runId.replace(/[A-Z]/g, (letter) => `~${letter.toLowerCase()}`);
const read = (segment: string) => segment.replace(/~([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** The ids that are decided on. */
export const runScope = (workspaceId: string, runId: string): string => `${workspaceId}/runs/${written(runId)}`;
export const experimentScope = (workspaceId: string, experimentId: string): string =>
  `${workspaceId}/experiments/${experimentId}`;

/** Rules of the bounds of one run's token. */
export function rulesOfRun(of: {
  readonly workspaceId: string;
  readonly runId: string;
  readonly experimentId: string | undefined;
  readonly actions: readonly string[];
}): readonly BoundsRule[] {
  const { workspaceId, runId, experimentId, actions } = of;
  const reason = `token of the run ${runId}`;
  return [
    { scope: runScope(workspaceId, runId), actions, reason },
    ...(experimentId ? [{ scope: experimentScope(workspaceId, experimentId), actions, reason }] : []),
    // Its routes decide on the workspace, and the services below on the run.
    { scope: workspaceId, actions, reason },
  ];
}

function namedBelow({ within }: Grant, workspaceId: string, collection: string): string | undefined {
  const above = `${idKey(workspaceId)}/${collection}/`;
  const rule = within?.rules.find(({ scope }) => idKey(scope).startsWith(above));
  return rule && read(rule.scope.slice(rule.scope.lastIndexOf('/') + 1));
}

/** The one run that the caller may touch; undefined for callers without bounds. */
export function onlyRun(grant: Grant, workspaceId: string): string | undefined {
  if (grant.within === undefined) return undefined;
  const run = namedBelow(grant, workspaceId, 'runs');
  if (run === undefined) throw denied(elsewhere);
  return run;
}

/** The experiment that the caller's bounds name. */
export const onlyExperiment = (grant: Grant, workspaceId: string): string | undefined =>
  namedBelow(grant, workspaceId, 'experiments');

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
