// A surface is a protocol as seen from outside: how its requests are recognised, how a caller proves itself, which
// versions it takes, how its errors look. One file each, owned by the module that speaks it.

import type { Actor } from '#kernel/authority/actor';
import type { Failure } from '#kernel/errors/failure';
import type { Exchange } from '#kernel/http/exchange';
import type { Answer, Route } from '#kernel/http/route';
import type { Target } from '#kernel/http/target';

/** One way to prove who is calling. Tried in order; the first that recognises its credential decides. */
export type Scheme = {
  readonly name: string;
  /** Undefined: no credential of mine here. Throws `unauthenticated` when it is mine and does not hold. */
  authenticate(exchange: Exchange): Promise<Actor | undefined> | Actor | undefined;
};

export type Surface = {
  readonly name: string;
  /** Literal segments of its templates match without regard to case. */
  readonly ignoresCase: boolean;
  /** Empty segments (`//`, a trailing slash) are dropped before matching; a blob's name keeps them. */
  readonly collapsesSlashes: boolean;
  /** The canonical segments that this surface dispatches and decides on, or undefined if the request is not its own. First surface that answers wins. */
  recognise(target: Target): readonly string[] | undefined;
  readonly schemes: readonly Scheme[];
  /**
   * Checked after routing and before authentication: api-version, required protocol headers. Whatever a client must know before it
   * can say who calls. Throws.
   */
  check?(exchange: Exchange): void;
  /** After the caller has proved who he is, before anything is decided: for what no caller's rights could make true. Throws. */
  admit?(exchange: Exchange): void;
  /**
   * After it was decided that the caller may, and before anything is looked at: that what is asked is read by the route (`Route.reads`),
   * where the surface keeps such a rule. Conditions of a change are held to that in any case (conditions.ts). Throws.
   */
  refuseUnread?(exchange: Exchange, route: Pick<Route, 'reads' | 'query'>): void;
  /** What to say where there is no route: which operation is not served, and where those are listed that are. */
  nothing?(method: string, segments: readonly string[]): Failure;
  /** Headers of a 401, for example WWW-Authenticate. */
  challenge?(exchange: Exchange, failure: Failure): Readonly<Record<string, string>>;
  /** The protocol's error envelope. */
  render(failure: Failure, exchange: Exchange): Answer;
  /** Headers on every answer: request ids, protocol version. */
  headers?(exchange: Exchange): Readonly<Record<string, string>>;
};
