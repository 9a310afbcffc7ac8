// Rows of role assignments. No decisions: what may be stored is assignments.service's to say.

import { type Tx, tables } from '#kernel/database/database';
import { idKey } from '#kernel/ids/ids';
import type { Assignment, PrincipalType } from './assignment.types.ts';

type AssignmentRow = {
  name: string;
  scope: string;
  scope_key: string;
  subscription_key: string | null;
  role_id: string;
  principal_id: string;
  principal_type: string;
  description: string | null;
  expires_at_ms: number | null;
  require_mfa: number;
  allowed_addresses: string;
  created_on: string;
  updated_on: string;
  created_by: string;
  updated_by: string;
};
type AccessTables = { role_assignments: AssignmentRow };

const columns = [
  'name',
  'scope',
  'scope_key',
  'subscription_key',
  'role_id',
  'principal_id',
  'principal_type',
  'description',
  'expires_at_ms',
  'require_mfa',
  'allowed_addresses',
  'created_on',
  'updated_on',
  'created_by',
  'updated_by',
] as const;

const rows = (tx: Tx) => tables<AccessTables>(tx);

/** `/subscriptions/{id}` of a scope, as a key; undefined at the root. */
export function subscriptionKeyOf(scope: string): string | undefined {
  return /^\/subscriptions\/[^/]+/.exec(idKey(scope))?.[0];
}

export async function readAfter(tx: Tx, name: string, limit: number): Promise<readonly Assignment[]> {
  const found = await rows(tx)
    .selectFrom('role_assignments')
    .select(columns)
    .where('name', '>', name)
    .orderBy('name')
    .limit(limit)
    .execute();
  return found.map(fromRow);
}

/** The one that gives this principal this role at this very scope. */
export async function findSame(
  tx: Tx,
  same: Pick<Assignment, 'scopeKey' | 'roleId' | 'principalId'>,
): Promise<Assignment | undefined> {
  const row = await rows(tx)
    .selectFrom('role_assignments')
    .select(columns)
    .where('scope_key', '=', same.scopeKey)
    .where('role_id', '=', same.roleId)
    .where('principal_id', '=', same.principalId)
    .executeTakeFirst();
  return row && fromRow(row);
}

export async function insert(tx: Tx, assignment: Assignment): Promise<void> {
  await rows(tx).insertInto('role_assignments').values(toRow(assignment)).execute();
}

export async function update(tx: Tx, assignment: Assignment): Promise<void> {
  const { name, ...rest } = toRow(assignment);
  await rows(tx).updateTable('role_assignments').set(rest).where('name', '=', name).execute();
}

export async function remove(tx: Tx, names: readonly string[]): Promise<void> {
  for (const name of names) await rows(tx).deleteFrom('role_assignments').where('name', '=', name).execute();
}

export async function countOfSubscription(tx: Tx, subscriptionKey: string): Promise<number> {
  const { count } = await rows(tx)
    .selectFrom('role_assignments')
    .select((of) => of.fn.countAll<number>().as('count'))
    .where('subscription_key', '=', subscriptionKey)
    .executeTakeFirstOrThrow();
  return count;
}

function toRow(assignment: Assignment): AssignmentRow {
  return {
    name: assignment.name,
    scope: assignment.scope,
    scope_key: assignment.scopeKey,
    subscription_key: subscriptionKeyOf(assignment.scope) ?? null,
    role_id: assignment.roleId,
    principal_id: assignment.principalId,
    principal_type: assignment.principalType,
    description: assignment.description ?? null,
    expires_at_ms: assignment.expiresAtMs ?? null,
    require_mfa: assignment.conditions?.requireMfa ? 1 : 0,
    allowed_addresses: JSON.stringify(assignment.conditions?.allowedAddresses ?? []),
    created_on: assignment.createdOn,
    updated_on: assignment.updatedOn,
    created_by: assignment.createdBy,
    updated_by: assignment.updatedBy,
  };
}

function fromRow(row: AssignmentRow): Assignment {
  // Written by toRow alone, so what is read back has these shapes.
  const allowedAddresses = JSON.parse(row.allowed_addresses) as readonly string[];
  const requireMfa = row.require_mfa === 1;
  return {
    name: row.name,
    scope: row.scope,
    scopeKey: row.scope_key,
    roleId: row.role_id,
    principalId: row.principal_id,
    principalType: row.principal_type as PrincipalType,
    description: row.description ?? undefined,
    expiresAtMs: row.expires_at_ms ?? undefined,
    conditions: requireMfa || allowedAddresses.length > 0 ? { requireMfa, allowedAddresses } : undefined,
    createdOn: row.created_on,
    updatedOn: row.updated_on,
    createdBy: row.created_by,
    updatedBy: row.updated_by,
  };
}
