// The part of the driver that this room uses. Declared here, as that of SQLite is, so that nothing else of it is reached for.

declare module 'pg' {
  export type QueryResult = {
    readonly rows: Record<string, unknown>[];
    readonly rowCount: number | null;
    readonly command: string;
  };
  export type Settings = {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly database: string;
    readonly options?: string;
    readonly types?: { getTypeParser(oid: number): (text: string) => unknown };
  };

  export class Client {
    constructor(settings: Settings);
    connect(): Promise<unknown>;
    /** Without values several statements may stand in one text. */
    query(text: string, values?: unknown[]): Promise<QueryResult>;
    end(): Promise<void>;
    on(event: 'error' | 'end', listener: (error?: Error) => void): this;
  }

  export class Pool {
    constructor(settings: Settings & { readonly max: number; readonly idleTimeoutMillis: number });
    readonly waitingCount: number;
    query(text: string, values?: unknown[]): Promise<QueryResult>;
    connect(): Promise<{ query: Client['query']; release(destroy?: boolean): void }>;
    end(): Promise<void>;
    on(event: 'error', listener: (error: Error) => void): this;
  }
}
