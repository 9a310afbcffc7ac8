// Actors that carry their whole authority with them: a run, and an agent. What the token lists is all there is; role
// assignments neither add to it nor take from it. A run may do its listed actions within its workspace, and read its inputs.

import type { Actor } from '#kernel/authority/actor';
import type { Action } from '#kernel/authority/grant';
import { idKey, isWithin } from '#kernel/ids/ids';
import type { Verdict } from './verdict.ts';

/** Runs and agents always, and whoever else carries bounds: a bound is never ignored. */
export function isBounded(actor: Actor): boolean {
  return actor.kind === 'run' || actor.kind === 'agent' || actor.bounds !== undefined;
}

const refused: Verdict = { allowed: false, why: 'outsideBounds' };

export function decideWithinBounds(actor: Actor, action: Action, scope: string): Verdict {
  const { bounds } = actor;
  if (!bounds) return refused;
  const name = action.name.toLowerCase();
  const lists = bounds.actions.some((listed) => listed.toLowerCase() === name);
  if (lists && covers(bounds.workspaceId, scope)) {
    return { allowed: true, because: { by: 'bounds', reason: `${actor.kind} token of ${bounds.runId}` } };
  }
  if (name.endsWith('/read') && bounds.inputs.some((input) => covers(input, scope))) {
    return { allowed: true, because: { by: 'bounds', reason: `input of ${bounds.runId}` } };
  }
  return refused;
}

/** Fails closed: an empty id in a token would be the root, and cover everything. */
function covers(outer: string, scope: string): boolean {
  return idKey(outer) !== '/' && outer.startsWith('/') && isWithin(scope, outer);
}
