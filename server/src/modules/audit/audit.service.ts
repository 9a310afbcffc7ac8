// What the log can do, beyond being written to: lists, checkpoints, proofs, verification, export. Says what is asked of a
// size that no checkpoint covers, and keeps verification to one at a time.

import type {
  ActivityEvent,
  AuditCheckpoint,
  AuditConsistency,
  AuditDropped,
  AuditInclusion,
  AuditRecordsQuery,
  AuditSegments,
  AuditSegmentsQuery,
  AuditVerification,
} from '@strongroom/contract/audit';
import type { AuditTrail } from '#kernel/authority/audit';
import type { Clock } from '#kernel/clock/clock';
import { formatVerifier, type NoteVerifier } from '#kernel/crypto/signed-note';
import type { Database } from '#kernel/database/database';
import type { Log } from '#kernel/log/log';
import type { LogAnchors } from './anchors.service.ts';
import type { Appender } from './appender.service.ts';
import { auditFailures } from './audit.errors.ts';
import { readCheckpoint, readLastCheckpoint, readLeaves, scanCheckpoints } from './audit.store.ts';
import type { Checkpoints } from './checkpoints.service.ts';
import { createDrops, type DropRequest, type Drops } from './drops.service.ts';
import { exportAudit } from './export.service.ts';
import { consistencyHashes, inclusionHashes } from './proofs.service.ts';
import { createQueries, type Page, type RecordsPage } from './queries.service.ts';
import { type Range, segmentLines, segmentsOf, wireDropped } from './segments.service.ts';
import { scanDrops } from './segments.store.ts';
import type { Trail } from './trail.service.ts';
import { type FoundStore, verifyAudit } from './verification.service.ts';

export type AuditService = {
  readonly trail: AuditTrail;
  /** Name and public key of the signer; as a line, what an auditor keeps. */
  readonly verifier: NoteVerifier;
  readonly verifierLine: string;
  /** Records at or below `scope`, newest first. */
  list(scope: string, query: AuditRecordsQuery): Promise<RecordsPage>;
  /** The activity log of a subscription; of the tenant's own level for undefined. */
  events(
    subscriptionId: string | undefined,
    filter: string | undefined,
    skipToken: string | undefined,
  ): Promise<Page<ActivityEvent>>;
  checkpoints(query: { readonly $top?: string; readonly $skipToken?: string }): Promise<Page<AuditCheckpoint>>;
  /** Writes owed outcomes and signs what is durable; undefined while the log is empty. */
  checkpointNow(): Promise<AuditCheckpoint | undefined>;
  /** In the tree of `size` records, by default that of the last checkpoint. Throws `AuditProofNotFound`. */
  proveInclusion(sequence: number, size?: number): Promise<AuditInclusion>;
  proveConsistency(from: number, to?: number): Promise<AuditConsistency>;
  /** Verifies up to now, one at a time. */
  verify(options?: {
    readonly checkpoints?: readonly string[];
    readonly signal?: AbortSignal;
  }): Promise<AuditVerification>;
  /** JSON Lines up to the last checkpoint. */
  export(range?: { readonly from?: number; readonly to?: number }): AsyncIterable<string>;
  /** What is dropped, and which segments there are of what is here. */
  segments(query: AuditSegmentsQuery): Promise<AuditSegments>;
  /** The lines of one segment. Throws `AuditSegmentInvalid`, `AuditProofNotFound` or `AuditRecordsArchived`. */
  archive(range: Range): AsyncIterable<string>;
  /** Drops the records of a segment that the caller shows. */
  drop(request: DropRequest): Promise<AuditDropped>;
};

