// Role definitions: the built-in ones as they are, custom ones as their authors write them. A custom role reaches only as
// far as its assignable scopes, and whoever writes it needs the right to at each of them. Changing a role that is assigned
// changes what people may do, so it also needs the right to grant: otherwise writing roles would be a way around granting.

import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { accessActions } from '@strongroom/contract/access.actions';
import type { Action, Grant, Grants } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import type { Database } from '#kernel/database/database';
import { idKey, isWithin } from '#kernel/ids/ids';
import type { Turn } from '#kernel/turns/turns';
import { accessFailures, roleFailures } from './access.errors.ts';
import * as store from './definitions.store.ts';
import type { Evaluator } from './evaluator.service.ts';
import { notUnderstood, parseFilter } from './filter.rules.ts';
import { isPattern } from './pattern.rules.ts';
import type { Permission, RoleDefinition } from './role.rules.ts';
import { checkedScope, roleIdOf } from './scope.rules.ts';
import { createSpelling } from './spelling.rules.ts';

/** Azure's limit of custom roles. */
export const definitionsMax = 5_000;
/** Over all its lists. Every decision about who has the role asks them. */
export const patternsMax = 2_000;
const patternsAtOnce = 8;

export type DefinitionDraft = {
  readonly roleName: string;
  readonly description: string;
  readonly permissions: readonly Permission[];
  readonly assignableScopes: readonly string[];
};

export type Definitions = ReturnType<typeof createDefinitions>;

export function createDefinitions(options: {
  readonly database: Database;
  readonly clock: Clock;
  readonly evaluator: Evaluator;
  readonly grants: Pick<Grants, 'mayAlso'>;
  readonly serially: Turn;
  readonly catalogue: readonly Action[];
}) {
  const { database, clock, evaluator, grants, serially, catalogue } = options;
  const misspelled = createSpelling(catalogue);

  /**
   * Built-in roles are the program's and known to everybody. A custom one shows at scopes where it can be assigned (and,
   * if asked, above them), to whom may read definitions there.
   */
  function shows(grant: Grant, definition: RoleDefinition, below: boolean): boolean {
    if (definition.type === 'BuiltInRole') return true;
    const { scope, visibility } = grant;
    const { assignableScopes } = definition;
    const related = assignableScopes.some((at) => isWithin(scope, at) || (below && isWithin(at, scope)));
    return related && (visibility === undefined || visibility.all || assignableScopes.some(visibility.sees));
  }

  /** Throws RoleDefinitionDoesNotExist. */
  function get(grant: Grant, id: string): RoleDefinition {
    const definition = evaluator.role(roleIdOf(id))?.definition;
    if (!definition || !shows(grant, definition, atRoot(grant))) throw roleFailures.definitionNotFound(id);
    return definition;
  }

  function list(grant: Grant, filter: string | undefined): readonly RoleDefinition[] {
    let below = atRoot(grant);
    const tests: ((definition: RoleDefinition) => boolean)[] = [];
    for (const clause of parseFilter(filter)) {
      const wanted = clause.kind === 'equals' ? clause.value.toLowerCase() : undefined;
      if (wanted !== undefined && clause.name === 'rolename')
        tests.push((each) => store.nameKey(each.roleName) === wanted);
      else if (wanted !== undefined && clause.name === 'type') tests.push((each) => each.type.toLowerCase() === wanted);
      else if (clause.kind === 'call' && clause.name === 'atscopeandbelow') below = true;
      else throw notUnderstood(filter ?? '');
    }
    return evaluator
      .roles()
      .map((role) => role.definition)
      .filter((definition) => shows(grant, definition, below) && tests.every((test) => test(definition)));
  }

  /** Creates or replaces a custom role. */
  async function put(grant: Grant, id: string, draft: DefinitionDraft): Promise<RoleDefinition> {
    const roleId = roleIdOf(id);
    const checked = { ...draft, assignableScopes: checkedScopes(draft.assignableScopes) };
    checkPatterns(checked.permissions);
    requireEverywhere(grant, accessActions.writeRoleDefinitions, checked.assignableScopes);
    await checkSpelling(checked.permissions);
    return serially(async () => {
      const before = existing(roleId);
      // Who may write the role here may not therefore write it where it was assignable until now.
      if (before) requireEverywhere(grant, accessActions.writeRoleDefinitions, before.assignableScopes);
      checkNameIsFree(roleId, checked.roleName);
      checkAssigned(grant, roleId, before, checked);
      if (!before && evaluator.roles().filter((role) => role.definition.type === 'CustomRole').length >= definitionsMax)
        throw accessFailures.RoleDefinitionLimitExceeded(definitionsMax);
      const now = clock.now().toISOString();
      const definition: RoleDefinition = {
        ...checked,
        id: roleId,
        type: 'CustomRole',
        createdOn: before?.createdOn ?? now,
        createdBy: before?.createdBy ?? grant.actor.objectId,
        updatedOn: now,
        updatedBy: grant.actor.objectId,
      };
      await database.write((tx) => store.put(tx, definition));
      evaluator.putRole(definition);
      return definition;
    });
  }

  async function checkSpelling(permissions: readonly Permission[]): Promise<void> {
    let looked = 0;
    for (const side of ['actions', 'notActions', 'dataActions', 'notDataActions'] as const) {
      const plane = side === 'actions' || side === 'notActions' ? 'control' : 'data';
      for (const pattern of permissions.flatMap((block) => block[side])) {
        // Each is held against thousands of names: others get their turn in between.
        if (++looked % patternsAtOnce === 0) await yieldToEventLoop();
        const wrong = misspelled(pattern, plane, side.startsWith('not'));
        if (wrong) throw accessFailures.InvalidActionOrNotAction(side, pattern, wrong);
      }
    }
  }

  /** The custom role of that id, if there is one. Throws for a built-in one. */
  function existing(roleId: string): RoleDefinition | undefined {
    const definition = evaluator.role(roleId)?.definition;
    if (definition?.type === 'BuiltInRole') throw accessFailures.RoleDefinitionUpdateNotPermitted(definition.roleName);
    return definition;
  }

  function requireEverywhere(grant: Grant, action: Action, scopes: readonly string[]): void {
    const missing = scopes.filter((scope) => !grants.mayAlso(grant, action, scope));
    if (missing.length > 0) throw accessFailures.LinkedAuthorizationFailed(grant.actor, action.name, missing);
  }

  function checkNameIsFree(roleId: string, roleName: string): void {
    const taken = evaluator
      .roles()
      .some(
        ({ definition }) => definition.id !== roleId && store.nameKey(definition.roleName) === store.nameKey(roleName),
      );
    if (taken) throw accessFailures.RoleDefinitionWithSameNameExists(roleName);
  }

  function checkAssigned(
    grant: Grant,
    roleId: string,
    before: RoleDefinition | undefined,
    after: DefinitionDraft,
  ): void {
    const scopes = assignedScopes(roleId);
    const outside = scopes.find((scope) => !after.assignableScopes.some((at) => isWithin(scope, at)));
    if (outside !== undefined) throw accessFailures.assignedOutside(outside);
    if (JSON.stringify(before?.permissions) !== JSON.stringify(after.permissions))
      requireEverywhere(grant, accessActions.writeRoleAssignments, scopes);
  }

  const assignedScopes = (roleId: string): readonly string[] => [
    ...new Set([...evaluator.assignments()].filter((each) => each.roleId === roleId).map((each) => each.scope)),
  ];

  /** Answers what it was; undefined if there is none. Throws while it is assigned. */
  async function remove(grant: Grant, id: string): Promise<RoleDefinition | undefined> {
    const roleId = roleIdOf(id);
    return serially(async () => {
      const before = existing(roleId);
      if (!before) return undefined;
      requireEverywhere(grant, accessActions.deleteRoleDefinitions, before.assignableScopes);
      const scopes = assignedScopes(roleId);
      if (scopes.length > 0) throw accessFailures.RoleDefinitionHasAssignments(before.roleName, scopes);
      await database.write((tx) => store.remove(tx, roleId));
      evaluator.removeRole(roleId);
      return before;
    });
  }

  return { get, list, put, remove };
}

