// A table of every workspace database: the credentials of its connections, sealed.

import type { MigrationSet } from '#kernel/database/database';

export const connectionTables: MigrationSet = {
  module: 'connections',
  migrations: [
    {
      name: '0001-credentials',
      up: `
        CREATE TABLE connection_credentials (
          connection TEXT NOT NULL PRIMARY KEY COLLATE BINARY,
          version INTEGER NOT NULL,
          envelope BLOB NOT NULL
        ) STRICT, WITHOUT ROWID;
      `,
    },
  ],
};
