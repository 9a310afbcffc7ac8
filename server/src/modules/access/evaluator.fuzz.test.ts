// The evaluator against brute force: every assignment, every role, every pattern, by the words of Azure's documentation.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BoundsRule } from '#kernel/authority/bounds';
import type { Action } from '#kernel/authority/grant';
import { idKey } from '#kernel/ids/ids';
import { testActor } from '#kernel/testing/authority';
import type { Assignment } from './assignment.types.ts';
import { createEvaluator } from './evaluator.service.ts';
import type { Permission, RoleDefinition } from './role.rules.ts';

const people = ['ann', 'bob', 'team', 'crew', '__proto__', 'constructor'];
const actionNames = ['N/a/read', 'N/a/b/read', 'N/a/write', 'N/a/b/write', 'N/a/b/go/action', 'M/x/read', 'toString'];
const patterns = [
  '*',
  '*/read',
  'N/*',
  'N/a/*/write',
  'n/A/read',
  'N/*/b/*',
  '*/action',
  'M/x/read',
  'toString',
  '*a*',
];
const scopes = [
  '/',
  '/subscriptions/s',
  '/subscriptions/S/resourceGroups/g',
  '/subscriptions/s/resourceGroups/g2',
  '/subscriptions/s/resourceGroups/g/providers/N/a/one',
  '/subscriptions/s/resourcegroups/G/providers/N/a/one/b/two',
  '/subscriptions/s/resourceGroups/g/providers/N/a/one2',
  '/subscriptions/t',
  '/subscriptions/__proto__',
  '/providers/N/a/constructor',
];

const someOf = (list: readonly string[], most: number) => fc.subarray([...list], { maxLength: most });
const permission: fc.Arbitrary<Permission> = fc.record({
  actions: someOf(patterns, 3),
  notActions: someOf(patterns, 2),
  dataActions: someOf(patterns, 3),
  notDataActions: someOf(patterns, 2),
});
const assignment = fc.record({
  role: fc.nat(3),
  principalId: fc.constantFrom(...people),
  scope: fc.constantFrom(...scopes),
  ends: fc.option(fc.constantFrom(999, 1_000, 1_001), { nil: undefined }),
});

const boundsRule: fc.Arbitrary<BoundsRule> = fc.record({
  scope: fc.constantFrom(...scopes),
  actions: fc.oneof(fc.constant('reads' as const), someOf(actionNames, 3)),
  reason: fc.constant('test'),
});
/** The root is no bound: it would be none. */
const liesWithin = ({ scope: at, actions }: BoundsRule, action: string, scope: string): boolean =>
  at !== '/' &&
  `${scope.toLowerCase()}/`.startsWith(`${at.toLowerCase()}/`) &&
  (actions === 'reads' ? /\/read$/.test(action) : actions.includes(action));

const globs = (pattern: string, action: string, exclusion: boolean) => {
  const escaped = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
  const source = exclusion
    ? escaped.replaceAll('/*/', '/(?:<>/)?').replaceAll('*', '.*').replaceAll('<>', '.*')
    : escaped.replaceAll('*', '.*');
  return new RegExp(`^${source}$`, 'i').test(action);
};

function bruteForce(
  definitions: readonly RoleDefinition[],
  assignments: readonly Assignment[],
  who: readonly string[],
  action: Action,
  scope: string,
  nowMs: number,
): boolean {
  return assignments.some((each) => {
    if (!who.includes(each.principalId)) return false;
    if (each.expiresAtMs !== undefined && each.expiresAtMs <= nowMs) return false;
    const at = each.scope.toLowerCase();
    const target = scope.toLowerCase();
    if (at !== '/' && target !== at && !target.startsWith(`${at}/`)) return false;
    const role = definitions.find((definition) => definition.id === each.roleId);
    return (role?.permissions ?? []).some((block) => {
      const [granted, withheld] =
        action.plane === 'control' ? [block.actions, block.notActions] : [block.dataActions, block.notDataActions];
      return (
        granted.some((pattern) => globs(pattern, action.name, false)) &&
        !withheld.some((pattern) => globs(pattern, action.name, true))
      );
    });
  });
}

const definitionOf = (id: string, permissions: readonly Permission[]): RoleDefinition => ({
  id,
  roleName: id,
  description: '',
  type: 'CustomRole',
  permissions,
  assignableScopes: ['/'],
  createdOn: '',
  updatedOn: '',
  createdBy: null,
  updatedBy: null,
});

test('the evaluator decides as brute force does, also after roles and assignments changed', () => {
  fc.assert(
    fc.property(
      fc.array(permission, { minLength: 4, maxLength: 4 }),
      fc.array(assignment, { maxLength: 12 }),
      fc.array(fc.nat(11), { maxLength: 4 }),
      permission,
      fc.array(
        fc.record({
          who: fc.constantFrom(...people),
          groups: someOf(people, 2),
          rules: fc.array(boundsRule, { maxLength: 3 }),
          name: fc.constantFrom(...actionNames),
          plane: fc.constantFrom('control' as const, 'data' as const),
          scope: fc.constantFrom(...scopes),
        }),
        { minLength: 10, maxLength: 10 },
      ),
      (permissions, drafts, removed, changed, questions) => {
        const evaluator = createEvaluator({ nowMs: () => 1_000 });
        let definitions = permissions.map((each, at) => definitionOf(`role${at}`, [each]));
        let assignments = drafts.map(
          (draft, at): Assignment => ({
            name: `assignment${at}`,
            scope: draft.scope,
            scopeKey: idKey(draft.scope),
            roleId: `role${draft.role}`,
            principalId: draft.principalId,
            principalType: 'User',
            description: undefined,
            expiresAtMs: draft.ends,
            conditions: undefined,
            createdOn: '',
            updatedOn: '',
            createdBy: '',
            updatedBy: '',
          }),
        );
        const agree = () => {
          for (const { who, groups, rules, name, plane, scope } of questions) {
            const actor = { ...testActor, objectId: who.toUpperCase(), groups };
            const keys = [who, ...groups].map((id) => id.toLowerCase());
            const known = assignments.map((each) => ({ ...each, principalId: each.principalId.toLowerCase() }));
            const byRoles = bruteForce(definitions, known, keys, { name, plane }, scope, 1_000);
            const says = `${who}+${groups} ${plane} ${name} ${scope}`;
            assert.equal(evaluator.decide(actor, { name, plane }, scope).allowed, byRoles, says);
            for (const roles of ['needed', 'ignored'] as const) {
              const bounded = { ...actor, bounds: { roles, rules } };
              const lies = rules.some((rule) => liesWithin(rule, name, scope));
              assert.equal(
                evaluator.decide(bounded, { name, plane }, scope).allowed,
                lies && (roles === 'ignored' || byRoles),
                `${says}, bounded, roles ${roles}`,
              );
            }
          }
        };
        for (const definition of definitions) evaluator.putRole(definition);
        for (const each of assignments) evaluator.putAssignment(each);
        agree();
        for (const at of removed) evaluator.removeAssignment(`assignment${at}`);
        assignments = assignments.filter((_, at) => !removed.includes(at));
        evaluator.putRole(definitionOf('role1', [changed]));
        evaluator.removeRole('role2');
        definitions = definitions
          .map((each) => (each.id === 'role1' ? definitionOf('role1', [changed]) : each))
          .filter((each) => each.id !== 'role2');
        agree();
      },
    ),
    { numRuns: 1_500 },
  );
});
