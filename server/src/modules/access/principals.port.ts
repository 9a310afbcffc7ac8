// The port to the directory. `identity` implements it and compose introduces the two; access never asks for more.

import type { PrincipalType } from './assignment.types.ts';

export type Principal = {
  readonly objectId: string;
  readonly type: PrincipalType;
  readonly name: string;
  /** Object ids of all groups that it is in, directly or through others. */
  readonly groups: readonly string[];
  /** Whoever is disabled proves nothing, whatever its roles say. */
  readonly isEnabled: boolean;
  /** The identity of a resource, which goes with it and which nobody signs in as. */
  readonly isOfResource: boolean;
};

export type Principals = {
  find(objectId: string): Promise<Principal | undefined>;
};
