// A Grant is the proof that one actor may do one action at one scope, in one request. Every service function takes one
// first, so that nothing acts without a decision. The brand keeps others from writing one: only `access` imports
// `mint.ts`. There is no null that means root: what the house does by itself is a declared duty, and its grant is exactly that.

import type { Actor, Asker } from '#kernel/authority/actor';
import type { Duty, QuietDuty } from '#kernel/authority/duty';

declare const brand: unique symbol;

export type Visibility = {
  /** True when the listing may show this resource id. */
  readonly sees: (id: string) => boolean;
  /** True when everything at and below the listing's scope is visible: the store need not filter row by row. */
  readonly all: boolean;
};

export type Grant = {
  readonly [brand]: 'Grant';
  readonly actor: Actor;
  readonly action: string;
  /** The id that was decided on. Of a caller with bounds it lies within them, also where the route decides on more. */
  readonly scope: string;
  readonly requestId: string;
  /** Why it was allowed, for the record: a role and the scope of its assignment, `open: …`, `duty: …`. */
  readonly reason: string;
  readonly address: string | undefined;
  /** Only on grants of a duty: what the house does by itself, and no more. */
  readonly duty?: Duty;
  /** Only on grants of a `listing` route. */
  readonly visibility?: Visibility;
};

export type Plane = 'control' | 'data';

/** One thing that can be permitted. Names are Azure's; the catalogue is `@strongroom/contract/actions`. */
export type Action = { readonly name: string; readonly plane: Plane };

/** What modules hold of `access`: a further permission within a request, an identity's authority, and a duty's. */
export type Grants = {
  /** Throws `forbidden` unless the same actor may also do `action` at `scope`. */
  also(grant: Grant, action: Action, scope: string): Grant;
  /** True or false instead of a throw, for answers that merely show less. */
  mayAlso(grant: Grant, action: Action, scope: string): boolean;
  /**
   * As the managed identity that acts for a resource: decided by its own role assignments, and bounded to this one act. Throws
   * `forbidden`.
   */
  as(
    principal: { readonly objectId: string; readonly name: string },
    action: Action,
    scope: string,
    reason: string,
  ): Grant;
  /**
   * In the name of who asked for what goes on now, by the roles that he has at this moment: what was taken away since is
   * refused. An assignment that holds from some addresses alone does not hold, because he is at none. Whoever had bounds when he
   * asked is not to be taken for an asker: they are not known here. Throws `forbidden`.
   */
  onBehalf(asker: Asker, action: Action, scope: string, reason: string): Grant;
  /** For an open route whose caller proves himself in its body: what `signedIn` gives. Throws `forbidden` to who is bounded. */
  proved(grant: Grant, actor: Actor, reason: string): Grant;
  /**
   * For what the house does by itself without a record of its own: its first action at `scope`. `also` adds its other actions at
   * and below that scope. Throws `internal` where the duty does not reach the scope. What is recorded goes by `Acts.duty`.
   */
  duty(duty: QuietDuty, scope: string): Grant;
};
