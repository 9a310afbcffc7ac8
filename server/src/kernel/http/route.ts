// Routes as data. A route cannot be written without saying who may call it, how whoever is bounded is held, and how it is
// recorded: `access` is one of exactly four, the bounds of one that needs an action one of five, `audit` one of three levels. The pipeline does the rest in one order.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Static, TSchema } from '@strongroom/contract/schema';
import type { AuditLevel } from '#kernel/authority/audit';
import type { Action, Grant } from '#kernel/authority/grant';
import type { Exchange } from '#kernel/http/exchange';

export type { IncomingMessage, ServerResponse } from 'node:http';

export type Params = Readonly<Record<string, string>>;

/**
 * How whoever is bounded is held on a route, a run by its token, say, or who follows a signed address: once, here, and in no
 * service. Callers that act by their roles alone are not touched by it.
 */
export type RouteBounds =
  /** What is acted on is what is decided on: bounds that reach the scope let the caller in. */
  | { readonly kind: 'whole' }
  /** What is acted on is named in the path's end, the query or the body, or must be looked up: each thing lies within the bounds. */
  | { readonly kind: 'each'; readonly thingsOf: ThingsOf; readonly refusal: string }
  /** It shows what lies below: the grant is for what the bounds hold below `under`, and the service shows what its grant reaches. */
  | { readonly kind: 'own'; readonly under: (params: Params) => string }
  /** Only for callers without bounds. */
  | { readonly kind: 'unbounded'; readonly reason: string }
  /** Nothing of anybody's is read or changed: whoever may do this to something below is let in. */
  | { readonly kind: 'harmless'; readonly reason: string };

/** The ids of what a request is about; nothing when it is about nothing that there is, which is refused alike. */
export type ThingsOf = (
  grant: Grant,
  request: { readonly params: Params; readonly body: unknown; readonly exchange: Exchange },
) => readonly string[] | Promise<readonly string[]>;

export const whole: RouteBounds = { kind: 'whole' };
/** @param refusal what a caller is told whose bounds do not reach one of them */
export const each = (thingsOf: ThingsOf, refusal: string): RouteBounds => ({ kind: 'each', thingsOf, refusal });
export const own = (under: (params: Params) => string): RouteBounds => ({ kind: 'own', under });
/** @param reason is told to whoever is refused */
export const unbounded = (reason: string): RouteBounds => ({ kind: 'unbounded', reason });
export const harmless = (reason: string): RouteBounds => ({ kind: 'harmless', reason });

export type Access =
  | {
      readonly kind: 'needs';
      readonly action: Action;
      readonly scopeOf: (params: Params) => string;
      readonly bounds: RouteBounds;
    }
  /** Shows what the caller may see: each id is decided by itself, within his bounds. */
  | { readonly kind: 'listing'; readonly action: Action; readonly scopeOf: (params: Params) => string }
  | { readonly kind: 'signedIn'; readonly reason: string }
  /** `proves`: whoever was answered with success has proved who he is (a sign-in). */
  | { readonly kind: 'open'; readonly reason: string; readonly proves?: boolean };

export const needs = (action: Action, scopeOf: (params: Params) => string, bounds: RouteBounds): Access => ({
  kind: 'needs',
  action,
  scopeOf,
  bounds,
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

/** Exactly the parameters that a query's schema has, for `Route.reads`. */
export const namedIn = ({ properties }: { readonly properties: Readonly<Record<string, unknown>> }): Reads =>
  Object.keys(properties).map((name) => `?${name}`);

export type Route = {
  /** Unique over the server: the OpenAPI operationId and the name in the audit log, for example `Secrets_Get`. */
  readonly operation: string;
  readonly surface: string;
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE' | 'OPTIONS';
  /** Template over the surface's canonical path: `{name}` one segment, `{name?}` at the end none or one, `{name+}` one or more. */
  readonly path: string;
  readonly summary: string;
  /** What its path names has no scope of its own: it is decided where all of its kind are. Without this the scope must read the path. */
  readonly isDecidedAbove?: boolean;
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
