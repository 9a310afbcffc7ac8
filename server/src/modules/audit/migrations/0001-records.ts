// The audit database: records in leaf order, roots of full tiles, the state of the appender, signed checkpoints. The
// columns beside `record` are copies for queries; verification recomputes every one of them from the record.

import type { Migration } from '#kernel/database/database';

export const records: Migration = {
  name: '0001-records',
  up: `
    create table audit_records (
      sequence integer primary key,
      leaf blob not null,
      record text not null,
      kind text not null collate binary,
      time_ms integer not null,
      activity integer not null,
      scope text not null collate binary,
      correlation text not null collate binary,
      actor text not null collate binary,
      intent integer
    ) strict;
    -- One index that only grows at its end. An index of its own for each of these columns is a page somewhere in the
    -- middle for every record, to be encrypted and written: measured at two to three times the cost of all the rest.
    create index audit_records_by_time on audit_records (time_ms, activity, correlation, actor, scope);

    create table audit_tiles (
      tile integer primary key,
      root blob not null
    ) strict;

    create table audit_tree (
      id integer primary key check (id = 1),
      size integer not null,
      hashes blob not null,
      settled integer not null
    ) strict;
    insert into audit_tree (id, size, hashes, settled) values (1, 0, x'', 0);

    create table audit_checkpoints (
      size integer primary key,
      time_ms integer not null,
      note text not null
    ) strict;`,
  postgres: `
    create table audit_records (
      sequence bigint primary key,
      leaf bytea not null,
      record text collate "C" not null,
      kind text collate "C" not null,
      time_ms bigint not null,
      activity bigint not null,
      scope text collate "C" not null,
      correlation text collate "C" not null,
      actor text collate "C" not null,
      intent bigint
    );
    -- Fewer columns than in a file: an entry of an index has a bound here that a scope may pass.
    create index audit_records_by_time on audit_records (time_ms, activity);

    create table audit_tiles (
      tile bigint primary key,
      root bytea not null
    );

    create table audit_tree (
      id bigint primary key check (id = 1),
      size bigint not null,
      hashes bytea not null,
      settled bigint not null
    );
    insert into audit_tree (id, size, hashes, settled) values (1, 0, ''::bytea, 0);

    create table audit_checkpoints (
      size bigint primary key,
      time_ms bigint not null,
      note text collate "C" not null
    );`,
};
