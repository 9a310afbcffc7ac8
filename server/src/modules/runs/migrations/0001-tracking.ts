// Tables of tracking in each workspace's own database. Runs have a small number beside their id, so that the millions of
// metric rows stay short. Ids, names and keys compare exactly. A NaN is a flag, because the database stores none; the keys
// of `metrics` make a point that is sent twice one point.

import type { MigrationSet } from '#kernel/database/database';

export const trackingTables: MigrationSet = {
  module: 'runs',
  migrations: [
    {
      name: 'tracking',
      up: `
        create table experiments (
          experiment integer not null primary key autoincrement,
          name text not null collate binary unique,
          created_ms integer not null,
          updated_ms integer not null,
          deleted integer not null default 0 check (deleted in (0, 1))
        ) strict;
        create index experiments_by_age on experiments (created_ms desc, experiment);

        create table experiment_tags (
          experiment integer not null references experiments (experiment),
          key text not null collate binary,
          value text not null collate binary,
          primary key (experiment, key)
        ) strict, without rowid;

        insert into experiments (experiment, name, created_ms, updated_ms)
          values (0, 'Default', unixepoch() * 1000, unixepoch() * 1000);

        create table runs (
          run integer not null primary key autoincrement,
          run_id text not null collate binary unique,
          experiment integer not null references experiments (experiment),
          name text not null collate binary,
          user_id text not null collate binary,
          owner_id text not null collate binary,
          status text not null,
          start_ms integer not null,
          end_ms integer,
          deleted integer not null default 0 check (deleted in (0, 1))
        ) strict;
        create index runs_by_start on runs (experiment, start_ms desc, run_id);

        create table run_tags (
          run integer not null references runs (run),
          key text not null collate binary,
          value text not null collate binary,
          primary key (run, key)
        ) strict, without rowid;

        create table run_params (
          run integer not null references runs (run),
          key text not null collate binary,
          value text not null collate binary,
          primary key (run, key)
        ) strict, without rowid;

        create table metrics (
          run integer not null references runs (run),
          key text not null collate binary,
          timestamp_ms integer not null,
          step integer not null,
          value real not null,
          nan integer not null,
          primary key (run, key, timestamp_ms, step, value, nan)
        ) strict, without rowid;

        create table latest_metrics (
          run integer not null references runs (run),
          key text not null collate binary,
          step integer not null,
          timestamp_ms integer not null,
          value real not null,
          nan integer not null,
          primary key (run, key)
        ) strict, without rowid;

        create table datasets (
          dataset integer not null primary key,
          experiment integer not null references experiments (experiment),
          name text not null collate binary,
          digest text not null collate binary,
          source_type text not null,
          source text not null,
          schema text,
          profile text,
          unique (experiment, name, digest)
        ) strict;

        create table run_datasets (
          run integer not null references runs (run),
          dataset integer not null references datasets (dataset),
          primary key (run, dataset)
        ) strict, without rowid;

        create table run_dataset_tags (
          run integer not null references runs (run),
          dataset integer not null references datasets (dataset),
          key text not null collate binary,
          value text not null collate binary,
          primary key (run, dataset, key)
        ) strict, without rowid;

        create table logged_models (
          model integer not null primary key autoincrement,
          model_id text not null collate binary unique,
          experiment integer not null references experiments (experiment),
          name text not null collate binary,
          model_type text collate binary,
          source_run_id text collate binary,
          creator_id text not null collate binary,
          status text not null,
          created_ms integer not null,
          updated_ms integer not null,
          deleted integer not null default 0 check (deleted in (0, 1))
        ) strict;
        create index logged_models_by_age on logged_models (experiment, created_ms desc, model_id);

        create table logged_model_tags (
          model integer not null references logged_models (model),
          key text not null collate binary,
          value text not null collate binary,
          primary key (model, key)
        ) strict, without rowid;

        create table logged_model_params (
          model integer not null references logged_models (model),
          key text not null collate binary,
          value text not null collate binary,
          primary key (model, key)
        ) strict, without rowid;

        create table logged_model_metrics (
          model integer not null references logged_models (model),
          run integer not null references runs (run),
          key text not null collate binary,
          timestamp_ms integer not null,
          step integer not null,
          value real not null,
          nan integer not null,
          dataset_name text not null collate binary,
          dataset_digest text not null collate binary,
          primary key (model, key, timestamp_ms, step, value, nan, run, dataset_name, dataset_digest)
        ) strict, without rowid;

        create table run_models (
          run integer not null references runs (run),
          model_id text not null collate binary,
          direction text not null check (direction in ('input', 'output')),
          step integer not null,
          primary key (run, direction, model_id, step)
        ) strict, without rowid;

        create table runs_settings (
          name text not null collate binary primary key,
          value blob not null
        ) strict, without rowid;
      `,
    },
    {
      // When something was deleted, so that what is old enough can be purged. What is deleted already counts from now on.
      name: 'purge',
      up: `
        alter table runs add column deleted_ms integer;
        update runs set deleted_ms = unixepoch() * 1000 where deleted = 1;
        alter table experiments add column deleted_ms integer;
        update experiments set deleted_ms = unixepoch() * 1000 where deleted = 1;
        alter table logged_models add column deleted_ms integer;
        update logged_models set deleted_ms = unixepoch() * 1000 where deleted = 1;
        create index runs_deleted on runs (run) where deleted = 1;
        create index logged_models_by_run on logged_models (source_run_id);
      `,
    },
  ],
};
