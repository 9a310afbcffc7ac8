// Rows of sealed credentials, one for each connection that has any.

import { type Tx, tables } from '#kernel/database/database';

/** `connection` is the unique id of its resource, so that a name that is reused finds nothing. */
export type CredentialsRow = { connection: string; version: number; envelope: Uint8Array };
type Tables = { connection_credentials: CredentialsRow };

export function findCredentials(tx: Tx, connection: string): Promise<CredentialsRow | undefined> {
  return tables<Tables>(tx)
    .selectFrom('connection_credentials')
    .selectAll()
    .where('connection', '=', connection)
    .executeTakeFirst();
}

export async function putCredentials(tx: Tx, row: CredentialsRow): Promise<void> {
  const { version, envelope } = row;
  await tables<Tables>(tx)
    .insertInto('connection_credentials')
    .values(row)
    .onConflict((conflict) => conflict.column('connection').doUpdateSet({ version, envelope }))
    .execute();
}

export async function deleteCredentials(tx: Tx, connection: string): Promise<void> {
  await tables<Tables>(tx).deleteFrom('connection_credentials').where('connection', '=', connection).execute();
}
