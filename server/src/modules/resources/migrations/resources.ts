// Tables of the resource manager. `resources` exists in the control database and in every home of children (a
// workspace's own encrypted database); `operations` is read and written in the control database only.
// `id_key` is what ids are compared by; every text column compares byte by byte.

import type { MigrationSet } from '#kernel/database/database';

/** Applied to the control database and, unchanged, to every database that `homeOf` answers. */
export const resourceTables: MigrationSet = {
  module: 'resources',
  migrations: [
    {
      name: 'resources',
      up: `
        create table resources (
          id_key text not null collate binary primary key,
          id text not null,
          type_key text not null collate binary,
          type text not null,
          name text not null,
          location text,
          tags text not null,
          kind text,
          sku text,
          identity text,
          properties text not null,
          state text not null check (state in ('Creating', 'Updating', 'Deleting', 'Succeeded', 'Failed', 'Canceled')),
          etag text not null,
          unique_id text not null collate binary unique,
          system_data text not null,
          creator text not null,
          created_at text not null,
          operation_id text,
          holder text
        ) strict;
        create index resources_type on resources (type_key, id_key);
        create table operations (
          id text not null collate binary primary key,
          resource_id text not null,
          verb text not null check (verb in ('create', 'remove')),
          refused_state text not null check (refused_state in ('Succeeded', 'Failed', 'Canceled')),
          status text not null check (status in ('InProgress', 'Succeeded', 'Failed')),
          actor_id text not null,
          actor_tenant text not null,
          started_at text not null,
          ended_at text,
          error text
        ) strict, without rowid;
        create index operations_ended on operations (ended_at) where ended_at is not null;
      `,
      postgres: `
        create table resources (
          id_key text collate "C" not null primary key,
          id text collate "C" not null,
          type_key text collate "C" not null,
          type text collate "C" not null,
          name text collate "C" not null,
          location text collate "C",
          tags text collate "C" not null,
          kind text collate "C",
          sku text collate "C",
          identity text collate "C",
          properties text collate "C" not null,
          state text collate "C" not null check (state in ('Creating', 'Updating', 'Deleting', 'Succeeded', 'Failed', 'Canceled')),
          etag text collate "C" not null,
          unique_id text collate "C" not null unique,
          system_data text collate "C" not null,
          creator text collate "C" not null,
          created_at text collate "C" not null,
          operation_id text collate "C",
          holder text collate "C"
        );
        create index resources_type on resources (type_key, id_key);
        create table operations (
          id text collate "C" not null primary key,
          resource_id text collate "C" not null,
          verb text collate "C" not null check (verb in ('create', 'remove')),
          refused_state text collate "C" not null check (refused_state in ('Succeeded', 'Failed', 'Canceled')),
          status text collate "C" not null check (status in ('InProgress', 'Succeeded', 'Failed')),
          actor_id text collate "C" not null,
          actor_tenant text collate "C" not null,
          started_at text collate "C" not null,
          ended_at text collate "C",
          error text collate "C"
        );
        create index operations_ended on operations (ended_at) where ended_at is not null;
      `,
    },
    {
      name: 'inert',
      // What a caller set and has no effect here; see unserved.ts.
      up: `alter table resources add column inert text not null default '{}';`,
      postgres: `alter table resources add column inert text collate "C" not null default '{}';`,
    },
  ],
};
