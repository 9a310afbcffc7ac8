// For tests on PostgreSQL. `npm test` starts one server for the whole run and names it in TEST_POSTGRES; a test file that runs alone
// starts its own.

import { after, test } from 'node:test';
import { randomUuid } from '#kernel/crypto/random';
import type { Databases } from '#kernel/database/database';
import { ask, connect, type Server } from '#kernel/database/postgres/connection';
import { createPostgresDatabases } from '#kernel/database/postgres/databases';
import { chooseDatabases } from './databases.ts';
import { findPostgres, port, startPostgres, user, withoutPostgres } from './postgres.server.ts';

/** Databases on a server, each of its own name. */
async function openServer(): Promise<{
  make(): Promise<Server>;
  drop(made: Server): Promise<void>;
  stop(): Promise<void>;
}> {
  const shared = process.env['TEST_POSTGRES'];
  const own = shared === undefined ? await startPostgres() : undefined;
  const admin: Server = { host: shared ?? own?.folder ?? '', port, user, database: 'postgres' };
  const order = async (text: string) => {
    const client = await connect(admin, 'public');
    try {
      await ask(client, text, []);
    } finally {
      await client.end();
    }
  };
  return {
    async make() {
      const database = `test_${randomUuid().replaceAll('-', '')}`;
      await order(`create database "${database}"`);
      return { ...admin, database };
    },
    async drop({ database }) {
      await order(`drop database if exists "${database}" with (force)`);
    },
    // What a run leaves on its server goes with the server.
    stop: async () => own?.stop(),
  };
}
export type OpenedServer = Awaited<ReturnType<typeof openServer>>;

/**
 * Declares tests that need PostgreSQL. Without it they are a failure where everything is to be tested (CI=true), and elsewhere
 * one test that is skipped and says how to get it.
 */
export async function withPostgres(declare: (server: OpenedServer) => Promise<void> | void): Promise<void> {
  if (process.env['TEST_POSTGRES'] === undefined && findPostgres() === undefined) {
    if (process.env['CI'] === 'true') test('PostgreSQL is there', () => Promise.reject(new Error(withoutPostgres)));
    else test('on PostgreSQL', { skip: withoutPostgres }, () => {});
    return;
  }
  const server = await openServer();
  after(() => server.stop());
  await declare(server);
}

/** Runs other test files once more, with the databases of their folders on PostgreSQL. */
export const againOnPostgres = (load: () => Promise<unknown>): Promise<void> =>
  withPostgres(async (server) => {
    const known = new Map<string, Promise<Databases>>();
    chooseDatabases((folder) => {
      // A folder is an installation: what is opened in it again is the same.
      const making = known.get(folder) ?? server.make().then(createPostgresDatabases);
      known.set(folder, making);
      return {
        dialect: 'postgres',
        open: async (...args) => (await making).open(...args),
        remove: async (...args) => (await making).remove(...args),
        inspect: async (...args) => (await making).inspect(...args),
      };
    });
    await load();
  });
