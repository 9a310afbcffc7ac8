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
  /** What rooms know of this request while it lasts; read and written through `carried`. */
  readonly carried: Map<symbol, unknown>;
  /** For protocol libraries that take over, and for streaming. */
  readonly raw: { readonly request: IncomingMessage; readonly response: ServerResponse };
};

export type Carried<T> = { of(exchange: Exchange): T };

/**
 * A place of a room's own on the request, so that what it knows of it travels with it and ends with it, however the request is
 * wrapped on its way. What lies there is begun when it is asked for first; nobody else can name the place.
 */
export function carried<T>(begin: (exchange: Exchange) => T): Carried<T> {
  const place = Symbol();
  return {
    of(exchange) {
      if (!exchange.carried.has(place)) exchange.carried.set(place, begin(exchange));
      return exchange.carried.get(place) as T; // put there by this very place
    },
  };
}
