// The database of one account: which blobs there are and which sealed files hold them. It is encrypted as a whole, so
// names and metadata are on disk nowhere else and never in the clear.
//
// A blob version is an ordered list of parts, each one sealed file: one part for a blob that was put at once, one a block
// for a blob that was committed from blocks. Names compare byte by byte.

import type { MigrationSet } from '#kernel/database/database';
import { usageOnDisk, usageTable } from './usage.ts';

export const blobIndexMigrations: MigrationSet = {
  module: 'storage-blobs',
  migrations: [
    {
      name: 'containers-blobs-parts-blocks',
      up: `
        create table containers (
          name text not null collate binary primary key,
          etag text not null,
          metadata text not null,
          modified_ms integer not null,
          deleting integer not null
        ) strict, without rowid;

        create table blobs (
          container text not null collate binary,
          name text not null collate binary,
          version text not null collate binary,
          size integer not null,
          content_md5 text,
          etag text not null,
          content_type text not null,
          headers text not null,
          metadata text not null,
          created_ms integer not null,
          modified_ms integer not null,
          primary key (container, name)
        ) strict, without rowid;

        create table parts (
          version text not null collate binary,
          start integer not null,
          size integer not null,
          file text not null collate binary,
          sealed_size integer not null,
          key_id text not null,
          block_id text,
          primary key (version, start, file)
        ) strict, without rowid;
        create index parts_by_file on parts (file);

        create table blocks (
          container text not null collate binary,
          blob text not null collate binary,
          block_id text not null collate binary,
          size integer not null,
          file text not null collate binary,
          sealed_size integer not null,
          key_id text not null,
          staged_ms integer not null,
          primary key (container, blob, block_id)
        ) strict, without rowid;
        create index blocks_by_file on blocks (file);
        create index blocks_by_age on blocks (staged_ms);
      `,
    },
    { name: 'access-tier', up: 'alter table blobs add column access_tier text;' },
    usageTable(['parts', 'blocks']),
    usageOnDisk(['parts', 'blocks']),
  ],
};
