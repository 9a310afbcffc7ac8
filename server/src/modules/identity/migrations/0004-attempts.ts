// Failed sign-ins, counted by more than before: what was counted until now is forgotten. How many tries a user has to be told
// of stands beside the user, and whether the password has to be changed before anything is issued.

import type { Migration } from '#kernel/database/database';

export const signInAttempts: Migration = {
  name: 'sign-in-attempts',
  up: `
    drop table failed_attempts;
    create table sign_in_attempts (
      key text not null primary key collate binary,
      level real not null,
      level_at_ms integer not null,
      locked_until_ms integer not null,
      forget_at_ms integer not null
    ) strict, without rowid;
    create index sign_in_attempts_forget on sign_in_attempts (forget_at_ms);

    alter table users add column failed_tries integer not null default 0;
    alter table users add column last_failed_at_ms integer;
    alter table users add column must_change_password integer not null default 0 check (must_change_password in (0, 1));
  `,
};
