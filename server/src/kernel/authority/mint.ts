// The only maker of Grants. Imported by modules/access alone (the dependency table enforces it): whoever else could
// call this could act without a decision.

import type { Grant } from '#kernel/authority/grant';

export type GrantFields = { readonly [K in keyof Grant as K extends symbol ? never : K]: Grant[K] };

export function mintGrant(fields: GrantFields): Grant {
  // The brand is a type, not a value, so the cast is the minting.
  return Object.freeze({ ...fields }) as Grant;
}
