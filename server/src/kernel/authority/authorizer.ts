// The port to `access` that the pipeline holds: decide, and mint. One decision a request, on the path alone.

import type { Actor } from '#kernel/authority/actor';
import type { Action, Grant } from '#kernel/authority/grant';

export type Decision = {
  readonly actor: Actor;
  readonly requestId: string;
  readonly address: string | undefined;
};

export type Authorizer = {
  /** Throws `forbidden` (code AuthorizationFailed, message of Azure's template) unless allowed. */
  needs(decision: Decision, action: Action, scope: string): Grant;
  /**
   * For a caller with bounds: they allow the action at something at or below `under`, and the grant is for that alone; of several
   * things the first. Throws `forbidden` like `needs`. What else is acted on needs a decision of its own.
   */
  within(decision: Decision, action: Action, under: string): Grant;
  /** Never throws for want of a role: the grant carries what may be seen at or below the scope, perhaps nothing. */
  listing(decision: Decision, action: Action, scope: string): Grant;
  /** Any authenticated caller. */
  signedIn(decision: Decision, reason: string): Grant;
  /** Anybody. */
  open(decision: Decision, reason: string): Grant;
};
