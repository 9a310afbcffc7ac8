// Where work and clusters are placed. What was there before was all of this machine.

import type { MigrationSet } from '#kernel/database/database';

export const targetColumns: MigrationSet['migrations'][number] = {
  name: '0002-targets',
  up: `
    alter table compute_work add column target text not null default 'local';
    alter table compute_clusters add column target text not null default 'local';
  `,
};
