// Slows down guessing. A failure fills several buckets, each with a free allowance; past it every further failure locks the
// bucket for twice as long, at most a quarter of an hour. Which buckets a try is counted in, and why, is decided in
// sign-in.service.ts (ADR 13). What is being checked counts as well, so that many guesses at once are no more than many in a row.
// The table is what counts: nothing is forgotten because memory ran out, and a lock survives a restart.

import type { Clock } from '#kernel/clock/clock';
import { sha256Hex } from '#kernel/crypto/digest';
import type { Database, Tx } from '#kernel/database/database';
import type { Failure } from '#kernel/errors/failure';
import type { Telemetry } from '#kernel/telemetry/telemetry';
import { type AttemptRow, attemptsOf, deleteAttempt, putAttempt, sweepAttempts } from './attempts.store.ts';
import { identityFailures } from './identity.errors.ts';
import { type countedBy, identityMeters } from './meters.ts';

type Policy = {
  /** How many failures are free. */
  readonly free: number;
  /** One failure is forgiven in this time; without it all of them stay until a day has passed without another. */
  readonly leakMs?: number;
  /** Counts names that fail, not failures: a name that fails again is still one. */
  readonly ofNames?: true;
};
const hours = (count: number) => count * 3_600_000;

export type CountedBy = (typeof countedBy)[number];

const policies = {
  /** A name from one network: the one that locks first, and locks nobody else. */
  nameHere: { free: 5 },
  /** A name from one site of IPv6, which has 65,536 networks. */
  nameAtSite: { free: 10 },
  /** A name from everywhere. It leaks twice as fast as one locked network can fill it. */
  name: { free: 50, leakMs: hours(1 / 8) },
  /** Names that fail from one network. */
  network: { free: 20, leakMs: hours(1 / 2), ofNames: true },
  site: { free: 80, leakMs: hours(1 / 8), ofNames: true },
  /** A browser that the user signed in with before. */
  device: { free: 5 },
  /** Whoever is signed in and says an old password. */
  ownPassword: { free: 5 },
  /** Codes of the device flow that nobody was given. */
  deviceCode: { free: 10 },
  deviceCodeAtSite: { free: 40 },
} as const satisfies Record<CountedBy, Policy>;
export type Counted = { readonly by: CountedBy; readonly value: string };

const firstLockMs = 30_000;
const longestLockMs = 15 * 60_000;
const forgetAfterMs = hours(24);
/** More than failures of a quarter of an hour can lock: passwords are checked slowly. Between two sweeps there may be more. */
const rowsMax = 200_000;
const rereadsMax = 50;

/** One try that is being looked at. */
export type Attempt = {
  /** Failures that the first bucket held before: the caller's own, where it is a narrow one. */
  readonly ownFailures: number;
  /** Durable when it resolves, in one write with `besides`. */
  failed(besides?: (tx: Tx) => Promise<void>): Promise<void>;
  succeeded(besides?: (tx: Tx) => Promise<void>): Promise<void>;
  /** Must be called, after one of the above. */
  end(): void;
};

export type Attempts = {
  /**
   * Before anything is checked. Throws Failure `throttled` while any of these is locked, or while so many attempts are being
   * looked at that they could use up what is left.
   */
  begin(counted: readonly Counted[]): Promise<Attempt>;
  sweep(): Promise<void>;
};

const keyOf = ({ by, value }: Counted) => sha256Hex(`${by}:${value.toLowerCase()}`);
const policyOf = ({ by }: Counted): Policy => policies[by];

function levelOf(row: AttemptRow | undefined, { leakMs }: Policy, now: number): number {
  if (row === undefined || row.forget_at_ms <= now) return 0;
  if (leakMs === undefined) return row.level;
  // A clock that was set back forgives nothing and adds nothing.
  return Math.max(0, row.level - Math.max(0, now - row.level_at_ms) / leakMs);
}

