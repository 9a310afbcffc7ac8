// Tables of every workspace database. Numbered, forward only.

import type { MigrationSet } from '#kernel/database/database';

export const assetTables: MigrationSet = {
  module: 'assets',
  migrations: [
    {
      name: '0001-snapshots',
      up: `
        CREATE TABLE snapshots (
          digest TEXT NOT NULL COLLATE BINARY PRIMARY KEY,
          files INTEGER NOT NULL,
          bytes INTEGER NOT NULL,
          created_at TEXT NOT NULL,
          created_by TEXT NOT NULL
        ) STRICT;
        CREATE TABLE snapshot_files (
          digest TEXT NOT NULL COLLATE BINARY REFERENCES snapshots(digest) ON DELETE CASCADE,
          path TEXT NOT NULL COLLATE BINARY,
          size INTEGER NOT NULL,
          sha256 TEXT NOT NULL,
          blob TEXT NOT NULL,
          PRIMARY KEY (digest, path)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX snapshot_files_by_blob ON snapshot_files (blob);
      `,
    },
    {
      name: '0002-pending-uploads',
      up: `
        CREATE TABLE pending_uploads (
          container TEXT NOT NULL COLLATE BINARY PRIMARY KEY,
          version_id TEXT NOT NULL COLLATE NOCASE,
          expires_at TEXT NOT NULL,
          digest TEXT COLLATE BINARY
        ) STRICT;
      `,
    },
    {
      // Small files share a blob: where each begins in it.
      name: '0003-snapshot-packs',
      up: 'ALTER TABLE snapshot_files ADD COLUMN start INTEGER NOT NULL DEFAULT 0;',
    },
  ],
};