export function createAuditService(parts: {
  readonly database: Database;
  readonly appender: Appender;
  readonly trail: Trail;
  readonly anchors: LogAnchors;
  readonly signed: Checkpoints;
  readonly verifier: NoteVerifier;
  readonly clock: Clock;
  readonly log: Log;
  /** Days for which nothing is dropped; 0: for ever. */
  readonly retentionDays: number;
}): AuditService & Pick<Drops, 'resume'> {
  const { database, appender, trail, anchors, signed, verifier, clock, log, retentionDays } = parts;
  // Throws now for a name that no note can carry.
  const verifierLine = formatVerifier(verifier);
  const queries = createQueries(database);
  let isVerifying = false;
  const drops = createDrops({
    database,
    appender,
    anchors,
    sign: checkpointNow,
    clock,
    log,
    verifier,
    retentionDays,
  });

  async function checkpointNow(): Promise<AuditCheckpoint | undefined> {
    const owed = await trail.settle();
    if (owed > 0) log.warn({ module: 'audit', count: owed }, 'outcomes still wait to be recorded');
    await anchors.settle();
    const row = await signed.now();
    if (row) await anchors.signed(row.size);
    return row && wireCheckpoint(row);
  }

  /** Of the last checkpoint, or a size that was asked for and exists. */
  async function coveredSize(asked: number | undefined, atLeast: number): Promise<number> {
    const size = asked ?? (await readLastCheckpoint(database.read))?.size ?? 0;
    if (size > appender.tree().size) throw auditFailures.beyondLog(appender.tree().size, size);
    if (size >= atLeast) return size;
    if (asked !== undefined)
      throw auditFailures.InvalidQueryParameterValue('size', `A tree of ${size} records does not reach that far.`);
    throw auditFailures.uncovered();
  }

  async function noteOf(size: number): Promise<{ checkpoint?: string }> {
    const row = await readCheckpoint(database.read, size);
    return row === undefined ? {} : { checkpoint: row.note };
  }

  return {
    trail: { begin: trail.begin, refused: trail.refused, stranger: trail.stranger, listing: trail.listing },
    verifier,
    verifierLine,
    list: queries.records,
    events: queries.events,
    async checkpoints({ $top = '100', $skipToken }) {
      const top = Number($top);
      const before = $skipToken === undefined ? Number.MAX_SAFE_INTEGER : Number($skipToken);
      if (!Number.isSafeInteger(before))
        throw auditFailures.InvalidQueryParameterValue(
          '$skipToken',
          'This $skipToken was not given out here. Follow nextLink.',
        );
      if (top > 1_000) throw auditFailures.InvalidQueryParameterValue('$top', 'A page holds at most 1000 checkpoints.');
      const rows = await scanCheckpoints(database, before, top + 1);
      const last = rows.length > top ? rows[top - 1] : undefined;
      return { value: rows.slice(0, top).map(wireCheckpoint), skipToken: last && String(last.size) };
    },
    checkpointNow,
    async proveInclusion(sequence, asked) {
      const size = await coveredSize(asked, sequence + 1);
      const [leaf] = await readLeaves(database.read, sequence, sequence + 1);
      if (leaf === undefined) throw auditFailures.AuditDamaged(`record ${sequence} is missing`);
      const hashes = await inclusionHashes(database, sequence, size);
      return { sequence, size, leafHash: base64(leaf), hashes: hashes.map(base64), ...(await noteOf(size)) };
    },
    async proveConsistency(from, asked) {
      if (from < 1)
        throw auditFailures.InvalidQueryParameterValue('from', 'Consistency begins with a log of one record or more.');
      const to = await coveredSize(asked, from);
      const hashes = await consistencyHashes(database, from, to);
      return { from, to, hashes: hashes.map(base64), ...(await noteOf(to)) };
    },
    async verify(options = {}) {
      // It reads everything: more than one at a time would only make all of them slower.
      if (isVerifying) throw auditFailures.AuditVerificationRunning();
      // What goes away while it reads would look cut.
      if (drops.isRunning()) throw auditFailures.AuditDropRunning();
      isVerifying = true;
      try {
        // Binds what the server remembers: rows that were altered since the last checkpoint do not agree with it.
        await checkpointNow();
        const look = async (store: string): Promise<FoundStore> => ({
          state: anchors.admitted().has(store) ? 'admitted' : 'unopened',
        });
        return await verifyAudit({ database, verifier, look, isRunning: true, ...options });
      } finally {
        isVerifying = false;
      }
    },
    export: (range = {}) => exportAudit({ database, verifier, ...range }),
    segments: async ({ before, until }) => ({
      verifier: verifierLine,
      retentionDays,
      dropped: (await scanDrops(database)).map(wireDropped),
      segments: [...(await segmentsOf(database, { before, until: until === undefined ? undefined : Number(until) }))],
    }),
    archive: (range) => segmentLines({ database, verifier, range }),
    async drop(request) {
      if (isVerifying) throw auditFailures.AuditVerificationRunning();
      return await drops.drop(request);
    },
    resume: drops.resume,
  };
}

const base64 = (hash: Uint8Array) => Buffer.from(hash).toString('base64');

const wireCheckpoint = (row: { size: number; time_ms: number; note: string }): AuditCheckpoint => ({
  size: row.size,
  time: new Date(row.time_ms).toISOString(),
  note: row.note,
});
