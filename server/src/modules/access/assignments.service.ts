// Granting and withdrawing roles. Every change is durable first and effective at once after; memory is what lists answer
// from. The right to grant is `roleAssignments/write` at the scope (or above), which Contributor does not have; nobody can
// withdraw the last lasting Owner of a subscription, the caller included, nor disable or remove the one who holds it.

import { accessActions } from '@strongroom/contract/access.actions';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { sha256Hex } from '#kernel/crypto/digest';
import type { Database, Tx } from '#kernel/database/database';
import { idKey, isWithin } from '#kernel/ids/ids';
import type { Turn } from '#kernel/turns/turns';
import { accessFailures, roleFailures } from './access.errors.ts';
import type { Assignment, PrincipalType } from './assignment.types.ts';
import * as store from './assignments.store.ts';
import { roleIds } from './built-in-roles.data.ts';
import type { Conditions } from './conditions.rules.ts';
import type { Evaluator } from './evaluator.service.ts';
import type { Principals } from './principals.port.ts';
import { checkedScope, isGuid, isKeyWithin, roleIdOf } from './scope.rules.ts';
import type { Scopes } from './scopes.port.ts';

/** Azure's limit. */
export const assignmentsMax = 4_000;

export type AssignmentDraft = {
  readonly roleDefinitionId: string;
  readonly principalId: string;
  /** Undefined: what the directory says. */
  readonly principalType: PrincipalType | undefined;
  readonly description: string | undefined;
  readonly expiresAtMs: number | undefined;
  readonly conditions: Conditions | undefined;
};

export type Put = { readonly assignment: Assignment; readonly created: boolean };

export type NewAssignment = {
  readonly scope: string;
  /** A GUID, or a definition's id. */
  readonly roleDefinitionId: string;
  readonly principalId: string;
  readonly principalType: PrincipalType;
};

/** What a change leaves in memory once it is durable. */
type Effect = { readonly put?: Assignment; readonly removed?: readonly string[] };

export type Assignments = ReturnType<typeof createAssignments>;

