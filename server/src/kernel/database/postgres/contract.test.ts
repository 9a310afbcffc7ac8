// The contract of databases on PostgreSQL.

import { withPostgres } from '#kernel/testing/postgres.fixture';
import { databaseContract } from '../database.contract.ts';
import { ask, connect } from './connection.ts';
import { createPostgresDatabases } from './databases.ts';

await withPostgres((server) =>
  databaseContract('PostgreSQL', async () => {
    const place = await server.make();
    return {
      databases: createPostgresDatabases(place),
      async leftovers() {
        const client = await connect(place, 'public');
        try {
          const { rows } = await ask(
            client,
            `select 'schema ' || nspname as what from pg_namespace
               where nspname not like 'pg\\_%' and nspname not in ('public', 'information_schema')
             union all select 'connection: ' || query from pg_stat_activity
               where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
             union all select 'lock ' || mode from pg_locks where locktype = 'advisory'
               and database = (select oid from pg_database where datname = current_database())`,
            [],
          );
          return rows.map(({ what }) => String(what));
        } finally {
          await client.end();
        }
      },
      close: () => server.drop(place),
    };
  }),
);
