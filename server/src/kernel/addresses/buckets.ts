// Token buckets by network: what a stranger may use up, and how fast it comes back. Counts by `addressKeys`, near and wide, and
// once over everybody where that is asked for. Bounded in memory without giving anything away: a bucket is forgotten only when
// it is full again, so nobody empties his own and pushes it out; while there is no room, new networks share one.

import type { Clock } from '#kernel/clock/clock';
import { addressKeys } from './addresses.ts';

export type Rate = {
  /** How many at once. */
  readonly burst: number;
  readonly perMinute: number;
};

export type Buckets = {
  /** Takes `count`, from all that apply or from none; says whether there were so many. */
  take(address: string | undefined, count?: number): boolean;
  /** Puts back what turned out not to be a stranger's. */
  giveBack(address: string | undefined, count?: number): void;
};

type Level = { tokens: number; atMs: number };

const networksMax = 20_000;
/** How many of the least recently used are looked at to find one that is full again. */
const lookedAt = 32;
const everybody = '*';
const others = 'others';

export function createBuckets(options: {
  readonly clock: Clock;
  /** Of one IPv4 address or one /64. */
  readonly near: Rate;
  /** Of one /48. */
  readonly wide: Rate;
  /** Of everybody together. */
  readonly all?: Rate;
  readonly networksMax?: number;
}): Buckets {
  const { clock, near, wide, all } = options;
  const most = options.networksMax ?? networksMax;
  /** In the order of use, the least recent first. */
  const levels = new Map<string, Level>();
  const rateOf = (key: string): Rate => (key === everybody && all ? all : key.endsWith('/48') ? wide : near);

  function refill(key: string, level: Level, nowMs: number): void {
    const { burst, perMinute } = rateOf(key);
    // A clock that was set back stands still until it has caught up, at most for a minute.
    const passed = Math.max(0, nowMs - level.atMs);
    if (nowMs < level.atMs - 60_000 || passed > 0) level.atMs = nowMs;
    level.tokens = Math.min(burst, level.tokens + (passed * perMinute) / 60_000);
  }

  function hasRoom(nowMs: number): boolean {
    if (levels.size < most) return true;
    let seen = 0;
    for (const [key, level] of levels) {
      if (++seen > lookedAt) return false;
      refill(key, level, nowMs);
      if (level.tokens < rateOf(key).burst) continue;
      levels.delete(key);
      return true;
    }
    return false;
  }

  function levelOf(wanted: string, nowMs: number): Level {
    const key = levels.has(wanted) || wanted === everybody || hasRoom(nowMs) ? wanted : others;
    const level = levels.get(key) ?? { tokens: rateOf(key).burst, atMs: nowMs };
    refill(key, level, nowMs);
    levels.delete(key);
    levels.set(key, level);
    return level;
  }

  const keysOf = (address: string | undefined) => {
    const keys = addressKeys(address);
    // The widest first: whoever has emptied his /48 makes no room for its 65,536 networks.
    return [...(all ? [everybody] : []), ...(keys.wide === undefined ? [] : [keys.wide]), keys.near];
  };

  return {
    take(address, count = 1) {
      const nowMs = clock.epochMs();
      const taken: Level[] = [];
      for (const key of keysOf(address)) {
        const level = levelOf(key, nowMs);
        if (level.tokens < count) {
          for (const one of taken) one.tokens += count;
          return false;
        }
        level.tokens -= count;
        taken.push(level);
      }
      return true;
    },
    giveBack(address, count = 1) {
      for (const key of keysOf(address)) {
        const level = levels.get(key);
        if (level) level.tokens = Math.min(rateOf(key).burst, level.tokens + count);
      }
    },
  };
}
