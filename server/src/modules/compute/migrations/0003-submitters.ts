// Whose turn it is among what waits follows from who submitted it. Of what waited before nobody is known: it is its workspace's.

import type { MigrationSet } from '#kernel/database/database';

export const submitterColumn: MigrationSet['migrations'][number] = {
  name: '0003-submitters',
  up: 'alter table compute_work add column submitter text;',
};
