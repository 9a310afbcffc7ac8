// A room's failures as one table: the word of the protocol, its kind (and so its status), when it is answered, and what whoever
// gets it should do. Every failure that a caller may see is made by a row, so the product can print what it answers with
// (docs/errors.md). `new Failure` stands in this folder alone.

import { Failure, type FailureInit, type FailureKind, statusOf } from '#kernel/errors/failure';

/** What a row says of one case. Never a secret, a path of ours or SQL: it is for the caller. */
export type Said = Omit<FailureInit, 'kind' | 'code'>;

/** A case whose sentence is always the same, or says more where it is made. */
type FixedRow = {
  readonly kind: FailureKind;
  /** The protocol's word; the name of the row where it is left out. */
  readonly code?: string;
  /** When it happens and what to do, in one or two sentences. */
  readonly say: string;
};

/** A case that is told with what it is about. */
type ToldRow = {
  readonly kind: FailureKind;
  readonly code?: string;
  /** When it is answered, for the printed table. */
  readonly meaning: string;
  /** What to do about it, for the printed table. */
  readonly remedy: string;
  // biome-ignore lint/suspicious/noExplicitAny: rows of one table take different arguments; each keeps its own types.
  readonly say: (...about: any[]) => string | Said;
};

export type FailureRow = FixedRow | ToldRow;

type MakerOf<R extends FailureRow> = R['say'] extends (...about: infer A) => string | Said
  ? (...about: A) => Failure
  : (more?: Partial<Said>) => Failure;

const listed: unique symbol = Symbol('rows');

export type Failures<T extends Readonly<Record<string, FailureRow>>> = {
  readonly [K in keyof T]: MakerOf<T[K]>;
} & { readonly [listed]: FailureTable };

export type ListedFailure = {
  readonly code: string;
  readonly kind: FailureKind;
  readonly status: number;
  readonly meaning: string;
  /** Empty where the meaning says it. */
  readonly remedy: string;
};

export type FailureTable = {
  readonly room: string;
  readonly rows: readonly ListedFailure[];
  /** Why one code has several kinds here: a protocol that has fewer words than cases, and whose statuses tell them apart. */
  readonly fewWords?: string;
};

/**
 * @param room whose they are: `vault`, `http`
 * @throws Error when one code is given two kinds: a caller could not tell what it means
 */
export function defineFailures<const T extends Readonly<Record<string, FailureRow>>>(
  room: string,
  rows: T,
  protocol: Pick<FailureTable, 'fewWords'> = {},
): Failures<T> {
  const makers: Record<string, (...about: never[]) => Failure> = {};
  const table: ListedFailure[] = [];
  for (const [name, row] of Object.entries(rows)) {
    const { kind } = row;
    const code = row.code ?? name;
    makers[name] = makerOf(row, code);
    const [meaning, remedy] = 'meaning' in row ? [row.meaning, row.remedy] : [row.say, ''];
    table.push({ code, kind, status: statusOf(kind), meaning, remedy });
  }
  const whole: FailureTable = { room, rows: table, ...protocol };
  checkFailures([whole]);
  // Made from the very rows of T, one maker a row.
  return Object.freeze({ ...makers, [listed]: whole }) as unknown as Failures<T>;
}

function makerOf(row: FailureRow, code: string): (...about: never[]) => Failure {
  const { kind, say } = row;
  if (typeof say === 'string') return (more?: Partial<Said>) => new Failure({ message: say, ...more, kind, code });
  return (...about) => {
    const said = say(...about);
    return new Failure(typeof said === 'string' ? { kind, code, message: said } : { ...said, kind, code });
  };
}

/** Another room's failure in other words, for whoever knows more of it: under the code of its row, in the table of whoever made it. */
export const retold = (failure: Failure, message: string, kind = failure.kind): Failure =>
  new Failure({ kind, code: failure.code, message, details: failure.details, cause: failure });

export const tableOf = (failures: { readonly [listed]: FailureTable }): FailureTable => failures[listed];

/** @throws Error when a room gives one code two kinds, also in two tables */
export function checkFailures(tables: readonly FailureTable[]): void {
  const kinds = new Map<string, FailureKind>();
  for (const { room, rows, fewWords } of tables) {
    if (fewWords !== undefined) continue;
    for (const { code, kind } of rows) {
      const key = `${room} ${code}`;
      const before = kinds.get(key);
      if (before !== undefined && before !== kind)
        throw new Error(`the failure ${code} of ${room} is declared as ${before} and as ${kind}`);
      kinds.set(key, kind);
    }
  }
}
