// What stays of records that were archived and dropped: the leaf hashes of each of their tiles, so that every proof and every
// checkpoint still verifies, and the act by which they went, word for word, so that it can be hashed again when it is dropped itself.

import type { Migration } from '#kernel/database/database';

export const segments: Migration = {
  name: '0003-segments',
  up: `
    create table audit_leaves (
      tile integer primary key,
      hashes blob not null
    ) strict;

    create table audit_drops (
      first integer primary key,
      past integer not null,
      act integer not null,
      record text not null,
      until_ms integer not null,
      done integer not null
    ) strict;`,
  postgres: `
    create table audit_leaves (
      tile bigint primary key,
      hashes bytea not null
    );

    create table audit_drops (
      first bigint primary key,
      past bigint not null,
      act bigint not null,
      record text collate "C" not null,
      until_ms bigint not null,
      done bigint not null
    );`,
};
