// Tables of every workspace database: what running jobs print, until it becomes an artifact.

import type { MigrationSet } from '#kernel/database/database';

export const jobTables: MigrationSet = {
  module: 'jobs',
  migrations: [
    {
      name: '0001-log-chunks',
      up: `
        CREATE TABLE job_log_chunks (
          job TEXT NOT NULL COLLATE BINARY,
          start INTEGER NOT NULL,
          text TEXT NOT NULL,
          PRIMARY KEY (job, start)
        ) STRICT, WITHOUT ROWID;
      `,
    },
  ],
};
