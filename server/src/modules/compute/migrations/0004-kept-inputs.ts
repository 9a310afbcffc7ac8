// A job whose inputs are too large for memory waits for a node that keeps so many bytes. What waited before had none of that size.

import type { MigrationSet } from '#kernel/database/database';

export const keptBytesColumn: MigrationSet['migrations'][number] = {
  name: '0004-kept-inputs',
  up: 'alter table compute_work add column kept_bytes integer;',
};
