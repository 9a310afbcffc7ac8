// In the control database: which jobs that are made of others have not ended. Ids only: what they are lies in their workspaces.

import type { MigrationSet } from '#kernel/database/database';

export const flowTables: MigrationSet = {
  module: 'flows',
  migrations: [
    {
      name: '0001-under-way',
      up: `
        create table flows_under_way (
          key text primary key collate binary,
          job_id text not null,
          workspace text not null collate binary
        ) strict;
        create index flows_under_way_by_workspace on flows_under_way (workspace);
      `,
    },
  ],
};

/** In the database of every workspace. */
export const resultTables: MigrationSet = {
  module: 'flows',
  migrations: [
    {
      name: '0001-results',
      up: `
        create table flow_results (
          digest text primary key collate binary,
          job text not null
        ) strict, without rowid;
      `,
    },
  ],
};
