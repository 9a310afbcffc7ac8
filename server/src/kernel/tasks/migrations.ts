// The table of background work. Times are milliseconds since 1970.

import type { MigrationSet } from '#kernel/database/database';

export const taskMigrations: MigrationSet = {
  module: 'tasks',
  migrations: [
    {
      name: 'tasks',
      up: `
        create table tasks (
          id integer primary key autoincrement,
          name text not null,
          subject text not null,
          payload text not null,
          state text not null check (state in ('queued', 'running', 'done', 'failed')),
          attempts integer not null,
          lease_owner text,
          lease_until integer,
          fence integer not null,
          run_at integer not null,
          error text,
          created_at integer not null,
          finished_at integer
        ) strict;
        create index tasks_due on tasks (state, run_at);
      `,
    },
  ],
};
