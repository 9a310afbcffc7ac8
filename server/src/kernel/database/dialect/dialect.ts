// What stores say where engines differ: lists, JSON, patterns, statements written by hand, and which error means that a row is there
// already. A store uses these and no engine's own word; `dialect.test.ts` looks through all of them.
//
// The rest of SQL is common ground: what both engines read and mean alike is written as it is. Conditions are conditions
// (`always`, not `1`), null-safe equality is `is not distinct from`, an upsert is `on conflict`, a new number comes from `returning`.

import { type Kysely, type QueryResult, type RawBuilder, sql } from 'kysely';
import { dialectOf, execute } from './connection.ts';
import { word } from './words.ts';

export { compiledOnce } from './compiled.ts';
export type { Dialect } from './words.ts';

/** A condition that holds. */
export const always: RawBuilder<boolean> = sql<boolean>`${word('always')}`;

type Items = readonly (string | number)[];

function listed(values: Items) {
  const json = sql`${JSON.stringify(values)}`;
  if (values.every((value) => typeof value === 'string')) return word('texts', json);
  return word(values.every((value) => Number.isSafeInteger(value)) ? 'integers' : 'reals', json);
}

/** Whether a column is one of these, of one kind. One parameter however many; for a single one `=`, so that its index gives the order too. */
export const among = (column: RawBuilder<unknown>, values: Items): RawBuilder<boolean> =>
  values.length === 1 ? sql`${column} = ${values[0]}` : sql`${column} in ${listed(values)}`;

/** Whether a column is none of these: true of everything for an empty list. */
export const notAmong = (column: RawBuilder<unknown>, values: Items): RawBuilder<boolean> =>
  values.length === 0 ? always : sql`${column} not in ${listed(values)}`;

/** Many rows as one parameter, to select from: their items are c0, c1, … of these types. */
export const rowsOf = (rows: readonly Items[], types: readonly ('text' | 'integer')[]): RawBuilder<unknown> => {
  const columns = types.map((type, at) => sql`${word(`${type} of row`, sql.lit(at))} as ${sql.id(`c${at}`)}`);
  return sql`(select ${sql.join(columns)} from ${word('rows', sql`${JSON.stringify(rows)}`)})`;
};

/** A text within a column of JSON, by the names of its members; null when there is none. */
export const textIn = (column: RawBuilder<unknown>, ...members: readonly string[]): RawBuilder<string | null> =>
  sql`${word('text in JSON', column, ...paths(members))}`;

export const numberIn = (column: RawBuilder<unknown>, ...members: readonly string[]): RawBuilder<number | null> =>
  sql`${word('number in JSON', column, ...paths(members))}`;

const paths = (members: readonly string[]) => {
  if (members.some((member) => !/^[A-Za-z]+$/.test(member)))
    throw new Error('a member of JSON is asked for by a plain name');
  return [sql.lit(`$.${members.join('.')}`), sql.lit(`{${members.join(',')}}`)];
};

/** With ASCII letters in lower case; others stay as they are. */
export const lowered = (text: RawBuilder<unknown>): RawBuilder<string> => sql`${word('lowered', text)}`;

/** `%` is any text and `_` any character; letters count by their case. */
export const like = (column: RawBuilder<unknown>, pattern: string): RawBuilder<boolean> =>
  sql`(${word('like', column, sql`${globOf(pattern)}`, sql`${pattern.replaceAll('\\', '\\\\')}`)})`;

/** As `like`, and ASCII letters are equal in either case. */
export const likeInAnyCase = (column: RawBuilder<unknown>, pattern: string): RawBuilder<boolean> =>
  sql`(${word('like in any case', column, sql`${pattern}`)})`;

/** Whether a text begins so; ASCII letters are equal in either case, and nothing in `start` is a pattern. */
export const startsInAnyCase = (column: RawBuilder<unknown>, start: string): RawBuilder<boolean> =>
  sql`(${word('like in any case, with escapes', column, sql`${`${start.replaceAll(/[\\%_]/g, '\\$&')}%`}`)})`;

/**
 * SQLite's pattern operator that minds the case and needs no setting of the connection is GLOB: `%` and `_` become its wildcards, and
 * what it would read as its own becomes a class of one.
 */
function globOf(pattern: string): string {
  return pattern.replace(/[*?[\]%_]/g, (character) => {
    if (character === '%') return '*';
    return character === '_' ? '?' : `[${character}]`;
  });
}

/** The greater of two values that are not null. */
export const greater = (one: RawBuilder<unknown>, other: RawBuilder<unknown>): RawBuilder<number> =>
  sql`${word('greater', one, other)}`;

/** Bytes that a database takes: what is free within it is not counted where the engine can tell. */
export const bytesInUse: RawBuilder<number> = sql<number>`${word('bytes in use')}`;

/**
 * Runs a statement that is written out, with `?` for each value: for hot paths, where building it would cost more than running
 * it. Few different texts, because prepared statements are kept by their text.
 */
export function runStatement<R>(
  tx: Kysely<unknown>,
  text: string,
  values: readonly unknown[],
): Promise<QueryResult<R>> {
  const written = dialectOf(tx) === 'sqlite' ? text : numbered(text);
  return execute<R>(tx, { sql: written, parameters: values });
}

function numbered(text: string): string {
  let at = 0;
  return text.replaceAll('?', () => {
    at += 1;
    return `$${at}`;
  });
}

/** Whether an insert or update failed because the row exists already. */
export function isUniqueViolation(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && typeof error.code === 'string' && uniqueViolations.has(error.code)
  );
}
const uniqueViolations: ReadonlySet<string> = new Set([
  'SQLITE_CONSTRAINT_UNIQUE',
  'SQLITE_CONSTRAINT_PRIMARYKEY',
  '23505',
]);
