// Tokens that are refused before they expire. In memory for the check, in the database for the next start; an entry goes
// when the token would have expired anyway.

import type { Clock } from '#kernel/clock/clock';
import type { Database } from '#kernel/database/database';
import { deleteRevocations, insertRevocation, scanRevocations } from './revocations.store.ts';

/** A little longer than the token lives, for the skew that verifying allows. */
const graceMs = 120_000;

export type Revocations = {
  isRevoked(tokenId: string): boolean;
  revoke(tokenId: string, until: Date): Promise<void>;
  load(): Promise<void>;
  sweep(): Promise<void>;
};

export function createRevocations(options: { readonly database: Database; readonly clock: Clock }): Revocations {
  const { database, clock } = options;
  const revoked = new Map<string, number>();
  return {
    isRevoked: (tokenId) => revoked.has(tokenId),
    async revoke(tokenId, until) {
      const row = { token_id: tokenId, until_ms: until.getTime() + graceMs };
      // In memory first: from this moment it is refused, even if the write has to wait.
      revoked.set(tokenId, row.until_ms);
      await database.write((tx) => insertRevocation(tx, row));
    },
    async load() {
      const rows = await scanRevocations(database, clock.epochMs());
      for (const row of rows) revoked.set(row.token_id, row.until_ms);
    },
    async sweep() {
      const now = clock.epochMs();
      for (const [tokenId, until] of revoked) if (until <= now) revoked.delete(tokenId);
      await database.write((tx) => deleteRevocations(tx, now));
    },
  };
}
