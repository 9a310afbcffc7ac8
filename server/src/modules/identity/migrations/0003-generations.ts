// Revocation by counting: what was issued under another generation of a principal's credentials is worth nothing.

import type { Migration } from '#kernel/database/database';

export const generations: Migration = {
  name: 'generations',
  up: `
    alter table principals add column generation integer not null default 1 check (generation > 0);
  `,
};
