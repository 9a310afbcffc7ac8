// What others have to say when somebody leaves the directory. Roles hang on principals, and identity knows no roles: access
// implements this port and compose introduces the two.

import type { Tx } from '#kernel/database/database';

/**
 * Runs `leave`, which disables or removes the principal, in one write with what must happen besides. Throws, and then the
 * principal stays as it was, if it may not leave.
 */
export type Leaving = (
  objectId: string,
  how: 'disabled' | 'removed',
  leave: (tx: Tx) => Promise<void>,
) => Promise<void>;
