// The last anchored generation of each store. Entries of the log hold every one that was anchored; this is what is asked when a
// store is opened.

import type { Migration } from '#kernel/database/database';

export const anchors: Migration = {
  name: '0002-anchors',
  up: `
    create table audit_anchors (
      store text primary key collate binary,
      generation integer not null
    ) strict, without rowid;`,
  postgres: `
    create table audit_anchors (
      store text collate "C" primary key,
      generation bigint not null
    );`,
};