export function createAssignments(options: {
  readonly database: Database;
  readonly clock: Clock;
  readonly evaluator: Evaluator;
  readonly grants: Pick<Grants, 'also'>;
  readonly principals: Principals;
  readonly scopes: Scopes;
  readonly tenantId: string;
  readonly serially: Turn;
}) {
  const { database, clock, evaluator, grants, principals, scopes, tenantId, serially } = options;

  /** Stores, then remembers: `effect` is what memory must hold after it. */
  async function changing(store: (tx: Tx) => Promise<void>, { put, removed = [] }: Effect): Promise<void> {
    await database.write(store);
    for (const name of removed) evaluator.removeAssignment(name);
    if (put) evaluator.putAssignment(put);
  }

  /** PUT at the grant's scope. Throws what Azure answers for each rule that is broken. */
  async function put(grant: Grant, name: string, draft: AssignmentDraft): Promise<Put> {
    if (!isGuid(name)) throw accessFailures.InvalidRoleAssignmentId(name);
    const scope = checkedScope(grant.scope);
    // Order matters: a principal or a resource that leaves meanwhile has its turn before or after, and never between look
    // and grant.
    return serially(async () => {
      await scopes.require(scope);
      const { principalType } = await checkPrincipal(draft);
      return putChecked(grant, name.toLowerCase(), scope, { ...draft, principalType });
    });
  }

  async function checkPrincipal(draft: AssignmentDraft): Promise<{ principalType: PrincipalType }> {
    if (!isGuid(draft.principalId))
      throw accessFailures.InvalidRequestContent(
        'properties.principalId',
        'properties.principalId must be an object id, which is a GUID.',
      );
    const principal = await principals.find(draft.principalId.toLowerCase());
    if (!principal) throw accessFailures.PrincipalNotFound(draft.principalId, tenantId);
    if (draft.principalType !== undefined && draft.principalType !== principal.type)
      throw accessFailures.UnmatchedPrincipalType(draft.principalId, principal.type, draft.principalType);
    return { principalType: principal.type };
  }

  async function putChecked(
    grant: Grant,
    name: string,
    scope: string,
    draft: AssignmentDraft & { readonly principalType: PrincipalType },
  ): Promise<Put> {
    const now = clock.now().toISOString();
    const asked: Assignment = {
      name,
      scope,
      scopeKey: idKey(scope),
      roleId: assignableRole(draft.roleDefinitionId, scope),
      principalId: draft.principalId.toLowerCase(),
      principalType: draft.principalType,
      description: draft.description,
      expiresAtMs: draft.expiresAtMs,
      conditions: draft.conditions,
      createdOn: now,
      updatedOn: now,
      createdBy: grant.actor.objectId,
      updatedBy: grant.actor.objectId,
    };
    const existing = evaluator.assignment(name);
    if (existing && !isSameGrant(existing, asked)) throw accessFailures.RoleAssignmentUpdateNotPermitted();
    if (existing && isUnchanged(existing, asked)) return { assignment: existing, created: false };
    if (draft.expiresAtMs !== undefined && draft.expiresAtMs <= clock.epochMs())
      throw accessFailures.InvalidRequestContent('properties.expiresOn', 'properties.expiresOn must be in the future.');
    if (existing) {
      const changed = { ...asked, scope: existing.scope, createdOn: existing.createdOn, createdBy: existing.createdBy };
      await requireOwners({ put: changed });
      await changing((tx) => store.update(tx, changed), { put: changed });
      return { assignment: changed, created: false };
    }
    const insert = async (tx: Tx) => {
      const same = await store.findSame(tx, asked);
      if (same) throw accessFailures.RoleAssignmentExists(same.name);
      const subscription = store.subscriptionKeyOf(scope);
      if (subscription !== undefined && (await store.countOfSubscription(tx, subscription)) >= assignmentsMax)
        throw accessFailures.RoleAssignmentLimitExceeded(assignmentsMax);
      await store.insert(tx, asked);
    };
    await changing(insert, { put: asked });
    return { assignment: asked, created: true };
  }

  /** The role's GUID, if it exists and may be assigned here. */
  function assignableRole(roleDefinitionId: string, scope: string): string {
    const role = evaluator.role(roleIdOf(roleDefinitionId));
    if (!role?.definition.assignableScopes.some((at) => isWithin(scope, at)))
      throw roleFailures.definitionDoesNotExist(roleDefinitionId);
    return role.definition.id;
  }

  /** At the grant's scope. Throws RoleAssignmentNotFound. */
  function get(grant: Grant, name: string): Assignment {
    const found = at(grant.scope, name);
    if (!found) throw accessFailures.RoleAssignmentNotFound(name);
    return found;
  }

  /** The assignment of that name at the scope, to whoever was decided about. */
  function at(scope: string, name: string): Assignment | undefined {
    const found = evaluator.assignment(name);
    return found && found.scopeKey === idKey(scope) ? found : undefined;
  }

  /** Withdraws the assignment of that name at the grant's scope and answers what it was; undefined if there is none. */
  async function remove(grant: Grant, name: string): Promise<Assignment | undefined> {
    return serially(async () => {
      const found = at(grant.scope, name);
      if (!found) return undefined;
      const removed = [found.name];
      await requireOwners({ removed });
      await changing((tx) => store.remove(tx, removed), { removed });
      return found;
    });
  }

  /**
   * Throws if a subscription that has a lasting Owner would have none after `effect`, and without `leaving`. Looks at memory,
   * which is what is durable as long as one change at a time is made.
   */
  async function requireOwners({ put, removed = [], leaving }: Effect & { readonly leaving?: string }): Promise<void> {
    const held = [...evaluator.assignments()];
    const isTouched = ({ name, principalId }: Assignment) =>
      removed.includes(name) || name === put?.name || principalId === leaving;
    if (!held.some((each) => isTouched(each) && isLastingOwner(each))) return;
    const before = await ownedScopes(held);
    const after = await ownedScopes([...held.filter((each) => !isTouched(each)), ...(put ? [put] : [])]);
    if (after.has('/')) return;
    const subscriptions = held.flatMap(({ scope }) => store.subscriptionKeyOf(scope) ?? []);
    const owned = before.has('/') ? subscriptions : [...before];
    const orphan = owned.find((scope) => !after.has(scope)) ?? (before.has('/') && after.size === 0 ? '/' : undefined);
    if (orphan !== undefined) throw accessFailures.LastOwnerCannotBeRemoved(orphan);
  }

  /** Subscriptions, and the root, whose lasting Owner is enabled and not the identity of a resource, which leaves unasked. */
  async function ownedScopes(assignments: readonly Assignment[]): Promise<ReadonlySet<string>> {
    const owned = new Set<string>();
    for (const { scopeKey, principalId } of assignments.filter(isLastingOwner)) {
      if (owned.has(scopeKey)) continue;
      const principal = await principals.find(principalId);
      if (principal?.isEnabled && !principal.isOfResource) owned.add(scopeKey);
    }
    return owned;
  }

  /**
   * For other modules: gives a principal a role. Idempotent, the name follows from scope, role and principal. The principal
   * may have been made a moment ago and is not looked up; neither is the scope, which may be about to be. Needs the right to grant at the scope; the system has it.
   */
  async function assign(grant: Grant, wanted: NewAssignment): Promise<Assignment> {
    const scope = checkedScope(wanted.scope);
    const granting = grants.also(grant, accessActions.writeRoleAssignments, scope);
    if (!isGuid(wanted.principalId))
      throw accessFailures.InvalidRequestContent('principalId', 'The principal id must be a GUID.');
    const roleId = roleIdOf(wanted.roleDefinitionId);
    const principalId = wanted.principalId.toLowerCase();
    return serially(async () => {
      const scopeKey = idKey(scope);
      const same = await store.findSame(database.read, { scopeKey, roleId, principalId });
      if (same && same.expiresAtMs === undefined && same.conditions === undefined) return same;
      const name = same?.name ?? derivedName(scopeKey, roleId, principalId);
      const { assignment } = await putChecked(granting, name, scope, {
        ...wanted,
        principalType: same?.principalType ?? wanted.principalType,
        description: same?.description,
        expiresAtMs: undefined,
        conditions: undefined,
      });
      return assignment;
    });
  }

  /** Whether `assign` would find what it is to give, as lasting and as unconditional as it gives it. */
  function isAssigned({ scope, roleDefinitionId, principalId }: Omit<NewAssignment, 'principalType'>): boolean {
    const [scopeKey, roleId, principal] = [idKey(scope), roleIdOf(roleDefinitionId), principalId.toLowerCase()];
    for (const each of evaluator.assignments())
      if (each.scopeKey === scopeKey && each.roleId === roleId && each.principalId === principal)
        return each.expiresAtMs === undefined && each.conditions === undefined;
    return false;
  }

  /**
   * Takes back what `assign` gave; nothing happens when it is not there. `isStill` is asked in turn with every other change: what
   * was looked at before may be another by now.
   */
  async function unassign(
    grant: Grant,
    { scope, roleDefinitionId, principalId }: Omit<NewAssignment, 'principalType'>,
    isStill: () => Promise<boolean> = async () => true,
  ): Promise<void> {
    const checked = checkedScope(scope);
    grants.also(grant, accessActions.deleteRoleAssignments, checked);
    const same = {
      scopeKey: idKey(checked),
      roleId: roleIdOf(roleDefinitionId),
      principalId: principalId.toLowerCase(),
    };
    await serially(async () => {
      const found = await store.findSame(database.read, same);
      if (found === undefined || !(await isStill())) return;
      const removed = [found.name];
      await requireOwners({ removed });
      await changing((tx) => store.remove(tx, removed), { removed });
    });
  }

  /** When the resource at `scope` is gone: everything that was assigned at it and below it goes too. */
  async function unassignAll(grant: Grant, scope: string): Promise<number> {
    const checked = checkedScope(scope);
    grants.also(grant, accessActions.deleteRoleAssignments, checked);
    // What is assigned at the root and at other subscriptions has nothing to do with a deleted resource.
    if (checked === '/') throw accessFailures.InvalidRequestContent('scope', 'The root scope is never deleted.');
    return serially(async () => {
      const gone = idKey(checked);
      const removed = [...evaluator.assignments()].filter((each) => isKeyWithin(each.scopeKey, gone));
      const names = removed.map((each) => each.name);
      if (names.length > 0) await changing((tx) => store.remove(tx, names), { removed: names });
      return names.length;
    });
  }

  /**
   * When a principal leaves: `leave` disables or removes it, in the write that also withdraws the roles of one that is
   * removed. Throws LastOwnerCannotBeRemoved, and then it stays, if a subscription would have no lasting Owner left.
   */
  async function retire(
    grant: Grant,
    principalId: string,
    how: 'disabled' | 'removed',
    leave: (tx: Tx) => Promise<void>,
  ): Promise<void> {
    grants.also(grant, accessActions.deleteRoleAssignments, '/');
    return serially(async () => {
      const key = principalId.toLowerCase();
      const held = how === 'removed' ? [...evaluator.assignments()].filter((each) => each.principalId === key) : [];
      const removed = held.map((each) => each.name);
      await requireOwners({ removed, leaving: key });
      const change = async (tx: Tx) => {
        await store.remove(tx, removed);
        await leave(tx);
      };
      await changing(change, { removed });
    });
  }

  /** Withdraws every role of a principal that is removed elsewhere. Throws LastOwnerCannotBeRemoved. */
  const unassignPrincipal = (grant: Grant, principalId: string): Promise<void> =>
    retire(grant, principalId, 'removed', async () => undefined);

  /** Makes these principals Owners of the subscription. For the first start, by the system; idempotent. */
  async function bootstrapOwner(grant: Grant, principalIds: readonly string[], subscriptionId: string): Promise<void> {
    for (const principalId of principalIds) {
      const principal = await principals.find(principalId.toLowerCase());
      if (!principal) throw accessFailures.PrincipalNotFound(principalId, tenantId);
      await assign(grant, {
        scope: `/subscriptions/${subscriptionId}`,
        roleDefinitionId: roleIds.owner,
        principalId,
        principalType: principal.type,
      });
    }
  }

  return {
    put,
    get,
    find: at,
    remove,
    assign,
    isAssigned,
    unassign,
    unassignAll,
    unassignPrincipal,
    retire,
    bootstrapOwner,
  };
}

/** Owner of a subscription or of everything, without an end and without conditions. */
function isLastingOwner({ roleId, scope, scopeKey, expiresAtMs, conditions }: Assignment): boolean {
  const isWide = scopeKey === '/' || scopeKey === store.subscriptionKeyOf(scope);
  return roleId === roleIds.owner && isWide && expiresAtMs === undefined && conditions === undefined;
}

function isSameGrant(one: Assignment, other: Assignment): boolean {
  return (
    one.scopeKey === other.scopeKey &&
    one.roleId === other.roleId &&
    one.principalId === other.principalId &&
    one.principalType === other.principalType
  );
}

function isUnchanged(one: Assignment, other: Assignment): boolean {
  return (
    one.description === other.description &&
    one.expiresAtMs === other.expiresAtMs &&
    JSON.stringify(one.conditions) === JSON.stringify(other.conditions)
  );
}

/** A GUID (RFC 9562, version 8) that names this grant and no other. */
function derivedName(scopeKey: string, roleId: string, principalId: string): string {
  const hex = sha256Hex(`strongroom role assignment\n${scopeKey}\n${roleId}\n${principalId}`);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
