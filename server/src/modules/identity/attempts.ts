// Slows down guessing. Failures are counted by user name (whether or not it exists, so that the lock tells nothing) and by
// address; past a free allowance each further one locks for twice as long. Counts survive a restart. Must not lock for
// long: whoever knows a user name can cause the lock.

import type { Clock } from '#kernel/clock/clock';
import { sha256Hex } from '#kernel/crypto/digest';
import { type Database, type Tx, tables } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';

type Row = { key: string; failures: number; locked_until_ms: number; forget_at_ms: number };
type Tables = { failed_attempts: Row };
const db = (tx: Tx) => tables<Tables>(tx);

/** How many failures are free, by what is counted. */
const allowances = { user: 5, address: 20, deviceCode: 10 } as const;
export type Counted = { readonly by: keyof typeof allowances; readonly value: string };

const firstLockMs = 30_000;
const longestLockMs = 15 * 60_000;
const forgetAfterMs = 24 * 3_600_000;
const keysMax = 20_000;

export type Attempts = {
  /** @throws Failure `throttled` while any of these is locked */
  check(counted: readonly Counted[]): void;
  failed(counted: readonly Counted[]): Promise<void>;
  succeeded(counted: readonly Counted[]): Promise<void>;
  load(): Promise<void>;
  sweep(): Promise<void>;
};

export function createAttempts(options: { readonly database: Database; readonly clock: Clock }): Attempts {
  const { database, clock } = options;
  // In order of use: the oldest falls out when an attacker brings more keys than there is room for.
  const known = new Map<string, Row>();
  const keyOf = ({ by, value }: Counted) => sha256Hex(`${by}:${value.toLowerCase()}`);

  function remember(row: Row): void {
    known.delete(row.key);
    known.set(row.key, row);
    const [oldest] = known.keys();
    if (known.size > keysMax && oldest !== undefined) known.delete(oldest);
  }

  return {
    check(counted) {
      const now = clock.epochMs();
      const until = Math.max(0, ...counted.map((one) => known.get(keyOf(one))?.locked_until_ms ?? 0));
      if (until <= now) return;
      const seconds = Math.ceil((until - now) / 1000);
      throw new Failure({
        kind: 'throttled',
        code: 'TooManyAttempts',
        message: `There were too many failed attempts. Try again in ${seconds < 90 ? `${seconds} seconds` : `${Math.ceil(seconds / 60)} minutes`}.`,
        retryAfterSeconds: seconds,
      });
    },
    async failed(counted) {
      const now = clock.epochMs();
      const rows = counted.map((one) => {
        const key = keyOf(one);
        const before = known.get(key);
        const failures = before !== undefined && before.forget_at_ms > now ? before.failures + 1 : 1;
        const over = failures - allowances[one.by];
        const lockMs = over < 0 ? 0 : Math.min(firstLockMs * 2 ** Math.min(over, 20), longestLockMs);
        return { key, failures, locked_until_ms: now + lockMs, forget_at_ms: now + forgetAfterMs };
      });
      // In memory first: attempts that run at the same time must count each other.
      rows.forEach(remember);
      await database.write(async (tx) => {
        for (const row of rows)
          await db(tx)
            .insertInto('failed_attempts')
            .values(row)
            .onConflict((conflict) => conflict.column('key').doUpdateSet(row))
            .execute();
      });
    },
    async succeeded(counted) {
      const keys = counted.map(keyOf).filter((key) => known.delete(key));
      if (keys.length === 0) return;
      await database.write((tx) => db(tx).deleteFrom('failed_attempts').where('key', 'in', keys).execute());
    },
    async load() {
      const rows = await db(database.read)
        .selectFrom('failed_attempts')
        .select(['key', 'failures', 'locked_until_ms', 'forget_at_ms'])
        .where('forget_at_ms', '>', clock.epochMs())
        .orderBy('forget_at_ms', 'desc')
        .limit(keysMax)
        .execute();
      rows.reverse().forEach(remember);
    },
    async sweep() {
      const now = clock.epochMs();
      for (const [key, row] of known) if (row.forget_at_ms <= now) known.delete(key);
      await database.write((tx) => db(tx).deleteFrom('failed_attempts').where('forget_at_ms', '<=', now).execute());
    },
  };
}
