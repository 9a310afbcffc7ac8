// Quotas that somebody set, by the unique id of the resource: what is made anew under the same name begins with the default.

import type { MigrationSet } from '#kernel/database/database';

export const quotaTables: MigrationSet = {
  module: 'quotas',
  migrations: [
    {
      name: 'quotas',
      up: `
        create table quotas (
          unique_id text not null primary key collate binary,
          resource_id text not null,
          limit_bytes integer not null check (limit_bytes >= 0)
        ) strict, without rowid;
      `,
    },
  ],
};
