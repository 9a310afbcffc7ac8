// Tokens that are refused before they expire. In memory for the check, in the database for the next start; an entry goes
// when the token would have expired anyway.

import type { Clock } from '#kernel/clock/clock';
import { type Database, type Tx, tables } from '#kernel/database/database';

type Tables = { revoked_tokens: { token_id: string; until_ms: number } };
const db = (tx: Tx) => tables<Tables>(tx);

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
      await database.write((tx) =>
        db(tx)
          .insertInto('revoked_tokens')
          .values(row)
          .onConflict((conflict) => conflict.column('token_id').doNothing())
          .execute(),
      );
    },
    async load() {
      const rows = await database.scan(
        db(database.read)
          .selectFrom('revoked_tokens')
          .select(['token_id', 'until_ms'])
          .where('until_ms', '>', clock.epochMs()),
        { maxRows: 1_000_000 },
      );
      for (const row of rows) revoked.set(row.token_id, row.until_ms);
    },
    async sweep() {
      const now = clock.epochMs();
      for (const [tokenId, until] of revoked) if (until <= now) revoked.delete(tokenId);
      await database.write((tx) => db(tx).deleteFrom('revoked_tokens').where('until_ms', '<=', now).execute());
    },
  };
}
