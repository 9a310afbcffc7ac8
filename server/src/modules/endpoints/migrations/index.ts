// Tables of every workspace database: the keys of its endpoints, sealed.

import type { MigrationSet } from '#kernel/database/database';

export const endpointTables: MigrationSet = {
  module: 'endpoints',
  migrations: [
    {
      name: '0001-keys',
      up: `
        CREATE TABLE endpoint_keys (
          endpoint TEXT NOT NULL COLLATE BINARY,
          name TEXT NOT NULL COLLATE BINARY CHECK (name IN ('primary', 'secondary')),
          version INTEGER NOT NULL,
          envelope BLOB NOT NULL,
          PRIMARY KEY (endpoint, name)
        ) STRICT, WITHOUT ROWID;
      `,
    },
  ],
};
