// Scoring requests live in the database of the workspace whose endpoint was called: under its key, gone with it.

import type { MigrationSet } from '#kernel/database/database';

export const scoringTables: MigrationSet = {
  module: 'monitoring',
  migrations: [
    {
      name: '0001-scoring-requests',
      up: `
        CREATE TABLE scoring_requests (
          id INTEGER PRIMARY KEY AUTOINCREMENT,
          time TEXT NOT NULL,
          endpoint TEXT NOT NULL COLLATE NOCASE,
          deployment TEXT NOT NULL COLLATE NOCASE,
          http_method TEXT NOT NULL,
          user_agent TEXT NOT NULL,
          compute_type TEXT NOT NULL,
          request_url TEXT NOT NULL,
          status_code INTEGER NOT NULL,
          request_id TEXT NOT NULL,
          duration_ms REAL NOT NULL,
          auth_type TEXT NOT NULL,
          request_bytes INTEGER NOT NULL,
          response_bytes INTEGER NOT NULL,
          model_status_code INTEGER,
          client_request_id TEXT
        ) STRICT;
        CREATE INDEX scoring_requests_by_endpoint ON scoring_requests (endpoint, id);
      `,
    },
  ],
};
