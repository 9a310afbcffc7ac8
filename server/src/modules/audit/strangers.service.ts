// What strangers do, recorded within bounds. The first of its kind from a network is listed whole, at once and durably; what is
// like it (the same network, operation and code) is counted, and the counts are written with the next checkpoint, within a
// minute. Rows come out of a budget by network and over all: N requests cost rows by the minute and not by N. A crash loses the
// counts of its last minute, never the first of a kind. Bounded in memory: beyond the bound, kinds of a network are added up.

import { addressKeys } from '#kernel/addresses/addresses';
import { createBuckets } from '#kernel/addresses/buckets';
import type { AuditIntent, AuditOutcome } from '#kernel/authority/audit';
import type { Clock } from '#kernel/clock/clock';
import type { Appender } from './appender.service.ts';
import { encodeRecord, refusedRecord, repeatedRecord } from './record.rules.ts';

export type StrangerRecords = {
  record(intent: AuditIntent, outcome: AuditOutcome): Promise<void>;
  /** Room for an intent and an outcome of its own, or undefined. */
  listing(address: string | undefined): { proved(): void } | undefined;
  /** Writes what was counted since the last time. */
  flush(): Promise<void>;
};

/** What was counted under one name: its kind, all of its network, everybody. */
type Counted = { readonly named: Named; readonly outcome: AuditOutcome; readonly since: Date; count: number };
type Named = { readonly breadth: 'kind' | 'network' | 'everybody'; readonly key: string; readonly intent: AuditIntent };

/** Rows: enough that a person who mistypes, a program that probes and a scan of every route are all listed one by one. */
const near = { burst: 1_000, perMinute: 20 };
const wide = { burst: 2_000, perMinute: 60 };
const all = { burst: 4_000, perMinute: 120 };
/** Of a network that has used up its rows one row a minute says the rest, for the busiest of them; then one for everybody. */
const networksListed = 50;
const kindsMax = 2_000;
const networksMax = 3_000;

export function createStrangerRecords(parts: { readonly appender: Appender; readonly clock: Clock }): StrangerRecords {
  const { appender, clock } = parts;
  const budget = createBuckets({ clock, near, wide, all });
  let counted = new Map<string, Counted>();

  function add(named: Named, outcome: AuditOutcome, count: number, since: Date): void {
    const present = counted.get(named.key);
    if (present) present.count += count;
    else counted.set(named.key, { named, outcome, since, count });
  }

  /** Counts under the narrowest name that there is room for. */
  function count(intent: AuditIntent, outcome: AuditOutcome): void {
    const [kind, network, everybody] = namesOf(intent, outcome);
    const has = ({ key }: Named, most: number) => counted.has(key) || counted.size < most;
    add(has(kind, kindsMax) ? kind : has(network, networksMax) ? network : everybody, outcome, 1, clock.now());
  }

  function wider({ named, outcome, count: times, since }: Counted): void {
    const [, network, everybody] = namesOf(named.intent, outcome);
    add(named.breadth === 'kind' ? network : everybody, outcome, times, since);
  }

  /** Of all that was counted, what gets a row; the rest is added up. */
  function rowsDue(): readonly Counted[] {
    const take = () => {
      const due = [...counted.values()].filter((one) => one.count > 0);
      counted = new Map();
      return due;
    };
    const kinds: Counted[] = [];
    for (const one of take())
      if (one.named.breadth !== 'kind') add(one.named, one.outcome, one.count, one.since);
      else if (budget.take(one.named.intent.address?.replace(/\/\d+$/, ''))) kinds.push(one);
      else wider(one);
    const networks: Counted[] = [];
    for (const one of take().sort((a, b) => b.count - a.count))
      if (one.named.breadth === 'everybody') add(one.named, one.outcome, one.count, one.since);
      else if (networks.length < networksListed) networks.push(one);
      else wider(one);
    return [...kinds, ...networks, ...take()];
  }

  return {
    async record(intent, outcome) {
      const [kind] = namesOf(intent, outcome);
      const isListed = !counted.has(kind.key) && counted.size < kindsMax && budget.take(intent.address);
      if (!isListed) return count(intent, outcome);
      // In memory first: what comes while this is being written is like it.
      add(kind, outcome, 0, clock.now());
      await appender.append(encodeRecord(refusedRecord(intent, outcome, clock.now())));
    },
    listing(address) {
      if (!budget.take(address, 2)) return undefined;
      return { proved: () => budget.giveBack(address, 2) };
    },
    async flush() {
      const rows = rowsDue();
      const written = await Promise.allSettled(
        rows.map(({ named, outcome, count: times, since }) =>
          appender.append(encodeRecord(repeatedRecord({ intent: named.intent, outcome, times, since }, clock.now()))),
        ),
      );
      // What could not be written is owed, and added to what has come meanwhile.
      for (const [at, row] of rows.entries())
        if (written[at]?.status === 'rejected') add(row.named, row.outcome, row.count, row.since);
    },
  };
}

/** What is alike, from the narrowest to the widest. The widest are as few as there are statuses. */
function namesOf(intent: AuditIntent, outcome: AuditOutcome): readonly [Named, Named, Named] {
  const network = addressKeys(intent.address?.replace(/\/\d+$/, '')).near;
  const code = outcome.code ?? String(outcome.status);
  const further = { ...intent, operation: 'Strangers_Further', action: '', scope: '/', parameters: {} };
  return [
    { breadth: 'kind', key: `${network} ${intent.operation} ${code}`, intent: { ...intent, address: network } },
    { breadth: 'network', key: `${network} ${code}`, intent: { ...further, address: network } },
    {
      breadth: 'everybody',
      key: String(outcome.status),
      intent: { ...further, address: undefined, userAgent: undefined },
    },
  ];
}
