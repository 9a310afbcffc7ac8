// The part of the driver that the engine uses, declared here because the package's export map hides its own types.

declare module 'better-sqlite3-multiple-ciphers' {
  declare namespace Driver {
    type Statement = {
      /** Whether the statement returns rows. */
      readonly reader: boolean;
      run(...parameters: unknown[]): { changes: number; lastInsertRowid: number | bigint };
      all(...parameters: unknown[]): unknown[];
      get(...parameters: unknown[]): unknown;
      iterate(...parameters: unknown[]): IterableIterator<unknown>;
      raw(enabled: boolean): Statement;
      columns(): { readonly name: string }[];
    };
    type Options = { readonly?: boolean; fileMustExist?: boolean; timeout?: number };
  }

  class SqliteError extends Error {
    readonly code: string;
  }

  class Driver {
    static readonly SqliteError: typeof SqliteError;
    constructor(path: string, options?: Driver.Options);
    readonly inTransaction: boolean;
    prepare(sql: string): Driver.Statement;
    exec(sql: string): this;
    pragma(source: string): unknown;
    key(key: Buffer): number;
    close(): this;
  }

  export default Driver;
}
