// Rows of resources. SQL and nothing else: where a row is, which rows lie below an id, and that a change applies to exactly
// the row that was read. No decisions. Works on the control database and on every home of children alike.

import { type Database, type Tx, tables } from '#kernel/database/database';
import { idKey } from '#kernel/ids/ids';
import type { Creator, Properties, ProvisioningState, Resource, ResourceIdentity, SystemData } from './kind.types.ts';

export type ResourceRow = {
  id_key: string;
  id: string;
  type_key: string;
  type: string;
  name: string;
  location: string | null;
  tags: string;
  kind: string | null;
  sku: string | null;
  identity: string | null;
  properties: string;
  inert: string;
  state: ProvisioningState;
  etag: string;
  unique_id: string;
  system_data: string;
  creator: string;
  created_at: string;
  operation_id: string | null;
  holder: string | null;
};
export type ResourceTables = { resources: ResourceRow };

/** A resource with what the manager keeps for itself: the operation at work on it, and the process that holds it. */
export type Stored = {
  readonly resource: Resource;
  readonly operationId: string | undefined;
  readonly holder: string | undefined;
};

const columns = [
  'id_key',
  'id',
  'type_key',
  'type',
  'name',
  'location',
  'tags',
  'kind',
  'sku',
  'identity',
  'properties',
  'inert',
  'state',
  'etag',
  'unique_id',
  'system_data',
  'creator',
  'created_at',
  'operation_id',
  'holder',
] as const;

/** Written by `rowOf` alone, so what is parsed here has these shapes. */
function storedOf(row: ResourceRow): Stored {
  return {
    resource: {
      id: row.id,
      name: row.name,
      type: row.type,
      location: row.location ?? undefined,
      tags: JSON.parse(row.tags) as Readonly<Record<string, string>>,
      kind: row.kind ?? undefined,
      sku: row.sku === null ? undefined : (JSON.parse(row.sku) as Properties),
      identity: row.identity === null ? undefined : (JSON.parse(row.identity) as ResourceIdentity),
      properties: JSON.parse(row.properties) as Properties,
      inert: JSON.parse(row.inert) as Properties,
      provisioningState: row.state,
      etag: row.etag,
      systemData: JSON.parse(row.system_data) as SystemData,
      uniqueId: row.unique_id,
      creator: JSON.parse(row.creator) as Creator,
      ...(row.operation_id === null ? {} : { operationId: row.operation_id }),
    },
    operationId: row.operation_id ?? undefined,
    holder: row.holder ?? undefined,
  };
}

function rowOf({ resource, operationId, holder }: Stored): ResourceRow {
  return {
    id_key: idKey(resource.id),
    id: resource.id,
    type_key: resource.type.toLowerCase(),
    type: resource.type,
    name: resource.name,
    location: resource.location ?? null,
    tags: JSON.stringify(resource.tags),
    kind: resource.kind ?? null,
    sku: resource.sku === undefined ? null : JSON.stringify(resource.sku),
    identity: resource.identity === undefined ? null : JSON.stringify(resource.identity),
    properties: JSON.stringify(resource.properties),
    inert: JSON.stringify(resource.inert ?? {}),
    state: resource.provisioningState,
    etag: resource.etag,
    unique_id: resource.uniqueId,
    system_data: JSON.stringify(resource.systemData),
    creator: JSON.stringify(resource.creator ?? null),
    created_at: resource.systemData.createdAt,
    operation_id: operationId ?? null,
    holder: holder ?? null,
  };
}

export async function findResource(tx: Tx, id: string): Promise<Stored | undefined> {
  const row = await tables<ResourceTables>(tx)
    .selectFrom('resources')
    .select(columns)
    .where('id_key', '=', idKey(id))
    .executeTakeFirst();
  return row && storedOf(row);
}

export async function insertResource(tx: Tx, stored: Stored): Promise<void> {
  await tables<ResourceTables>(tx).insertInto('resources').values(rowOf(stored)).execute();
}

/** Replaces the row of the same id and unique id. False when there is none: it was removed, or its name was reused. */
export async function updateResource(tx: Tx, stored: Stored): Promise<boolean> {
  const { id_key, unique_id, ...rest } = rowOf(stored);
  const { numUpdatedRows } = await tables<ResourceTables>(tx)
    .updateTable('resources')
    .set(rest)
    .where('id_key', '=', id_key)
    .where('unique_id', '=', unique_id)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

export async function deleteResource(tx: Tx, resource: Pick<Resource, 'id' | 'uniqueId'>): Promise<void> {
  await tables<ResourceTables>(tx)
    .deleteFrom('resources')
    .where('id_key', '=', idKey(resource.id))
    .where('unique_id', '=', resource.uniqueId)
    .execute();
}

/** Keys strictly below `under` sort between `under/` and `under0`: `0` follows `/`. */
function rangeBelow(under: string): { readonly from: string; readonly to: string } {
  const key = idKey(under);
  const stem = key === '/' ? '' : key;
  return { from: `${stem}/`, to: `${stem}0` };
}

/** Rows strictly below an id, last first, so that children come before their parents. */
export async function rowsBelow(database: Database, under: string, limit: number): Promise<readonly Stored[]> {
  const { from, to } = rangeBelow(under);
  const rows = await tables<ResourceTables>(database.read)
    .selectFrom('resources')
    .select(columns)
    .where('id_key', '>', from)
    .where('id_key', '<', to)
    .orderBy('id_key', 'desc')
    .limit(limit)
    .execute();
  return rows.map(storedOf);
}

/** Rows of a type below an id in id order, after a key. Without a type: every type. Off this thread. */
export async function pageOfType(
  database: Database,
  query: { readonly type: string | undefined; readonly under: string; readonly after: string; readonly limit: number },
): Promise<readonly Stored[]> {
  const { from, to } = rangeBelow(query.under);
  const all = tables<ResourceTables>(database.read).selectFrom('resources').select(columns);
  const typed = query.type === undefined ? all : all.where('type_key', '=', query.type.toLowerCase());
  const rows = await database.scan(
    typed
      .where('id_key', '>', from)
      .where('id_key', '>', query.after)
      .where('id_key', '<', to)
      .orderBy('id_key')
      .limit(query.limit),
  );
  return rows.map(storedOf);
}

/** Rows that a process which is gone left half-way, without an operation that would resume them. */
export async function leftBehind(database: Database, holder: string, limit: number): Promise<readonly Stored[]> {
  const rows = await tables<ResourceTables>(database.read)
    .selectFrom('resources')
    .select(columns)
    .where('state', 'in', ['Creating', 'Updating', 'Deleting'])
    .where('operation_id', 'is', null)
    .where((where) => where.or([where('holder', 'is', null), where('holder', '!=', holder)]))
    .limit(limit)
    .execute();
  return rows.map(storedOf);
}
