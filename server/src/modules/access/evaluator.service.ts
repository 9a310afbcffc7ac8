// Who may do what, in memory: assignments by principal and then by scope, roles compiled. A decision asks the index for the
// prefixes of an id and nothing else: no table, no network, no cache that could be stale. What assignments.service stored
// durably is put here at once. Denies by default, and keeps the reason either way. It decides; it neither mints nor records.

import { type Actor, isBounded } from '#kernel/authority/actor';
import { rulesBelow } from '#kernel/authority/bounds';
import type { Action } from '#kernel/authority/grant';
import { isScope, isWithin, scopesOf } from '#kernel/ids/ids';
import type { Assignment } from './assignment.types.ts';
import { decideWithinBounds } from './bounds.rules.ts';
import { type Conditions, conditionsHold } from './conditions.rules.ts';
import { compileRole, type Role, type RoleDefinition } from './role.rules.ts';
import type { Applicable, Refusal, Verdict } from './verdict.types.ts';

export type Evaluator = {
  /** `address`: the peer's, for assignments that only hold from some addresses. */
  decide(actor: Actor, action: Action, scope: string, address?: string): Verdict;
  /**
   * The scope at or below `under` at which bounds allow the action: `under` itself where they reach so far, else the first of what
   * they name there. Undefined for whoever has none.
   */
  boundedScope(actor: Actor, action: Action, under: string, address?: string): string | undefined;
  /** Assignments of the actor or its groups at `scope` and above, outermost first, whatever their roles hold. */
  applicable(actor: Pick<Actor, 'objectId' | 'groups'>, scope: string): readonly Applicable[];

  putRole(definition: RoleDefinition): void;
  removeRole(roleId: string): void;
  role(roleId: string): Role | undefined;
  roles(): readonly Role[];

  putAssignment(assignment: Assignment): void;
  removeAssignment(name: string): void;
  assignment(name: string): Assignment | undefined;
  assignments(): Iterable<Assignment>;
};

/** An assignment whose role is known, with the answer that it gives made once. */
type Entry = Applicable & { readonly conditions: Conditions | undefined; readonly verdict: Verdict };
/** A scope at which something is assigned. One object a scope, so that an id is looked up once and not once a principal. */
type Place = { readonly key: string; assignments: number };
type ByPlace = Map<Place, readonly Entry[]>;

