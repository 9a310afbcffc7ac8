// What a client secret is called by whoever made it, so that it can be told from the others.

import type { Migration } from '#kernel/database/database';

export const secretNames: Migration = {
  name: 'secret-names',
  up: `
    alter table application_secrets add column display_name text;
  `,
};
