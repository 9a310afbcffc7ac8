// Who exists: principals and what each kind adds. User names compare without regard to case, ids exactly.

import type { Migration } from '#kernel/database/database';

export const directoryTables: Migration = {
  name: 'directory',
  up: `
    create table identity_settings (
      name text not null primary key collate binary,
      value text not null
    ) strict, without rowid;

    create table principals (
      object_id text not null primary key collate binary,
      kind text not null check (kind in ('user', 'application', 'managedIdentity')),
      name text not null,
      enabled integer not null default 1 check (enabled in (0, 1)),
      created_at text not null
    ) strict, without rowid;

    create table users (
      object_id text not null primary key collate binary references principals (object_id) on delete cascade,
      user_name text not null unique collate nocase,
      display_name text not null,
      password_hash text not null,
      password_changed_at text not null
    ) strict, without rowid;

    create table applications (
      object_id text not null primary key collate binary references principals (object_id) on delete cascade,
      client_id text not null unique collate binary
    ) strict, without rowid;

    create table application_secrets (
      secret_id text not null primary key collate binary,
      client_id text not null collate binary references applications (client_id) on delete cascade,
      hash blob not null check (length(hash) = 32),
      created_at text not null,
      expires_at_ms integer not null
    ) strict, without rowid;
    create index application_secrets_client on application_secrets (client_id);

    create table managed_identities (
      object_id text not null primary key collate binary references principals (object_id) on delete cascade,
      client_id text not null unique collate binary,
      resource_key text not null unique collate binary,
      resource_id text not null
    ) strict, without rowid;
  `,
};