const atRoot = (grant: Grant): boolean => idKey(grant.scope) === '/';

function checkedScopes(scopes: readonly string[]): readonly string[] {
  return scopes.map((scope) => {
    const checked = checkedScope(scope);
    if (!/^\/subscriptions\/[^/]/i.test(checked))
      throw accessFailures.InvalidRequestContent(
        'properties.assignableScopes',
        `'${scope.slice(0, 200)}' cannot be an assignable scope of a custom role. Name subscriptions, resource groups or resources.`,
      );
    return checked;
  });
}

function checkPatterns(permissions: readonly Permission[]): void {
  const count = permissions.reduce(
    (sum, { actions, notActions, dataActions, notDataActions }) =>
      sum + actions.length + notActions.length + dataActions.length + notDataActions.length,
    0,
  );
  if (count > patternsMax)
    throw accessFailures.InvalidRequestContent(
      'properties.permissions',
      `The permissions hold ${count} actions and patterns; a role has at most ${patternsMax}. Write patterns, or several roles.`,
    );
  for (const side of ['actions', 'notActions', 'dataActions', 'notDataActions'] as const) {
    const wrong = permissions.flatMap((block) => block[side]).find((pattern) => !isPattern(pattern));
    if (wrong !== undefined)
      throw accessFailures.InvalidRequestContent(
        `properties.permissions.${side}`,
        `'${wrong.slice(0, 200)}' is not an action or a pattern of actions. Write letters, digits, '.', '-', '_', '/' and '*', for example Microsoft.MachineLearningServices/workspaces/*/read.`,
      );
  }
}
