// Slows down guessing. Failures are counted by user name (whether or not it exists, so that the lock tells nothing) and by
// address; past a free allowance each further one locks for twice as long. What is being checked counts as well, so that many
// guesses at once are no more than many in a row. Counts survive a restart. Must not lock for long: whoever knows a user
// name can cause the lock.

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
  /**
   * Before an attempt is looked at; what it answers is called after it. Throws Failure `throttled` while any of these is locked,
   * or while so many attempts are looked at that they could use up what is left.
   */
  begin(counted: readonly Counted[]): () => void;
  failed(counted: readonly Counted[]): Promise<void>;
  succeeded(counted: readonly Counted[]): Promise<void>;
  load(): Promise<void>;
  sweep(): Promise<void>;
};

export function createAttempts(options: { readonly database: Database; readonly clock: Clock }): Attempts {
  const { database, clock } = options;
  // In order of use: the oldest falls out when an attacker brings more keys than there is room for.
  const known = new Map<string, Row>();
  /** How many attempts are being looked at, by key. */
  const running = new Map<string, number>();
  const keyOf = ({ by, value }: Counted) => sha256Hex(`${by}:${value.toLowerCase()}`);

  function remember(row: Row): void {
    known.delete(row.key);
    known.set(row.key, row);
    const [oldest] = known.keys();
    if (known.size > keysMax && oldest !== undefined) known.delete(oldest);
  }

  return {
    begin(counted) {
      const now = clock.epochMs();
      const keys = counted.map(keyOf);
      const until = Math.max(0, ...keys.map((key) => known.get(key)?.locked_until_ms ?? 0));
      if (until > now) throw tooMany('There were too many failed attempts.', Math.ceil((until - now) / 1000));
      for (const [index, key] of keys.entries()) {
        const row = known.get(key);
        const failures = row !== undefined && row.forget_at_ms > now ? row.failures : 0;
        const others = running.get(key) ?? 0;
        // One at a time always: a lock that is over lets one attempt in.
        if (others > 0 && failures + others >= allowances[counted[index]?.by ?? 'user'])
          throw tooMany('Too many attempts are being checked at this moment.', 1);
      }
      for (const key of keys) running.set(key, (running.get(key) ?? 0) + 1);
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        for (const key of keys) {
          const left = (running.get(key) ?? 1) - 1;
          if (left > 0) running.set(key, left);
          else running.delete(key);
        }
      };
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

const tooMany = (why: string, seconds: number) =>
  new Failure({
    kind: 'throttled',
    code: 'TooManyAttempts',
    message: `${why} Try again in ${seconds < 90 ? `${seconds} ${seconds === 1 ? 'second' : 'seconds'}` : `${Math.ceil(seconds / 60)} minutes`}.`,
    retryAfterSeconds: seconds,
  });
