// The second engine of the port: PostgreSQL, a schema for each owner. It passes the contract, and the tests of three modules; that it
// does shows that the port is one. No setting offers it yet: nothing here encrypts what the server stores, and the other modules have
// not written their tables for it (docs/adr/0018-database-port.md).

import { databaseFailures } from '#kernel/database/database.errors';
import { noFaults } from '#kernel/files/faults';
import { databaseClosed, databaseReadOnly, refuseReadWithinWrite } from '../calls.ts';
import type { Compilable, Database, Databases, MigrationSet, Opening, ScanBounds } from '../database.ts';
import { kyselyThrough, type Statement } from '../dialect/connection.ts';
import { createMemory } from '../memory.ts';
import { ask, type Connection, connect, connectReaders, type Server } from './connection.ts';
import { migrate, requireMigrated, requireSchema } from './migrate.ts';
import { resultOf } from './result.ts';
import { scanRows, tooLarge } from './scan.ts';
import { createStamper, readStamp, type Stamper, stampTable } from './stamper.ts';
import { createWriter } from './writer.ts';

const rowsMax = 50_000;
const bytesMax = 256 * 1024 * 1024;

/** As owners of files, and no longer than the name of a schema may be. `_` stands for the slash, and in neither of its sides. */
function schemaOf(owner: string): string {
  if (!/^[a-z][a-z-]{0,31}(\/[A-Za-z0-9-]{1,64})?$/.test(owner) || owner.length > 63)
    throw databaseFailures.DatabaseOwner();
  return owner.replace('/', '_');
}

/** A key is of no use here: what the server stores is sealed by its disk, or not at all. */
export function createPostgresDatabases(server: Server): Databases {
  /** On a connection that is closed behind it. */
  async function once<R>(schema: string, act: (client: Connection) => Promise<R>): Promise<R> {
    const client = await connect(server, schema);
    try {
      return await act(client);
    } finally {
      await client.end();
    }
  }

  return {
    dialect: 'postgres',
    async open(owner, tables, opening = {}) {
      return await openSchema(server, owner, schemaOf(owner), tables, opening);
    },
    async remove(owner, anchors) {
      const schema = schemaOf(owner);
      // order matters: what is missing and still anchored would look like something that somebody took away.
      await anchors?.forget(owner);
      await once(schema, (client) => ask(client, `drop schema if exists "${schema}" cascade`, []));
    },
    async inspect(owner) {
      const schema = schemaOf(owner);
      return await once(schema, async (client) => {
        await requireSchema(client, schema);
        const stamp = await readStamp(client);
        const { rows } = await ask(client, 'select tablename from pg_tables where schemaname = $1', [schema]);
        try {
          // Reading a page is what verifies it, where the server keeps checksums.
          for (const { tablename } of rows) await ask(client, `select count(t.*) from "${tablename}" t`, []);
          return { stamp, damage: undefined };
        } catch (error) {
          return { stamp, damage: String(error) };
        }
      });
    },
  };
}

async function openSchema(
  server: Server,
  owner: string,
  schema: string,
  sets: readonly MigrationSet[],
  { readonly = false, anchors, onFull, faults = noFaults }: Opening,
): Promise<Database> {
  const readers = connectReaders(server, schema);
  const scans = new Set<Promise<unknown>>();
  let client: Connection | undefined;
  let closing: Promise<void> | undefined;

  async function connection(): Promise<Connection> {
    if (client !== undefined) return client;
    const made = await connect(server, schema);
    made.on('end', () => {
      if (client === made) client = undefined;
    });
    client = made;
    return made;
  }

  let stamper: Stamper | undefined;
  try {
    if (readonly) await requireMigrated(readers, schema, sets);
    else {
      const writing = await connection();
      const found = await readStamp(writing);
      // Before anything is written: an older copy is refused as it was found.
      const generation = anchors?.admit(owner, found) ?? 0;
      await migrate(writing, schema, sets, anchors === undefined ? [] : [stampTable]);
      stamper = anchors && (await createStamper(writing, { owner, anchors, generation, found }));
    }
  } catch (error) {
    await readers.end();
    await client?.end();
    throw error;
  }
  const writer = readonly ? undefined : createWriter({ owner, schema, connection, faults, stamper, onFull });

  function refuseIfClosed(): void {
    if (closing !== undefined) throw databaseClosed();
  }

  async function finish(): Promise<void> {
    await writer?.idle();
    await Promise.allSettled(scans);
    await readers.end();
    await client?.end();
  }

  async function noted<R>(reading: Promise<R>): Promise<R> {
    scans.add(reading);
    try {
      return await reading;
    } finally {
      scans.delete(reading);
    }
  }

  const read = kyselyThrough('postgres', async <R>({ sql, parameters }: Statement) => {
    refuseIfClosed();
    refuseReadWithinWrite();
    const answer = await noted(ask(readers, sql, parameters));
    if (answer.rows.length > rowsMax) throw tooLarge(rowsMax);
    return resultOf<R>(answer);
  });
  const memory = createMemory();

  return {
    owner,
    read,
    async remembered(name, ask) {
      refuseIfClosed();
      refuseReadWithinWrite();
      // Others write to what is only read here, and nobody tells.
      return await (writer === undefined ? ask(read) : memory.remembered(name, () => ask(read)));
    },
    async write(fn, options) {
      refuseIfClosed();
      if (writer === undefined) throw databaseReadOnly();
      try {
        return await writer.write(fn, options);
      } finally {
        memory.forget();
      }
    },
    async restamp() {
      refuseIfClosed();
      await writer?.restamp();
    },
    async stamp() {
      refuseIfClosed();
      return await noted(readStamp(readers));
    },
    async scan<R>(query: Compilable<R>, { maxRows = rowsMax, maxBytes = bytesMax }: ScanBounds = {}) {
      refuseIfClosed();
      refuseReadWithinWrite();
      const { sql, parameters } = query.compile();
      // Kysely's contract: R is what the builder inferred from the columns that it wrote into this SQL.
      return (await noted(scanRows(readers, { sql, parameters }, { maxRows, maxBytes }))) as readonly R[];
    },
    close() {
      closing ??= finish();
      return closing;
    },
  };
}
