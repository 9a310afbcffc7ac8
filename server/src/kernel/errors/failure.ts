// Failure is the one error that crosses a room: what went wrong, in words that are safe for the caller. Its closed
// `kind` decides the HTTP status and the log level; its `code` is the word of the protocol that the caller speaks.
// Whatever is thrown and is not a Failure is internal: the caller sees a fixed sentence, the log the whole chain.

export type FailureKind =
  | 'invalid' // 400 the request is wrong
  | 'unauthenticated' // 401 who are you
  | 'forbidden' // 403 you may not
  | 'notFound' // 404
  | 'methodNotAllowed' // 405
  | 'timeout' // 408
  | 'conflict' // 409
  | 'gone' // 410
  | 'precondition' // 412
  | 'tooLarge' // 413
  | 'unsupportedMedia' // 415
  | 'rangeNotSatisfiable' // 416
  | 'misdirected' // 421 asked by a name that is not ours
  | 'dependency' // 424 something that we called on the user's behalf failed
  | 'throttled' // 429
  | 'headerTooLarge' // 431
  | 'integrity' // 500 what is stored does not open or does not verify
  | 'internal' // 500
  | 'notImplemented' // 501
  | 'unavailable' // 503
  | 'full'; // 507 there is no room for what grows

const statuses: Readonly<Record<FailureKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  notFound: 404,
  methodNotAllowed: 405,
  timeout: 408,
  conflict: 409,
  gone: 410,
  precondition: 412,
  tooLarge: 413,
  unsupportedMedia: 415,
  rangeNotSatisfiable: 416,
  misdirected: 421,
  dependency: 424,
  throttled: 429,
  headerTooLarge: 431,
  integrity: 500,
  internal: 500,
  notImplemented: 501,
  unavailable: 503,
  full: 507,
};

export const failureKinds = Object.keys(statuses) as readonly FailureKind[]; // the table has every kind and nothing else

export const statusOf = (kind: FailureKind): number => statuses[kind];

export type FailureDetail = { readonly code: string; readonly message: string; readonly target?: string };

export type FailureInit = {
  readonly kind: FailureKind;
  /** The protocol's own word, for example `AuthorizationFailed` or `SecretNotFound`. */
  readonly code: string;
  /** For the caller: says what to do, and never holds a secret, a path of ours or SQL. */
  readonly message: string;
  /** What the failure is about: a property path, a header, a resource id. */
  readonly target?: string;
  readonly details?: readonly FailureDetail[];
  readonly retryAfterSeconds?: number;
  /** Headers that the protocol wants on this very answer (a challenge, a Content-Range). */
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
};

export class Failure extends Error {
  readonly kind: FailureKind;
  readonly code: string;
  readonly target: string | undefined;
  readonly details: readonly FailureDetail[];
  readonly retryAfterSeconds: number | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(init: FailureInit) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause });
    this.name = 'Failure';
    this.kind = init.kind;
    this.code = init.code;
    this.target = init.target;
    this.details = init.details ?? [];
    this.retryAfterSeconds = init.retryAfterSeconds;
    this.headers = init.headers ?? {};
  }

  get status(): number {
    return statuses[this.kind];
  }
}

/** Whatever was thrown, as a Failure. What is not one becomes internal, with the original as its cause. */
export function asFailure(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown;
  return new Failure({
    kind: 'internal',
    code: 'InternalError',
    message: 'The server could not finish this request. The request id in the headers finds the reason in its log.',
    cause: thrown,
  });
}

const passing: readonly FailureKind[] = ['full', 'unavailable', 'throttled', 'timeout', 'dependency', 'internal'];

/**
 * Whether the same may go well in a while, so that who does it for somebody tries again and does not give it up: a full disk, a
 * full queue, a key that is refused for now, somebody at work on the same thing, a fault of ours. What is damaged stays damaged.
 */
export const passesBy = ({ kind, code }: Failure): boolean =>
  passing.includes(kind) || code === 'AnotherOperationInProgress'; // Resource Manager's word: of conflicts, the one that ends by itself

/** One that a table made, that was kept (with the end of a long operation), and is told again to whoever asks. */
export const failureAgain = (kept: FailureInit, target = kept.target): Failure =>
  new Failure({ ...kept, ...(target === undefined ? {} : { target }) });

/** For `switch` statements over closed unions: reached only when a case is missing, which the compiler says first. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
