// Tables of access. Names, roles and principals are GUIDs in lower case; scopes are kept as they were written and, for
// comparison, as their key. The unique index is Azure's rule that one principal holds a role once at a scope.

import type { Migration } from '#kernel/database/database';

export const roles: Migration = {
  name: 'roles',
  up: `
    create table role_assignments (
      name text not null primary key collate binary,
      scope text not null,
      scope_key text not null collate binary,
      subscription_key text collate binary,
      role_id text not null collate binary,
      principal_id text not null collate binary,
      principal_type text not null,
      description text,
      expires_at_ms integer,
      require_mfa integer not null check (require_mfa in (0, 1)),
      allowed_addresses text not null,
      created_on text not null,
      updated_on text not null,
      created_by text not null,
      updated_by text not null
    ) strict, without rowid;
    create unique index role_assignments_once on role_assignments (scope_key, role_id, principal_id);
    create index role_assignments_of_role on role_assignments (role_id, scope_key);
    create index role_assignments_of_principal on role_assignments (principal_id);
    create index role_assignments_of_subscription on role_assignments (subscription_key);

    create table role_definitions (
      id text not null primary key collate binary,
      role_name text not null,
      role_name_key text not null unique collate binary,
      description text not null,
      permissions text not null,
      assignable_scopes text not null,
      created_on text not null,
      updated_on text not null,
      created_by text,
      updated_by text
    ) strict, without rowid;
  `,
  postgres: `
    create table role_assignments (
      name text collate "C" not null primary key,
      scope text collate "C" not null,
      scope_key text collate "C" not null,
      subscription_key text collate "C",
      role_id text collate "C" not null,
      principal_id text collate "C" not null,
      principal_type text collate "C" not null,
      description text collate "C",
      expires_at_ms bigint,
      require_mfa bigint not null check (require_mfa in (0, 1)),
      allowed_addresses text collate "C" not null,
      created_on text collate "C" not null,
      updated_on text collate "C" not null,
      created_by text collate "C" not null,
      updated_by text collate "C" not null
    );
    create unique index role_assignments_once on role_assignments (scope_key, role_id, principal_id);
    create index role_assignments_of_role on role_assignments (role_id, scope_key);
    create index role_assignments_of_principal on role_assignments (principal_id);
    create index role_assignments_of_subscription on role_assignments (subscription_key);

    create table role_definitions (
      id text collate "C" not null primary key,
      role_name text collate "C" not null,
      role_name_key text collate "C" not null unique,
      description text collate "C" not null,
      permissions text collate "C" not null,
      assignable_scopes text collate "C" not null,
      created_on text collate "C" not null,
      updated_on text collate "C" not null,
      created_by text collate "C",
      updated_by text collate "C"
    );
  `,
};
