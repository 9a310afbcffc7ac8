// What a run's own token may touch here: its run, its artifacts, and the experiment that it belongs to. Everything else of the
// workspace is refused, and refused alike whether it exists or not, so that code inside a job can neither change nor enumerate
// other people's runs. Each route states which of these it is about, and the door holds the caller to it; a service shows what
// its grant reaches.

import { isBounded } from '#kernel/authority/actor';
import type { BoundsRule } from '#kernel/authority/bounds';
import type { Grant } from '#kernel/authority/grant';
import { own, type RouteBounds, unbounded } from '#kernel/http/route';
import { idKey, isWithin } from '#kernel/ids/ids';
import { denied } from './runs.errors.ts';
import { workspaceIdOf } from './surface.ts';

export const elsewhere = 'The token of a run reaches only that run, its artifacts and its experiment.';

/** The ids of runs tell case apart, and ids of resources do not. No id of a run holds a tilde. */
const written = (runId: string) => runId.replace(/[A-Z]/g, (letter) => `~${letter.toLowerCase()}`);
const read = (segment: string) => segment.replace(/~([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** The ids that are decided on. What a run or an experiment holds is decided on as it is. */
export const runScope = (workspaceId: string, runId: string): string => `${workspaceId}/runs/${written(runId)}`;
export const experimentScope = (workspaceId: string, experimentId: string | number): string =>
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
  ];
}

/** Lists show a run's token its own run and what is of it. */
export const ownRun: RouteBounds = own((params) => `${workspaceIdOf(params)}/runs`);
export const ownExperiment: RouteBounds = own((params) => `${workspaceIdOf(params)}/experiments`);
/** What is nobody's single run: making runs and experiments, changing or deleting them, the registry of models. */
export const nobodysRun: RouteBounds = unbounded(elsewhere);

const named = ({ scope }: Grant, workspaceId: string, collection: string): string | undefined => {
  const above = `${idKey(workspaceId)}/${collection}/`;
  return idKey(scope).startsWith(above) ? scope.slice(scope.lastIndexOf('/') + 1) : undefined;
};

/** The one run that the grant is for; undefined: it reaches all of them. */
export function onlyRun(grant: Grant, workspaceId: string): string | undefined {
  const segment = named(grant, workspaceId, 'runs');
  return segment === undefined ? undefined : read(segment);
}
export const onlyExperiment = (grant: Grant, workspaceId: string): string | undefined =>
  named(grant, workspaceId, 'experiments');

/** For callers in process, who came by no route of this module. Throws `forbidden` where bounds do not reach the scope. */
export function requireReach(grant: Grant, scope: string): void {
  if (isBounded(grant.actor) && !isWithin(scope, grant.scope)) throw denied(elsewhere);
}