export function createEvaluator(options: { readonly nowMs: () => number }): Evaluator {
  const { nowMs } = options;
  const roles = new Map<string, Role>();
  const byName = new Map<string, Assignment>();
  const byPrincipal = new Map<string, ByPlace>();
  const places = new Map<string, Place>();
  // An actor is made once per verified token; its ids are lower-cased once. Whoever is not in it is looked at anew.
  const principalsOf = new WeakMap<object, readonly string[]>();

  function principals(actor: Pick<Actor, 'objectId' | 'groups'>): readonly string[] {
    const known = principalsOf.get(actor);
    if (known) return known;
    const keys = [...new Set([actor.objectId, ...actor.groups].map((id) => id.toLowerCase()))];
    principalsOf.set(actor, keys);
    return keys;
  }

  function decide(actor: Actor, action: Action, scope: string, address?: string): Verdict {
    if (!isScope(scope)) return { allowed: false, why: 'malformedScope' };
    // Order matters: bounds come before roles, so that no assignment can widen a token.
    const bounded = isBounded(actor)
      ? decideWithinBounds(actor, action, scope, { nowMs: nowMs(), address })
      : undefined;
    if (bounded) return bounded;
    if (actor.kind === 'anonymous' || actor.kind === 'system') return { allowed: false, why: 'notAPrincipal' };
    const around = placesOf(scope);
    let why: Refusal = 'noAssignment';
    for (const principal of principals(actor)) {
      const assigned = byPrincipal.get(principal);
      if (!assigned) continue;
      for (const place of around) {
        for (const entry of assigned.get(place) ?? none) {
          const refusal = refusalOf(entry, actor, action, address);
          if (refusal === undefined) return entry.verdict;
          // What came closest is what the caller is told.
          if (why === 'noAssignment' || refusal !== 'noRoleCovers') why = refusal;
        }
      }
    }
    return { allowed: false, why };
  }

  /** Outermost first. Most prefixes of most ids have no assignment and are no place. */
  function placesOf(scope: string): readonly Place[] {
    const found: Place[] = [];
    for (const key of scopesOf(scope)) {
      const place = places.get(key);
      if (place) found.push(place);
    }
    return found;
  }

  function refusalOf(entry: Entry, actor: Actor, action: Action, address: string | undefined): Refusal | undefined {
    if (!entry.role.allows(action)) return 'noRoleCovers';
    const { expiresAtMs } = entry.assignment;
    if (expiresAtMs !== undefined && expiresAtMs <= nowMs()) return 'expired';
    if (entry.conditions && !conditionsHold(entry.conditions, actor, address)) return 'conditionUnmet';
    return undefined;
  }

  function unlink(assignment: Assignment): void {
    const place = places.get(assignment.scopeKey);
    const assigned = byPrincipal.get(assignment.principalId);
    const before = place && assigned?.get(place);
    if (!place || !assigned || !before) return;
    const left = before.filter((entry) => entry.assignment.name !== assignment.name);
    if (left.length > 0) assigned.set(place, left);
    else assigned.delete(place);
    if (assigned.size === 0) byPrincipal.delete(assignment.principalId);
    place.assignments -= before.length - left.length;
    if (place.assignments === 0) places.delete(place.key);
  }

  function link(assignment: Assignment): void {
    const role = roles.get(assignment.roleId);
    // A role that no longer exists grants nothing; the assignment stays listed.
    if (!role) return;
    const reason = `${role.definition.roleName} at ${assignment.scope}`;
    const verdict: Verdict = { allowed: true, because: { by: 'assignment', assignment, role, reason } };
    const entry: Entry = { assignment, role, conditions: assignment.conditions, verdict };
    const place = places.get(assignment.scopeKey) ?? { key: assignment.scopeKey, assignments: 0 };
    const assigned = byPrincipal.get(assignment.principalId) ?? new Map<Place, readonly Entry[]>();
    assigned.set(place, [...(assigned.get(place) ?? none), entry]);
    place.assignments += 1;
    places.set(place.key, place);
    byPrincipal.set(assignment.principalId, assigned);
  }

  function relinkRole(roleId: string): void {
    for (const assignment of byName.values()) {
      if (assignment.roleId !== roleId) continue;
      unlink(assignment);
      link(assignment);
    }
  }

  return {
    decide,
    boundedScope(actor, action, under, address) {
      const { bounds } = actor;
      if (bounds === undefined || !isScope(under)) return undefined;
      const [rule] = rulesBelow(bounds, action.name, under, { nowMs: nowMs(), address });
      return rule && (isWithin(under, rule.scope) ? under : rule.scope);
    },
    applicable(actor, scope) {
      if (!isScope(scope)) return [];
      const around = placesOf(scope);
      return principals(actor).flatMap((principal) => {
        const assigned = byPrincipal.get(principal);
        return assigned ? around.flatMap((place) => assigned.get(place) ?? none) : [];
      });
    },
    putRole(definition) {
      roles.set(definition.id, compileRole(definition));
      relinkRole(definition.id);
    },
    removeRole(roleId) {
      roles.delete(roleId);
      relinkRole(roleId);
    },
    role: (roleId) => roles.get(roleId.toLowerCase()),
    roles: () => [...roles.values()],
    putAssignment(assignment) {
      const before = byName.get(assignment.name);
      if (before) unlink(before);
      byName.set(assignment.name, assignment);
      link(assignment);
    },
    removeAssignment(name) {
      const before = byName.get(name);
      if (!before) return;
      byName.delete(name);
      unlink(before);
    },
    assignment: (name) => byName.get(name.toLowerCase()),
    assignments: () => byName.values(),
  };
}

const none: readonly Entry[] = [];
