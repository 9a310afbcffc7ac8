// Routes as data. A route cannot be written without saying who may call it and how it is recorded: `access` is one of
// exactly four, `audit` one of three levels. The pipeline does the rest in one order.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Static, TSchema } from '@strongroom/contract/schema';
import type { AuditLevel } from '#kernel/authority/audit';
import type { Action, Grant } from '#kernel/authority/grant';
import type { Exchange } from '#kernel/http/exchange';

export type { IncomingMessage, ServerResponse } from 'node:http';

export type Params = Readonly<Record<string, string>>;

export type Access =
  | { readonly kind: 'needs'; readonly action: Action; readonly scopeOf: (params: Params) => string }
  | { readonly kind: 'listing'; readonly action: Action; readonly scopeOf: (params: Params) => string }
  | { readonly kind: 'signedIn'; readonly reason: string }
  /** `proves`: whoever was answered with success has proved who he is (a sign-in). */
  | { readonly kind: 'open'; readonly reason: string; readonly proves?: boolean };

export const needs = (action: Action, scopeOf: (params: Params) => string): Access => ({
  kind: 'needs',
  action,
  scopeOf,
});
export const listing = (action: Action, scopeOf: (params: Params) => string): Access => ({
  kind: 'listing',
  action,
  scopeOf,
});
export const signedIn = (reason: string): Access => ({ kind: 'signedIn', reason });
export const open = (reason: string, { proves = false } = {}): Access => ({ kind: 'open', reason, proves });

export const activity = (...record: readonly string[]): AuditLevel => ({ level: 'activity', record });
export const accessed = (...record: readonly string[]): AuditLevel => ({ level: 'access', record });
export const unrecorded = (reason: string): AuditLevel => ({ level: 'none', reason });

export type BodyRule =
  /**
   * Parsed and checked before the handler; its digest is recorded. `holdsSecrets`: it may hold a password, a key or what one
   * protects, and then no digest is: whoever may read the record could try guesses against it.
   */
  | {
      readonly kind: 'json';
      readonly schema: TSchema;
      readonly maxBytes: number;
      readonly optional?: boolean;
      readonly holdsSecrets?: boolean;
      /** The schema describes, and the handler checks: one that must look at what is meant before it looks at the shape. */
      readonly isCheckedLater?: boolean;
    }
  | { readonly kind: 'form'; readonly schema: TSchema; readonly maxBytes: number; readonly holdsSecrets?: boolean }
  /** Whole, unparsed: XML, text, a manifest. */
  | { readonly kind: 'bytes'; readonly maxBytes: number }
  /** Handed on as it arrives; the handler reads it to the end. More than maxBytes fails the stream with `tooLarge`. */
  | { readonly kind: 'stream'; readonly maxBytes: number };

export type Answer = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON; bytes, text and streams as they are. */
  readonly body?: unknown;
  readonly contentType?: string;
  /** A protocol library (the OpenID provider) answers by itself. Resolves when it has. */
  readonly takeOver?: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
};

export type Input<Q, B> = {
  readonly params: Params;
  readonly query: Q;
  readonly body: B;
  readonly exchange: Exchange;
};

/** Headers by their names in lower case (`x-name-*` is every one that begins so), parameters of the query as `?name`. */
export type Reads = readonly string[];

export type Route = {
  /** Unique over the server: the OpenAPI operationId and the name in the audit log, for example `Secrets_Get`. */
  readonly operation: string;
  readonly surface: string;
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE' | 'OPTIONS';
  /** Template over the surface's canonical path: `{name}` one segment, `{name?}` at the end none or one, `{name+}` one or more. */
  readonly path: string;
  readonly summary: string;
  readonly access: Access;
  readonly audit: AuditLevel;
  /**
   * What else the record of an allowed request says, as it is before the act: of what a deletion takes away there is nothing to
   * look up afterwards. Never a secret.
   */
  readonly recordsBefore?: (params: Params) => Readonly<Record<string, string>>;
  /**
   * PUT, POST and PATCH are refused before their body is read while the disk has no room for what grows. Whoever goes on all
   * the same says why: it stores nothing, or what people need who make room again.
   */
  readonly goesOnWhenLow?: string;
  readonly query?: TSchema;
  /**
   * What of its protocol the operation reads beside the path, beyond what every operation of its surface reads. A surface whose
   * protocol has optional headers and parameters refuses by this what nobody reads: ignored, it would promise what does not
   * happen. `anything`: the route does nothing but refuse.
   */
  readonly reads?: Reads | 'anything' | ((exchange: Exchange) => Reads);
  readonly body?: BodyRule;
  /** Response schema by status, for OpenAPI. */
  readonly responses?: Readonly<Record<number, TSchema>>;
  readonly handle: (grant: Grant, input: Input<never, never>) => Promise<Answer>;
};

type QueryOf<S> = S extends TSchema ? Static<S> : Readonly<Record<string, unknown>>;
type BodyOf<R> = R extends { kind: 'json'; schema: infer S extends TSchema; optional: true }
  ? Static<S> | undefined
  : R extends { kind: 'json' | 'form'; schema: infer S extends TSchema }
    ? Static<S>
    : R extends { kind: 'bytes' }
      ? Uint8Array
      : R extends { kind: 'stream' }
        ? Readable
        : undefined;

/** Writes a route with its handler typed by its schemas. */
export function route<
  const Q extends TSchema | undefined = undefined,
  const R extends BodyRule | undefined = undefined,
>(
  spec: Omit<Route, 'handle' | 'query' | 'body'> & {
    readonly query?: Q;
    readonly body?: R;
    readonly handle: (grant: Grant, input: Input<QueryOf<Q>, BodyOf<R>>) => Promise<Answer> | Answer;
  },
): Route {
  // The pipeline validates with these very schemas before it calls, so the handler's narrower input holds.
  return {
    ...spec,
    handle: async (grant: Grant, input: Input<never, never>) =>
      spec.handle(grant, input as unknown as Input<QueryOf<Q>, BodyOf<R>>),
  } as Route;
}

/** Whether a request is refused while the disk has no room for what grows: the default of everything that may store. */
export const needsRoom = ({ method, goesOnWhenLow }: Pick<Route, 'method' | 'goesOnWhenLow'>): boolean =>
  (method === 'PUT' || method === 'POST' || method === 'PATCH') && goesOnWhenLow === undefined;

export const json = (status: number, body: unknown, headers?: Readonly<Record<string, string>>): Answer =>
  headers === undefined ? { status, body } : { status, body, headers };
export const empty = (status: number, headers?: Readonly<Record<string, string>>): Answer =>
  headers === undefined ? { status } : { status, headers };
