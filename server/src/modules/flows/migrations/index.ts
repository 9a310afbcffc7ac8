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
    {
      // Those that stand in another one take no room of their own: it would never end while they wait for room.
      name: '0002-within',
      up: 'alter table flows_under_way add column is_within integer not null default 0;',
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
    {
      name: '0002-parts',
      up: `
        create table flow_parts (
          root text not null collate binary,
          digest text not null collate binary,
          part text not null,
          primary key (root, digest)
        ) strict, without rowid;
      `,
    },
    {
      // Bounded by what was used last. What was remembered without that goes: it is done again once.
      name: '0003-results-used',
      up: `
        drop table flow_results;
        create table flow_results (
          digest text primary key collate binary,
          job text not null,
          job_unique_id text not null,
          used_ms integer not null
        ) strict, without rowid;
        create index flow_results_by_use on flow_results (used_ms);
      `,
    },
  ],
};
