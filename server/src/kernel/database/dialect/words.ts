// What the engines say differently, word by word. A store writes one query; the compiler of the engine that it is for spells these
// words, so that no store asks which engine it runs on. A number in a spelling is the place of an argument.

import { type Expression, FunctionNode, type OperationNode } from 'kysely';

export type Dialect = 'sqlite' | 'postgres';

type Spelling = readonly (string | number)[];
const asciiLower = (argument: number): Spelling => ['lower((', argument, ') collate "C")'];

/** What compares text compares bytes: `collate "C"` says so to PostgreSQL, whatever the collation of the database is. */
const words = {
  always: { sqlite: ['1'], postgres: ['true'] },
  texts: {
    sqlite: ['(select value from json_each(', 0, '))'],
    postgres: ['(select value collate "C" from json_array_elements_text((', 0, ')::json))'],
  },
  integers: {
    sqlite: ['(select value from json_each(', 0, '))'],
    postgres: ['(select value::bigint from json_array_elements_text((', 0, ')::json))'],
  },
  reals: {
    sqlite: ['(select value from json_each(', 0, '))'],
    postgres: ['(select value::double precision from json_array_elements_text((', 0, ')::json))'],
  },
  rows: { sqlite: ['json_each(', 0, ')'], postgres: ['json_array_elements((', 0, ')::json)'] },
  'text of row': { sqlite: ['value ->> ', 0], postgres: ['(value ->> ', 0, ')'] },
  'integer of row': { sqlite: ['value ->> ', 0], postgres: ['(value ->> ', 0, ')::bigint'] },
  // Behind the column the path as each engine writes it.
  'text in JSON': { sqlite: ['json_extract(', 0, ', ', 1, ')'], postgres: ['((', 0, ')::json #>> ', 2, ')'] },
  'number in JSON': {
    sqlite: ['json_extract(', 0, ', ', 1, ')'],
    postgres: ['((', 0, ')::json #>> ', 2, ')::double precision'],
  },
  lowered: { sqlite: ['lower(', 0, ')'], postgres: asciiLower(0) },
  // Both patterns are handed over: the engine takes the one that it reads.
  like: { sqlite: [0, ' glob ', 1], postgres: [0, ' like ', 2] },
  'like in any case': {
    sqlite: [0, ' like ', 1],
    postgres: [...asciiLower(0), ' like ', ...asciiLower(1), " escape ''"],
  },
  'like in any case, with escapes': {
    sqlite: [0, ' like ', 1, " escape '\\'"],
    postgres: [...asciiLower(0), ' like ', ...asciiLower(1), " escape '\\'"],
  },
  // Of the schema that the statement is about.
  'bytes in use': {
    sqlite: [
      '((select page_count from pragma_page_count) - (select freelist_count from pragma_freelist_count))',
      ' * (select page_size from pragma_page_size)',
    ],
    postgres: [
      '(select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint from pg_class c',
      " where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r')",
    ],
  },
  greater: { sqlite: ['max(', 0, ', ', 1, ')'], postgres: ['greatest(', 0, ', ', 1, ')'] },
} as const satisfies Readonly<Record<string, Readonly<Record<Dialect, Spelling>>>>;

export type Word = keyof typeof words;

/** Sets our words apart from functions of the engine. */
const mark = 'word of ours: ';

/** `word`, as whichever engine compiles it spells it. */
export const word = (name: Word, ...args: readonly Expression<unknown>[]): Expression<unknown> => ({
  expressionType: undefined,
  toOperationNode: () =>
    FunctionNode.create(
      `${mark}${name}`,
      args.map((arg) => arg.toOperationNode()),
    ),
});

/** For a compiler: writes the node as `dialect` spells it. False when it is none of our words. */
export function spell(
  dialect: Dialect,
  node: FunctionNode,
  write: { readonly text: (sql: string) => void; readonly node: (node: OperationNode) => void },
): boolean {
  if (!node.func.startsWith(mark)) return false;
  // Only `word` makes nodes with the mark.
  for (const part of words[node.func.slice(mark.length) as Word][dialect]) {
    if (typeof part === 'string') write.text(part);
    else {
      const argument = node.arguments[part];
      if (argument === undefined) throw new Error(`the word ${node.func} has no argument ${part}`);
      write.node(argument);
    }
  }
  return true;
}
