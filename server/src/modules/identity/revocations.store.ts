// Rows of revoked tokens. No decisions; every function takes the transaction first.

import { type Database, type Tx, tables } from '#kernel/database/database';

type RevocationRow = { token_id: string; until_ms: number };
type Tables = { revoked_tokens: RevocationRow };
const db = (tx: Tx) => tables<Tables>(tx);

const loadedMax = 1_000_000;

export const insertRevocation = (tx: Tx, row: RevocationRow) =>
  db(tx)
    .insertInto('revoked_tokens')
    .values(row)
    .onConflict((conflict) => conflict.column('token_id').doNothing())
    .execute();

/** All that hold after `now`. */
export const scanRevocations = (database: Database, now: number): Promise<readonly RevocationRow[]> =>
  database.scan(
    db(database.read).selectFrom('revoked_tokens').select(['token_id', 'until_ms']).where('until_ms', '>', now),
    { maxRows: loadedMax },
  );

export const deleteRevocations = (tx: Tx, now: number) =>
  db(tx).deleteFrom('revoked_tokens').where('until_ms', '<=', now).execute();
