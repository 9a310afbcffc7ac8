// Tables of wrapped keys.

import type { MigrationSet } from '#kernel/database/database';

export const dataKeyMigrations: MigrationSet = {
  module: 'sealing',
  migrations: [
    {
      name: 'data-keys',
      up: `
        create table data_key_owners (
          owner text not null collate binary primary key,
          key_id text not null,
          wrapper text not null check (wrapper in ('root', 'vault')),
          key_identifier text,
          principal_id text,
          principal_name text,
          wrapped blob not null,
          revision integer not null
        ) strict, without rowid;
        create index data_key_owners_wrapper on data_key_owners (wrapper, owner);
        create table data_keys (
          owner text not null collate binary references data_key_owners (owner) on delete cascade,
          purpose text not null collate binary,
          key_id text not null,
          wrapped blob not null,
          primary key (owner, purpose)
        ) strict, without rowid;
      `,
    },
  ],
};
