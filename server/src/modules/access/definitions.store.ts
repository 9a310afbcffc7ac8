// Rows of custom role definitions. Built-in roles are data of the program (built-in-roles.data.ts) and have no rows.

import { type Tx, tables } from '#kernel/database/database';
import type { Permission, RoleDefinition } from './role.rules.ts';

type DefinitionRow = {
  id: string;
  role_name: string;
  role_name_key: string;
  description: string;
  permissions: string;
  assignable_scopes: string;
  created_on: string;
  updated_on: string;
  created_by: string | null;
  updated_by: string | null;
};
type AccessTables = { role_definitions: DefinitionRow };

const columns = [
  'id',
  'role_name',
  'role_name_key',
  'description',
  'permissions',
  'assignable_scopes',
  'created_on',
  'updated_on',
  'created_by',
  'updated_by',
] as const;

const rows = (tx: Tx) => tables<AccessTables>(tx);

/** What names are compared by. */
export const nameKey = (roleName: string) => roleName.toLowerCase();

export async function readAfter(tx: Tx, id: string, limit: number): Promise<readonly RoleDefinition[]> {
  const found = await rows(tx)
    .selectFrom('role_definitions')
    .select(columns)
    .where('id', '>', id)
    .orderBy('id')
    .limit(limit)
    .execute();
  return found.map(fromRow);
}

/** Inserts or replaces. A name that another definition has violates the unique index. */
export async function put(tx: Tx, definition: RoleDefinition): Promise<void> {
  const { id, ...rest } = toRow(definition);
  await rows(tx)
    .insertInto('role_definitions')
    .values({ id, ...rest })
    .onConflict((on) => on.column('id').doUpdateSet(rest))
    .execute();
}

export async function remove(tx: Tx, id: string): Promise<void> {
  await rows(tx).deleteFrom('role_definitions').where('id', '=', id).execute();
}

function toRow(definition: RoleDefinition): DefinitionRow {
  return {
    id: definition.id,
    role_name: definition.roleName,
    role_name_key: nameKey(definition.roleName),
    description: definition.description,
    permissions: JSON.stringify(definition.permissions),
    assignable_scopes: JSON.stringify(definition.assignableScopes),
    created_on: definition.createdOn,
    updated_on: definition.updatedOn,
    created_by: definition.createdBy,
    updated_by: definition.updatedBy,
  };
}

function fromRow(row: DefinitionRow): RoleDefinition {
  return {
    id: row.id,
    roleName: row.role_name,
    description: row.description,
    type: 'CustomRole',
    // Written by toRow alone, so what is read back has these shapes.
    permissions: JSON.parse(row.permissions) as readonly Permission[],
    assignableScopes: JSON.parse(row.assignable_scopes) as readonly string[],
    createdOn: row.created_on,
    updatedOn: row.updated_on,
    createdBy: row.created_by,
    updatedBy: row.updated_by,
  };
}
