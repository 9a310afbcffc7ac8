// What the main thread and a scan worker say to each other: one scan at a time per worker, rows in portions on request.

/** `key` comes along only when the worker does not hold the database open; it is wiped there after use. */
export type ToWorker =
  | {
      readonly say: 'scan';
      readonly database: number;
      readonly open: { readonly path: string; readonly key: Uint8Array } | undefined;
      readonly sql: string;
      readonly parameters: readonly unknown[];
      readonly maxRows: number;
      readonly maxBytes: number;
    }
  | { readonly say: 'more' }
  /** Moves pages of the write-ahead log into the file, over a connection of its own. */
  | { readonly say: 'move'; readonly open: { readonly path: string; readonly key: Uint8Array } }
  | { readonly say: 'close'; readonly database: number };

export type WireFailure = {
  readonly kind: 'integrity' | 'invalid' | 'tooLarge' | 'unavailable' | 'internal';
  readonly code: string;
  readonly message: string;
  /** For the log alone: what the engine said. */
  readonly cause: string | undefined;
};

export type FromWorker =
  | {
      readonly say: 'rows';
      readonly columns: readonly string[];
      /** One array a column, all of the same length: far cheaper to send than an object a row. */
      readonly values: readonly (readonly unknown[])[];
      readonly count: number;
      readonly last: boolean;
    }
  /** `holds`: the database was opened all the same, and must be closed. */
  | { readonly say: 'failed'; readonly failure: WireFailure; readonly holds: boolean }
  | { readonly say: 'moved' }
  | { readonly say: 'closed'; readonly database: number };

/** Rows a portion: the main thread handles one portion a turn, so that a long answer does not hold the event loop. */
export const portionRows = 250;
