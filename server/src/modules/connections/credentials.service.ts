// The credentials of a connection. At rest they are sealed under a data key of the workspace in the workspace's own database, so
// that a customer's key closes them too and they go with the workspace; in clear they exist while they are sent, and while
// somebody with the right to list them asks.

import type { ConnectionCredentials } from '@strongroom/contract/connections';
import type { Grant } from '#kernel/authority/grant';
import { openValue, type Place, sealValue } from '#kernel/crypto/value-envelope';
import type { Workspaces } from '#workspaces';
import { type CredentialsRow, deleteCredentials, findCredentials, putCredentials } from './credentials.store.ts';

const purpose = 'connections';

/** Which connection: its resource's unique id, so that a name that is reused finds no old credentials. */
export type CredentialsOwner = { readonly workspaceId: string; readonly uniqueId: string };

export type Credentials = {
  /** Puts them in the place of those that are there. */
  put(grant: Grant, owner: CredentialsOwner, credentials: ConnectionCredentials): Promise<void>;
  /** Undefined when there are none. Throws the vault's Failure while a customer's key is refused. */
  read(grant: Grant, owner: CredentialsOwner): Promise<ConnectionCredentials | undefined>;
  remove(grant: Grant, owner: CredentialsOwner): Promise<void>;
};

const placeOf = ({ connection, version }: Pick<CredentialsRow, 'connection' | 'version'>): Place => ({
  table: 'connection_credentials',
  row: connection,
  column: 'credentials',
  version,
});

export function createCredentials({
  workspaces,
}: {
  readonly workspaces: Pick<Workspaces, 'database' | 'dataKey'>;
}): Credentials {
  return {
    async put(grant, { workspaceId, uniqueId: connection }, credentials) {
      const key = await workspaces.dataKey(grant, workspaceId, purpose);
      const database = await workspaces.database(grant, workspaceId);
      const plain = Buffer.from(JSON.stringify(credentials), 'utf8');
      await database.write(async (tx) => {
        const version = ((await findCredentials(tx, connection))?.version ?? 0) + 1;
        await putCredentials(tx, {
          connection,
          version,
          envelope: sealValue(key, placeOf({ connection, version }), plain),
        });
      });
    },
    async read(grant, { workspaceId, uniqueId }) {
      const database = await workspaces.database(grant, workspaceId);
      const row = await findCredentials(database.read, uniqueId);
      if (row === undefined) return undefined;
      const key = await workspaces.dataKey(grant, workspaceId, purpose);
      const plain = openValue((id) => (id === key.id ? key : undefined), placeOf(row), row.envelope);
      // Sealed here, and checked by the kind's schema before.
      return JSON.parse(Buffer.from(plain).toString('utf8')) as ConnectionCredentials;
    },
    async remove(grant, { workspaceId, uniqueId }) {
      const database = await workspaces.database(grant, workspaceId);
      await database.write((tx) => deleteCredentials(tx, uniqueId));
    },
  };
}
