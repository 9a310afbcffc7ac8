// Who acts. An Actor is what a credential proved; it grants nothing by itself. Made only by authentication schemes
// (identity, and the surfaces that accept run tokens and keys), read everywhere.

export type ActorKind = 'user' | 'application' | 'managedIdentity' | 'run' | 'agent' | 'system' | 'anonymous';

export type Authentication = {
  /** How the caller proved itself: `bearer`, `runToken`, `key`, `session`, `none`. */
  readonly method: string;
  readonly mfa: boolean;
  /** Identifies the token in the audit log (`uti` or `jti`); never the token. */
  readonly tokenId: string | undefined;
  /** What the credential stands on, for what is issued in its turn. Says nothing to anybody but `identity`. */
  readonly standing?: string;
};

/**
 * What a run token may touch, whatever the roles say: one workspace, one run, the actions listed. A grant carries it on
 * as `within`, and services refuse what lies outside.
 */
export type RunBounds = {
  readonly workspaceId: string; // resource id of the workspace
  readonly runId: string;
  readonly experimentId: string | undefined;
  /** Exact action names. */
  readonly actions: readonly string[];
  /** Resource ids below which `read` actions are allowed besides the run itself (code, inputs, models, images). */
  readonly inputs: readonly string[];
};

export type Actor = {
  readonly kind: ActorKind;
  /** Object id in the directory; for a system actor or an anonymous one the all-zero GUID. */
  readonly objectId: string;
  readonly tenantId: string;
  /** Display name: user principal name, application name. */
  readonly name: string;
  /** Client id of the application that carries the call, where there is one. */
  readonly applicationId: string | undefined;
  readonly groups: readonly string[];
  readonly authentication: Authentication;
  readonly bounds?: RunBounds;
};

const nobody = '00000000-0000-0000-0000-000000000000';

export const anonymous: Actor = {
  kind: 'anonymous',
  objectId: nobody,
  tenantId: nobody,
  name: 'anonymous',
  applicationId: undefined,
  groups: [],
  authentication: { method: 'none', mfa: false, tokenId: undefined },
};

export const systemActor: Actor = {
  kind: 'system',
  objectId: nobody,
  tenantId: nobody,
  name: 'Strongroom',
  applicationId: undefined,
  groups: [],
  authentication: { method: 'none', mfa: false, tokenId: undefined },
};
