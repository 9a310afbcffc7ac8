// A Grant is the proof that one actor may do one action at one scope, in one request. Every service function takes one
// first, so that nothing acts without a decision. The brand keeps others from writing one: only `access` imports
// `mint.ts`. There is no null that means root: the system acts through `Grants.system(reason)`.

import type { Actor } from '#kernel/authority/actor';
import type { Bounds } from '#kernel/authority/bounds';

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
  /** The id that was decided on. */
  readonly scope: string;
  readonly requestId: string;
  /** Why it was allowed, for the record: a role and the scope of its assignment, `open: …`, `system: …`. */
  readonly reason: string;
  readonly address: string | undefined;
  /** Only on grants of a `listing` route. */
  readonly visibility?: Visibility;
  /** Only on grants of a bounded caller: what everything must stay inside. */
  readonly within?: Bounds;
};

export type Plane = 'control' | 'data';

/** One thing that can be permitted. Names are Azure's; the catalogue is `@strongroom/contract/actions`. */
export type Action = { readonly name: string; readonly plane: Plane };

/** What modules hold of `access`: a further permission within a request, and the system's own authority. */
export type Grants = {
  /** Throws `forbidden` unless the same actor may also do `action` at `scope`. */
  also(grant: Grant, action: Action, scope: string): Grant;
  /** True or false instead of a throw, for answers that merely show less. */
  mayAlso(grant: Grant, action: Action, scope: string): boolean;
  /** As the managed identity that acts for a resource: decided by its own role assignments. Throws `forbidden`. */
  as(
    principal: { readonly objectId: string; readonly name: string },
    action: Action,
    scope: string,
    reason: string,
  ): Grant;
  /** The system's own authority for its own upkeep. The reason is recorded. */
  system(reason: string): Grant;
};
