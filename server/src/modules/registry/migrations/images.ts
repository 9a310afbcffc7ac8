// The database of one registry: its repositories, and which sealed files hold which blob. It is encrypted as a whole, so
// names, tags, digests and manifests are on disk nowhere else and never in the clear.
//
// A blob is there once a registry, in one file or, when it came in chunks, in several. A repository reaches it by a link:
// who may pull one repository learns nothing of what others hold. A mention is what a manifest needs to stay. A link
// remembers roughly when somebody pushed, mounted or asked for the blob: what no manifest mentions goes a while after that.

import type { MigrationSet } from '#kernel/database/database';
import { usageOnDisk, usageTable } from '#storage';

export const imageMigrations: MigrationSet = {
  module: 'registry-images',
  migrations: [
    {
      name: 'repositories-blobs-manifests-tags',
      up: `
        create table blobs (
          digest text not null collate binary primary key,
          size integer not null
        ) strict, without rowid;

        create table parts (
          digest text not null collate binary,
          start integer not null,
          size integer not null,
          file text not null collate binary,
          sealed_size integer not null,
          key_id text not null,
          primary key (digest, start)
        ) strict, without rowid;
        create index parts_by_file on parts (file);

        create table links (
          repository text not null collate binary,
          digest text not null collate binary,
          asked_ms integer not null,
          primary key (repository, digest)
        ) strict, without rowid;
        create index links_by_digest on links (digest);

        create table repositories (
          name text not null collate binary primary key
        ) strict, without rowid;

        create table manifests (
          repository text not null collate binary,
          digest text not null collate binary,
          media_type text not null,
          size integer not null,
          subject text collate binary,
          artifact_type text,
          pushed_ms integer not null,
          bytes blob not null,
          primary key (repository, digest)
        ) strict;
        create index manifests_by_subject on manifests (repository, subject, digest) where subject is not null;

        create table mentions (
          repository text not null collate binary,
          manifest text not null collate binary,
          target text not null collate binary,
          primary key (repository, manifest, target)
        ) strict, without rowid;
        create index mentions_by_target on mentions (repository, target);

        create table tags (
          repository text not null collate binary,
          name text not null collate binary,
          digest text not null collate binary,
          primary key (repository, name)
        ) strict, without rowid;
        create index tags_by_digest on tags (repository, digest);
      `,
    },
    usageTable(['parts']),
    {
      // When a tag was first set and last moved, what a manifest weighs with its content, and the order of both by time.
      name: 'times-and-sizes',
      up: `
        alter table tags add column created_ms integer not null default 0;
        alter table tags add column moved_ms integer not null default 0;
        update tags set (created_ms, moved_ms) = (
          select pushed_ms, pushed_ms from manifests
          where manifests.repository = tags.repository and manifests.digest = tags.digest
        );
        create index tags_by_time on tags (repository, moved_ms, name);

        alter table manifests add column content_size integer not null default 0;
        update manifests set content_size = (
          select coalesce(sum(blobs.size), 0) from mentions
          join blobs on blobs.digest = mentions.target
          where mentions.repository = manifests.repository and mentions.manifest = manifests.digest
        );
        create index manifests_by_time on manifests (repository, pushed_ms, digest);
      `,
    },
    usageOnDisk(['parts']),
  ],
};
