// Statements that are built once and run many times: what a builder makes of the same words is the same text, and building it costs
// several times what SQLite takes to answer. The text is kept for each dialect; only the values are new with each call.

import type { Compilable, Kysely, RawBuilder } from 'kysely';
import { dialectOf, execute, type Statement } from './connection.ts';
import type { Dialect } from './words.ts';

/** Stands for a value while the statement is built. Whoever looks into it is told. */
class Place {
  readonly at: number;
  constructor(at: number) {
    this.at = at;
  }
  [Symbol.toPrimitive](): never {
    throw new Error('a statement that is compiled once cannot depend on its values');
  }
}

/**
 * @param build makes the statement and never looks at its values: a text, a list or a branch that depends on one is a mistake, and
 * throws where it can be noticed. It names every value; none is optional.
 */
export function compiledOnce<V extends readonly unknown[], R>(
  build: (tx: Kysely<unknown>, ...values: V) => Compilable<R> | RawBuilder<R>,
): (tx: Kysely<unknown>, ...values: V) => Promise<readonly R[]> {
  const texts = new Map<Dialect, Statement>();
  const compile = (tx: Kysely<unknown>): Statement => {
    const places = Array.from({ length: build.length - 1 }, (_, at) => new Place(at));
    // The one cast: places stand where values will, and the builder hands them on unread.
    const { sql, parameters } = build(tx, ...(places as unknown as V)).compile(tx);
    return { sql, parameters };
  };
  return async (tx, ...values) => {
    const dialect = dialectOf(tx);
    let text = texts.get(dialect);
    if (text === undefined) {
      text = compile(tx);
      texts.set(dialect, text);
    }
    const parameters = text.parameters.map((value) => (value instanceof Place ? values[value.at] : value));
    return (await execute<R>(tx, { sql: text.sql, parameters })).rows;
  };
}
