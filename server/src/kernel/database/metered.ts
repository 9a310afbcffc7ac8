// A Database that is held to a quota. What it holds is its pages in use, and what a table `usage` says lies beside it in files.
// Both are read within the transaction, so that they are right after every crash, and calls at the same time cannot pass the
// limit together. Beyond it no file is added, and no request that stores something that stays takes another page; what takes
// away is never refused, nor what the server does to bring things to their end.

import { sql } from 'kysely';
import { isGrowing } from '#kernel/files/growth';
import type { Quota } from '#kernel/files/quota';
import type { Database, Tx } from './database.ts';
import { execute } from './dialect/connection.ts';
import { bytesInUse } from './dialect/dialect.ts';

export type Metered = Database & {
  /** Bytes, as of the last write. */
  used(): number;
  /** The same as of now. */
  measure(): Promise<number>;
};

/** So close to its limit a database is asked before each write too: more than what is not counted takes between two that are. */
const nearBytes = 64 * 1024 * 1024;

type Reading = { readonly beside: number; readonly pages: number };

/** `hasFiles`: the database has the table `usage`, whose one row tells the bytes of the files that it knows. */
export async function meteredDatabase(
  database: Database,
  quota: Quota,
  { hasFiles }: { readonly hasFiles: boolean },
): Promise<Metered> {
  const beside = hasFiles ? sql`(select bytes from usage)` : sql`0`;
  // Compiled once: it is asked twice with every write.
  const query = sql<Reading>`select ${beside} as beside, ${bytesInUse} as pages`.compile(database.read);
  const read = async (tx: Tx): Promise<Reading> => {
    const [row] = (await execute<Reading>(tx, query)).rows;
    return row ?? { beside: 0, pages: 0 };
  };
  let latest = await read(database.read);
  return {
    ...database,
    used: () => sum(latest),
    measure: async () => sum(await read(database.read)),
    async write(fn, options) {
      const grows = isGrowing();
      // Pages that something of the server itself takes are counted with the next one.
      if (!grows && !hasFiles) return await database.write(fn, options);
      let after: Reading | undefined;
      const result = await database.write(async (tx) => {
        // What was there before matters beyond the limit alone. Far below it, whatever ends up beyond has grown.
        const before = sum(latest) + nearBytes > quota.limit() ? await read(tx) : latest;
        const written = await fn(tx);
        after = await read(tx);
        if (sum(after) <= quota.limit()) return written;
        const hasGrown = after.beside > before.beside || (grows && sum(after) > sum(before));
        if (hasGrown) throw quota.refuse();
        return written;
      }, options);
      if (after) latest = after;
      return result;
    },
  };
}

const sum = ({ beside, pages: own }: Reading): number => beside + own;
