// Work and clusters, in the control database. Ids, states and numbers only: what is run, and what it prints, belongs to the
// workspace and lies under its key.

import type { MigrationSet } from '#kernel/database/database';
import { targetColumns } from './0002-targets.ts';
import { submitterColumn } from './0003-submitters.ts';
import { keptBytesColumn } from './0004-kept-inputs.ts';

export const computeTables: MigrationSet = {
  module: 'compute',
  migrations: [
    {
      name: '0001-work',
      up: `
        create table compute_work (
          id text primary key collate binary,
          number integer not null,
          kind text not null check (kind in ('job', 'score')),
          workspace_id text not null,
          compute_id text,
          subject text not null,
          label text not null,
          state text not null check (state in ('queued', 'leased', 'running', 'finished', 'lost')),
          agent text,
          session text,
          fence integer not null,
          last_seq integer not null,
          reason text,
          exit_code integer,
          told integer not null check (told in (0, 1)),
          created_at integer not null,
          leased_at integer,
          ended_at integer
        ) strict;
        create index compute_work_by_state on compute_work (state, told);
        create table compute_clusters (
          key text primary key collate binary,
          id text not null,
          min_nodes integer not null,
          max_nodes integer not null,
          idle_seconds integer not null
        ) strict;
      `,
    },
    targetColumns,
    submitterColumn,
    keptBytesColumn,
  ],
};
