// What the caller itself may do at a scope, as blocks of patterns: portals and command lines ask before they offer a button.

import type { Actor } from '#kernel/authority/actor';
import { conditionsHold } from './conditions.rules.ts';
import type { Evaluator } from './evaluator.service.ts';
import type { Permission } from './role.rules.ts';

export function permissionsOf(
  evaluator: Pick<Evaluator, 'applicable'>,
  actor: Actor,
  scope: string,
  address: string | undefined,
  nowMs: number,
): readonly Permission[] {
  const blocks = evaluator
    .applicable(actor, scope)
    .filter(({ assignment: { expiresAtMs } }) => expiresAtMs === undefined || expiresAtMs > nowMs)
    .filter(({ assignment: { conditions } }) => !conditions || conditionsHold(conditions, actor, address))
    .flatMap(({ role }) => role.definition.permissions);
  return [...new Set(blocks)];
}
