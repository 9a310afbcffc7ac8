// What the driver answers, as Kysely takes it.

import type { QueryResult as Answer } from 'kysely';
import type { QueryResult } from 'pg';

const changing: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE']);

export const resultOf = <R>({ rows, rowCount, command }: QueryResult): Answer<R> => ({
  // Kysely's contract: R is what the builder inferred from the columns that it wrote into this SQL.
  rows: rows as R[],
  ...(changing.has(command) ? { numAffectedRows: BigInt(rowCount ?? 0) } : {}),
});
