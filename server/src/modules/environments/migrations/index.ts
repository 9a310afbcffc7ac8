// Tables of every workspace database: what environments are made of, which image each has become, and which jobs wait for one.

import type { MigrationSet } from '#kernel/database/database';

export const environmentTables: MigrationSet = {
  module: 'environments',
  migrations: [
    {
      name: '0001-environments',
      up: `
        CREATE TABLE environments (
          recipe TEXT NOT NULL COLLATE BINARY PRIMARY KEY,
          content TEXT NOT NULL,
          build TEXT,
          registry TEXT,
          repository TEXT,
          digest TEXT,
          lock TEXT,
          built_by TEXT
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE environment_waiting (
          job TEXT NOT NULL COLLATE NOCASE PRIMARY KEY,
          recipe TEXT NOT NULL COLLATE BINARY
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX environment_waiting_by_recipe ON environment_waiting (recipe);
      `,
    },
  ],
};
