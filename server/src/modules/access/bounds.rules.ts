// What bounds decide. They come before roles, so that no assignment can widen a token; where roles are needed
// besides, they are asked afterwards.

import type { Actor } from '#kernel/authority/actor';
import { type BoundsRule, type Circumstances, ruleFor } from '#kernel/authority/bounds';
import type { Action } from '#kernel/authority/grant';
import type { Verdict } from './verdict.types.ts';

const refused: Verdict = { allowed: false, why: 'outsideBounds' };

/** Undefined: within the bounds, and it is the roles that decide. */
export function decideWithinBounds(
  { bounds }: Actor,
  action: Action,
  scope: string,
  at: Circumstances,
): Verdict | undefined {
  const rule = bounds && ruleFor(bounds, action.name, scope, at);
  if (bounds === undefined || rule === undefined) return refused;
  return bounds.roles === 'needed' ? undefined : allowedBy(rule);
}

const allowedBy = ({ reason }: BoundsRule): Verdict => ({ allowed: true, because: { by: 'bounds', reason } });
