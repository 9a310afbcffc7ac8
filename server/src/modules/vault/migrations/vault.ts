// Tables of vaults. A vault's name is unique over the whole server, because names become hosts; what a vault holds is keyed by
// the vault's uniqueId, so that a name that is used again finds nothing old. Names compare in lower case (`name_key`), and show
// as they were written. Times are milliseconds since 1970; `not_before` and `expires` are seconds, as the protocol counts.

import type { MigrationSet } from '#kernel/database/database';

export const vaultMigrations: MigrationSet = {
  module: 'vault',
  migrations: [
    {
      name: 'vaults',
      up: `
        create table vaults (
          name_key text not null primary key collate binary,
          name text not null,
          id text not null,
          unique_id text not null unique collate binary,
          location text not null,
          retention_days integer not null,
          purge_protection integer not null check (purge_protection in (0, 1))
        ) strict, without rowid;

        create table vault_objects (
          vault text not null collate binary,
          collection text not null collate binary check (collection in ('secrets', 'keys')),
          name_key text not null collate binary,
          name text not null,
          latest integer not null,
          deleted_at integer,
          purge_at integer,
          primary key (vault, collection, name_key),
          check ((deleted_at is null) = (purge_at is null))
        ) strict, without rowid;
        create index vault_objects_due on vault_objects (purge_at) where purge_at is not null;

        create table vault_versions (
          vault text not null collate binary,
          collection text not null collate binary,
          name_key text not null collate binary,
          number integer not null,
          version text not null collate binary,
          enabled integer not null check (enabled in (0, 1)),
          not_before integer,
          expires integer,
          created_at integer not null,
          updated_at integer not null,
          tags text not null,
          detail text not null,
          sealed blob not null,
          primary key (vault, collection, name_key, number),
          unique (vault, collection, name_key, version),
          foreign key (vault, collection, name_key)
            references vault_objects (vault, collection, name_key) on delete cascade
        ) strict;
      `,
    },
    {
      // What was a vault's row while it lived. What it holds stays where it is, under the same unique_id, sealed by the same key.
      name: 'deleted-vaults',
      up: `
        create table deleted_vaults (
          name_key text not null primary key collate binary,
          name text not null,
          id text not null,
          unique_id text not null unique collate binary,
          location text not null,
          retention_days integer not null,
          purge_protection integer not null check (purge_protection in (0, 1)),
          tags text not null,
          deleted_at integer not null,
          purge_at integer not null
        ) strict, without rowid;
      `,
    },
  ],
};
