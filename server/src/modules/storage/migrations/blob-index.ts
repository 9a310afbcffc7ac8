// The database of one account: which blobs there are and which sealed files hold them. It is encrypted as a whole, so
// names and metadata are on disk nowhere else and never in the clear.
//
// A blob version is an ordered list of parts, each one sealed file: one part for a blob that was put at once, one a block
// for a blob that was committed from blocks. Blocks that wait lie below a staging, as parts lie below a version: to replace a
// blob or to drop its blocks changes one row, however many there are, and what lies below an id that has no name any more is
// taken away afterwards, piece by piece. A file may be a part of several blobs, and goes with the last. Names compare byte by byte.

import type { MigrationSet } from '#kernel/database/database';
import { onDisk, usageOnDisk, usageTable } from './usage.ts';

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
    {
      name: 'stagings',
      up: `
        create table stagings (
          container text not null collate binary,
          blob text not null collate binary,
          id text not null collate binary,
          blocks integer not null,
          id_bytes integer not null,
          staged_ms integer not null,
          primary key (container, blob)
        ) strict, without rowid;
        create unique index stagings_by_id on stagings (id);
        insert into stagings
          select container, blob, lower(hex(randomblob(16))), count(*),
            length(min(block_id)) / 4 * 3 - (length(min(block_id)) - length(rtrim(min(block_id), '='))), max(staged_ms)
          from blocks group by container, blob;

        create table blocks_of_stagings (
          staging text not null collate binary,
          block_id text not null collate binary,
          size integer not null,
          file text not null collate binary,
          sealed_size integer not null,
          key_id text not null,
          staged_ms integer not null,
          primary key (staging, block_id)
        ) strict, without rowid;
        insert into blocks_of_stagings
          select stagings.id, block_id, size, file, sealed_size, key_id, blocks.staged_ms
          from blocks join stagings using (container, blob);
        drop table blocks;
        alter table blocks_of_stagings rename to blocks;
        create index blocks_by_file on blocks (file);
        create index blocks_by_age on blocks (staged_ms);
        create index parts_by_block on parts (version, block_id) where block_id is not null;

        -- Ids of versions and stagings that no blob has any more, or not yet, with rows below them.
        create table loose (
          id text not null collate binary primary key
        ) strict, without rowid;

        -- A part counts as often as it stands in a blob. While parts are written ahead a block waits beside its part: it counts once.
        drop trigger parts_added;
        drop trigger parts_removed;
        drop trigger parts_resized;
        create trigger parts_added after insert on parts when not (
          exists (select 1 from blocks where file = new.file) and
          not exists (select 1 from parts where file = new.file and (version, start) <> (new.version, new.start))
        ) begin
          update usage set bytes = bytes + ${onDisk('new.sealed_size')};
        end;
        create trigger parts_removed after delete on parts when not (
          exists (select 1 from blocks where file = old.file) and not exists (select 1 from parts where file = old.file)
        ) begin
          update usage set bytes = bytes - ${onDisk('old.sealed_size')};
        end;
        create trigger blocks_added after insert on blocks
        when not exists (select 1 from parts where file = new.file) begin
          update usage set bytes = bytes + ${onDisk('new.sealed_size')};
        end;
        create trigger blocks_removed after delete on blocks
        when not exists (select 1 from parts where file = old.file) begin
          update usage set bytes = bytes - ${onDisk('old.sealed_size')};
        end;
      `,
    },
    {
      name: 'shared-parts',
      up: `
        -- Where a part is also another blob's, the container and blob that its file is sealed as: those of who wrote it first.
        alter table parts add column sealed_container text;
        alter table parts add column sealed_blob text;

        -- A file that blobs share counts once: while any of them has it.
        drop trigger parts_added;
        drop trigger parts_removed;
        create trigger parts_added after insert on parts when not (
          exists (select 1 from blocks where file = new.file) and
          not exists (select 1 from parts where file = new.file and (version, start) <> (new.version, new.start))
        ) and not (
          new.sealed_blob is not null and
          exists (select 1 from parts where file = new.file and (version, start) <> (new.version, new.start))
        ) begin
          update usage set bytes = bytes + ${onDisk('new.sealed_size')};
        end;
        create trigger parts_removed after delete on parts when not (
          exists (select 1 from blocks where file = old.file) and not exists (select 1 from parts where file = old.file)
        ) and not (
          exists (select 1 from parts where file = old.file) and (
            old.sealed_blob is not null or
            not exists (select 1 from parts where file = old.file and sealed_blob is null)
          )
        ) begin
          update usage set bytes = bytes - ${onDisk('old.sealed_size')};
        end;
      `,
    },
    // Of the bytes of the version, where it is known.
    { name: 'content-digest', up: 'alter table blobs add column sha256 text;' },
  ],
};