export function createAttempts(options: {
  readonly database: Database;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}): Attempts {
  const { database, clock, telemetry } = options;
  /** How many attempts are being looked at, by key. */
  const running = new Map<string, number>();
  /** Grows with every write that others may have to see. */
  let writes = 0;
  const failures = telemetry.counter(identityMeters.failures);
  const lockOuts = telemetry.counter(identityMeters.lockOuts);
  const refusals = telemetry.counter(identityMeters.refusals);

  function refuse(why: string, seconds: number): Failure {
    refusals.add({});
    return identityFailures.TooManyAttempts(why, seconds);
  }

  /** As nobody changed them while they were read: a failure is in the table before it stops to count as running. */
  async function settled(keys: readonly string[]): Promise<ReadonlyMap<string, AttemptRow>> {
    for (let time = 0; time < rereadsMax; time++) {
      const before = writes;
      const rows = await attemptsOf(database.read, keys);
      if (before === writes) return rows;
    }
    throw refuse('Too many attempts are being checked at this moment.', 1);
  }

  return {
    async begin(counted) {
      const keys = counted.map(keyOf);
      const rows = await settled(keys);
      const now = clock.epochMs();
      const until = Math.max(0, ...keys.map((key) => rows.get(key)?.locked_until_ms ?? 0));
      if (until > now) throw refuse('There were too many failed attempts.', Math.ceil((until - now) / 1000));
      for (const one of counted) {
        const key = keyOf(one);
        const others = running.get(key) ?? 0;
        // One at a time always: a lock that is over lets one attempt in.
        if (others > 0 && levelOf(rows.get(key), policyOf(one), now) + others >= policyOf(one).free)
          throw refuse('Too many attempts are being checked at this moment.', 1);
      }
      for (const key of keys) running.set(key, (running.get(key) ?? 0) + 1);
      let isOver = false;
      const [first] = counted;
      const before = first === undefined ? 0 : levelOf(rows.get(keyOf(first)), policyOf(first), now);

      return {
        ownFailures: before,
        async failed(besides) {
          const locked = await database.write(async (tx) => {
            const lockedBy: CountedBy[] = [];
            const present = await attemptsOf(tx, keys);
            const at = clock.epochMs();
            const isNewName = first !== undefined && levelOf(present.get(keyOf(first)), policyOf(first), at) === 0;
            for (const one of counted) {
              const policy = policyOf(one);
              const row = present.get(keyOf(one));
              const isCounted = policy.ofNames !== true || isNewName;
              const level = levelOf(row, policy, at) + (isCounted ? 1 : 0);
              const over = Math.floor(level) - policy.free;
              const lockMs =
                over < 0 || !isCounted ? 0 : Math.min(firstLockMs * 2 ** Math.min(over, 20), longestLockMs);
              if (lockMs > 0) lockedBy.push(one.by);
              await putAttempt(tx, {
                key: keyOf(one),
                level,
                level_at_ms: at,
                locked_until_ms: Math.max(at + lockMs, row?.locked_until_ms ?? 0),
                forget_at_ms: at + forgetAfterMs,
              });
            }
            await besides?.(tx);
            return lockedBy;
          });
          writes += 1;
          failures.add({ method: first?.by === 'deviceCode' ? 'device_code' : 'password' });
          for (const by of locked) lockOuts.add({ counted_by: by });
        },
        async succeeded(besides) {
          await database.write(async (tx) => {
            const present = await attemptsOf(tx, keys);
            const at = clock.epochMs();
            const own = first === undefined ? 0 : levelOf(present.get(keyOf(first)), policyOf(first), at);
            for (const one of counted) {
              const row = present.get(keyOf(one));
              if (row === undefined) continue;
              const policy = policyOf(one);
              // Whoever knows the password in the end was one who mistyped it, and no more than that is forgiven: what
              // others tried at this name, and this network at other names, stays.
              const forgiven = policy.leakMs === undefined ? row.level : policy.ofNames ? Math.min(own, 1) : own;
              const level = Math.max(0, levelOf(row, policy, at) - forgiven);
              if (level === 0) await deleteAttempt(tx, row.key);
              else await putAttempt(tx, { ...row, level, level_at_ms: at });
            }
            await besides?.(tx);
          });
          writes += 1;
        },
        end() {
          if (isOver) return;
          isOver = true;
          for (const key of keys) {
            const left = (running.get(key) ?? 1) - 1;
            if (left > 0) running.set(key, left);
            else running.delete(key);
          }
        },
      };
    },
    async sweep() {
      await database.write((tx) => sweepAttempts(tx, clock.epochMs(), rowsMax));
    },
  };
}
