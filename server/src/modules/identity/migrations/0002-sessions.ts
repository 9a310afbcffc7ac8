// What sign-in remembers: codes, refresh tokens, sessions and grants under the hash of the value that the client holds,
// tokens that were revoked, and failed attempts. All of it expires and is swept.

import type { Migration } from '#kernel/database/database';

export const sessionTables: Migration = {
  name: 'sessions',
  up: `
    create table openid_records (
      model text not null collate binary,
      key text not null collate binary,
      payload text not null,
      grant_id text collate binary,
      user_code_key text collate binary,
      uid_key text collate binary,
      consumed_at_ms integer,
      expires_at_ms integer not null,
      primary key (model, key)
    ) strict, without rowid;
    create index openid_records_grant on openid_records (grant_id) where grant_id is not null;
    create index openid_records_user_code on openid_records (model, user_code_key) where user_code_key is not null;
    create index openid_records_uid on openid_records (model, uid_key) where uid_key is not null;
    create index openid_records_expiry on openid_records (expires_at_ms);

    create table revoked_tokens (
      token_id text not null primary key collate binary,
      until_ms integer not null
    ) strict, without rowid;
    create index revoked_tokens_until on revoked_tokens (until_ms);

    create table failed_attempts (
      key text not null primary key collate binary,
      failures integer not null,
      locked_until_ms integer not null,
      forget_at_ms integer not null
    ) strict, without rowid;
    create index failed_attempts_forget on failed_attempts (forget_at_ms);
  `,
};
