// A role definition, compiled: what it grants is its actions less its notActions, on each plane by itself. The planes never
// mix: `actions: *` opens no blob and no secret. Answers are remembered by action, because routes ask for the same few.

import { namedOnly } from '@strongroom/contract/actions';
import type { Action, Plane } from '#kernel/authority/grant';
import { compileExclusion, compilePattern, type Matcher } from './pattern.rules.ts';

export type Permission = {
  readonly actions: readonly string[];
  readonly notActions: readonly string[];
  readonly dataActions: readonly string[];
  readonly notDataActions: readonly string[];
};

export type RoleDefinition = {
  /** GUID in lower case. */
  readonly id: string;
  readonly roleName: string;
  readonly description: string;
  readonly type: 'BuiltInRole' | 'CustomRole';
  readonly permissions: readonly Permission[];
  /** `['/']` for built-in roles: assignable anywhere. */
  readonly assignableScopes: readonly string[];
  readonly createdOn: string;
  readonly updatedOn: string;
  readonly createdBy: string | null;
  readonly updatedBy: string | null;
};

export type Role = {
  readonly definition: RoleDefinition;
  readonly allows: (action: Action) => boolean;
};

/** More different actions than the server has; beyond it the memory starts anew, so that `explain` cannot fill it. */
const rememberedMax = 2_048;

export function compileRole(definition: RoleDefinition): Role {
  const control = definition.permissions.map((block) => compileSide(block.actions, block.notActions));
  const data = definition.permissions.map((block) => compileSide(block.dataActions, block.notDataActions));
  return { definition, allows: createMemory({ control, data }) };
}

function compileSide(granted: readonly string[], withheld: readonly string[]): Matcher {
  const grants = granted.map(compilePattern);
  // Some actions a role holds only where it names them: whoever wrote `*` did not think of dropping evidence.
  const names = granted.filter((pattern) => !pattern.includes('*')).map(compilePattern);
  const withholds = withheld.map(compileExclusion);
  return (action) =>
    (namedOnly.has(action) ? names : grants).some((matches) => matches(action)) &&
    !withholds.some((matches) => matches(action));
}

function createMemory(sides: Readonly<Record<Plane, readonly Matcher[]>>): Role['allows'] {
  const remembered = { control: new Map<string, boolean>(), data: new Map<string, boolean>() };
  return ({ name, plane }) => {
    const memory = remembered[plane];
    const known = memory.get(name);
    if (known !== undefined) return known;
    const lower = name.toLowerCase();
    const allowed = sides[plane].some((matches) => matches(lower));
    if (memory.size >= rememberedMax) memory.clear();
    memory.set(name, allowed);
    return allowed;
  };
}
