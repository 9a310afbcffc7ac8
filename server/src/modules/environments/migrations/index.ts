// Tables of every workspace database: what environments are made of, which image each has become, which jobs wait for one, and what
// names it. In the control database: which images there are.

import type { MigrationSet } from '#kernel/database/database';

/** Of the control database. */
export const builtImageTables: MigrationSet = {
  module: 'environments',
  migrations: [
    {
      name: '0001-built-images',
      up: `
        CREATE TABLE built_images (
          repository TEXT NOT NULL COLLATE BINARY PRIMARY KEY,
          registry TEXT NOT NULL,
          workspace TEXT NOT NULL,
          recipe TEXT NOT NULL,
          build TEXT NOT NULL,
          pushed_ms INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
      `,
    },
  ],
};

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
    {
      // Of what was there before nothing is known: its time begins when it is first looked at.
      name: '0002-use',
      up: `
        ALTER TABLE environments ADD COLUMN used_ms INTEGER NOT NULL DEFAULT 0;
        CREATE TABLE environment_names (
          recipe TEXT NOT NULL COLLATE BINARY,
          environment TEXT NOT NULL COLLATE NOCASE,
          PRIMARY KEY (recipe, environment)
        ) STRICT, WITHOUT ROWID;
      `,
    },
    { name: '0003-lost', up: 'ALTER TABLE environments ADD COLUMN lost_builds INTEGER NOT NULL DEFAULT 0;' },
    { name: '0004-fetched', up: 'ALTER TABLE environments ADD COLUMN failure TEXT;' },
  ],
};
