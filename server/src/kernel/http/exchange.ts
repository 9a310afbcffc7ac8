// What is known of one request before anything is decided. Read-only; handlers get it for addresses, ids and hosts.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Target } from '#kernel/http/target';

export type Exchange = {
  readonly requestId: string;
  readonly correlationId: string;
  readonly clientRequestId: string | undefined;
  readonly method: string;
  readonly target: Target;
  /** Of the client: the peer of the connection, or what a proxy that is configured as trusted says (`proxies.ts`). */
  readonly address: string | undefined;
  readonly userAgent: string | undefined;
  /** Lower-case names; a repeated header is joined as Node joins it. */
  header(name: string): string | undefined;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
  /** For protocol libraries that take over, and for streaming. */
  readonly raw: { readonly request: IncomingMessage; readonly response: ServerResponse };
};
