// In the control database: when which schedule is looked at. Ids and times only: what they are lies in their workspaces.

import type { MigrationSet } from '#kernel/database/database';

export const scheduleTables: MigrationSet = {
  module: 'schedules',
  migrations: [
    {
      name: '0001-due',
      up: `
        create table schedules_due (
          key text primary key collate binary,
          schedule_id text not null,
          workspace text not null collate binary,
          look_at integer,
          set_at integer not null,
          holds integer not null
        ) strict;
        create index schedules_due_by_time on schedules_due (look_at) where look_at is not null;
        create index schedules_due_by_workspace on schedules_due (workspace);
      `,
    },
  ],
};
