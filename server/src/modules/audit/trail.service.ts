// The kernel's port, over the appender. Begin resolves when the record is durable, and rejects otherwise: then nothing may
// be done. An outcome that cannot be written is owed: it is kept, and written as soon as the disk takes it again.

import type { AuditTrail } from '#kernel/authority/audit';
import type { Clock } from '#kernel/clock/clock';
import type { Appender } from './appender.service.ts';
import { auditFailures } from './audit.errors.ts';
import { begunRecord, concludedRecord, type Encoded, encodeRecord, refusedRecord } from './record.rules.ts';
import { createStrangerRecords } from './strangers.service.ts';

export type Trail = AuditTrail & {
  /** Writes what was counted, and outcomes that an earlier attempt could not; says how many of these are still owed. */
  settle(): Promise<number>;
};

const owedMax = 10_000;

export function createTrail({ appender, clock }: { readonly appender: Appender; readonly clock: Clock }): Trail {
  const strangers = createStrangerRecords({ appender, clock });
  // Beyond the bound the intent stays open, and the next start says `unknown`.
  let owed: Encoded[] = [];

  async function conclude(encoded: Encoded): Promise<void> {
    try {
      await appender.append(encoded);
    } catch (error) {
      if (owed.length < owedMax) owed.push(encoded);
      throw auditFailures.outcomeNotRecorded(error);
    }
  }

  return {
    async begin(level, intent) {
      const record = begunRecord(level, intent, clock.now());
      const sequence = await appender.append(encodeRecord(record));
      let concluded: Promise<void> | undefined;
      return {
        // Once: a second word on the same act could only contradict the first.
        conclude(outcome) {
          const isSilent = level === 'access' && outcome.status < 400;
          concluded ??= isSilent
            ? Promise.resolve()
            : conclude(encodeRecord(concludedRecord({ sequence, record }, outcome, clock.now())));
          return concluded;
        },
      };
    },
    async refused(intent, outcome) {
      await appender.append(encodeRecord(refusedRecord(intent, outcome, clock.now())));
    },
    stranger: strangers.record,
    listing: strangers.listing,
    async settle() {
      await strangers.flush();
      const due = owed;
      owed = [];
      const settled = await Promise.allSettled(due.map((encoded) => appender.append(encoded)));
      owed.push(...due.filter((_, index) => settled[index]?.status === 'rejected'));
      return owed.length;
    },
  };
}
