// Rows of long-running operations, always in the control database: what a poll answers, and what a task resumes. No
// decisions. Ended ones are pruned as new ones arrive, so that the table stays as large as a week of work.

import { type Database, type Tx, tables } from '#kernel/database/database';
import type { FailureKind } from '#kernel/errors/failure';
import type { RestingState } from './kind.types.ts';

export type OperationFailure = { readonly kind: FailureKind; readonly code: string; readonly message: string };
export type Operation = {
  readonly id: string;
  readonly resourceId: string;
  readonly verb: 'create' | 'remove';
  /** What the resource is when its kind refuses: as it was before a removal, and Failed when it could not be made. */
  readonly refusedState: RestingState;
  readonly status: 'InProgress' | 'Succeeded' | 'Failed';
  readonly actorId: string;
  readonly actorTenant: string;
  readonly startedAt: string;
  readonly endedAt: string | undefined;
  readonly error: OperationFailure | undefined;
};

type OperationRow = {
  id: string;
  resource_id: string;
  verb: 'create' | 'remove';
  refused_state: RestingState;
  status: 'InProgress' | 'Succeeded' | 'Failed';
  actor_id: string;
  actor_tenant: string;
  started_at: string;
  ended_at: string | null;
  error: string | null;
};
type OperationTables = { operations: OperationRow };

export async function insertOperation(tx: Tx, operation: Operation, pruneBefore: string): Promise<void> {
  const rows = tables<OperationTables>(tx);
  await rows.deleteFrom('operations').where('ended_at', '<', pruneBefore).execute();
  await rows
    .insertInto('operations')
    .values({
      id: operation.id,
      resource_id: operation.resourceId,
      verb: operation.verb,
      refused_state: operation.refusedState,
      status: operation.status,
      actor_id: operation.actorId,
      actor_tenant: operation.actorTenant,
      started_at: operation.startedAt,
      ended_at: null,
      error: null,
    })
    .execute();
}

export async function findOperation(database: Database, id: string): Promise<Operation | undefined> {
  const row = await tables<OperationTables>(database.read)
    .selectFrom('operations')
    .select([
      ...(['id', 'resource_id', 'verb', 'refused_state', 'status'] as const),
      ...(['actor_id', 'actor_tenant', 'started_at', 'ended_at', 'error'] as const),
    ])
    .where('id', '=', id)
    .executeTakeFirst();
  return (
    row && {
      id: row.id,
      resourceId: row.resource_id,
      verb: row.verb,
      refusedState: row.refused_state,
      status: row.status,
      actorId: row.actor_id,
      actorTenant: row.actor_tenant,
      startedAt: row.started_at,
      endedAt: row.ended_at ?? undefined,
      // Written by endOperation alone.
      error: row.error === null ? undefined : (JSON.parse(row.error) as OperationFailure),
    }
  );
}

/** The first end counts. */
export async function endOperation(
  tx: Tx,
  id: string,
  end: { readonly at: string; readonly error: OperationFailure | undefined },
): Promise<void> {
  await tables<OperationTables>(tx)
    .updateTable('operations')
    .set({
      status: end.error === undefined ? 'Succeeded' : 'Failed',
      ended_at: end.at,
      error: end.error === undefined ? null : JSON.stringify(end.error),
    })
    .where('id', '=', id)
    .where('status', '=', 'InProgress')
    .execute();
}
