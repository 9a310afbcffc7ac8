// The audit log: the only writer of its own database, which nobody else opens while the server runs. Composes the
// appender, the port of the kernel, checkpoints, queries and verification. Begins to accept at start, and not before.

import type { Clock } from '#kernel/clock/clock';
import type { NoteVerifier } from '#kernel/crypto/signed-note';
import type { SigningKey } from '#kernel/crypto/signing';
import type { Database, MigrationSet } from '#kernel/database/database';
import { tableOf } from '#kernel/errors/failures';
import type { Log } from '#kernel/log/log';
import type { Module } from '#kernel/module';
import type { Telemetry } from '#kernel/telemetry/telemetry';
import type { LogAnchors } from './anchors.service.ts';
import { createAppender } from './appender.service.ts';
import { auditFailures } from './audit.errors.ts';
import { auditRoutes } from './audit.routes.ts';
import { type AuditService, createAuditService } from './audit.service.ts';
import { readLastCheckpoint } from './audit.store.ts';
import { createCheckpointFile } from './checkpoint-file.service.ts';
import { createCheckpoints } from './checkpoints.service.ts';
import { auditMeters } from './meters.ts';
import { records } from './migrations/0001-records.ts';
import { anchors as anchorTable } from './migrations/0002-anchors.ts';
import { segments } from './migrations/0003-segments.ts';
import { auditSettings } from './settings.ts';
import { sweepOpenIntents } from './sweep.service.ts';
import { createTrail } from './trail.service.ts';

export { type LogAnchors, openAnchors } from './anchors.service.ts';
export type { AuditService } from './audit.service.ts';
export { readCheckpointFile } from './checkpoint-file.service.ts';
export { exportAudit, verifyExport } from './export.service.ts';
export { segmentBytes, segmentFileDigest, segmentFileLines } from './segment-file.service.ts';
export { segmentLines, segmentsOf } from './segments.service.ts';
export { auditSettings } from './settings.ts';
export { type FoundStore, verifyAudit } from './verification.service.ts';

/** Of the audit database, not of the control database. */
export const auditMigrations: MigrationSet = { module: 'audit', migrations: [records, anchorTable, segments] };

/** The name under which an installation signs its checkpoints; also their origin. */
export const auditOrigin = (installationId: string): string => `strongroom/${installationId}`;

const checkpointEveryMs = 60_000;

export function createAudit(deps: {
  /** Opened with `auditMigrations`. Whoever opened it closes it, after stop(). */
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly telemetry: Telemetry;
  readonly signer: SigningKey;
  /** Names the log in its checkpoints: no spaces, no plus signs. */
  readonly installationId: string;
  /** Opened on the same database. */
  readonly anchors: LogAnchors;
  /** Absolute path of a file that every checkpoint is appended to. */
  readonly checkpointFile?: string;
  /** Days after which archived records may be dropped; 0, the default: never. */
  readonly retentionDays?: number;
}): Module & AuditService {
  const { database, clock, log, signer, anchors, retentionDays = 0 } = deps;
  const name = auditOrigin(deps.installationId);
  const verifier: NoteVerifier = { name, publicKey: signer.publicKey };
  const appender = createAppender(database);
  const trail = createTrail({ appender, clock });
  anchors.bind(appender);
  const signed = createCheckpoints({
    database,
    appender,
    clock,
    log,
    signer: { name, key: signer },
    file: deps.checkpointFile === undefined ? undefined : createCheckpointFile(deps.checkpointFile),
  });
  const { resume, ...service } = createAuditService({
    database,
    appender,
    trail,
    anchors,
    signed,
    verifier,
    clock,
    log,
    retentionDays,
  });
  deps.telemetry.gauge(auditMeters.records, () => appender.tree().size);
  deps.telemetry.gauge(
    auditMeters.checkpoint,
    async () => ((await readLastCheckpoint(database.read))?.time_ms ?? 0) / 1000,
  );
  const stopping = new AbortController();
  let ticking: Promise<void> = Promise.resolve();
  let isStarted = false;
  let stopped: Promise<void> | undefined;

  async function tick(): Promise<void> {
    while (await slept(clock, checkpointEveryMs, stopping.signal)) {
      try {
        await service.checkpointNow();
      } catch (error) {
        log.error({ module: 'audit', error }, 'a checkpoint could not be made');
      }
    }
  }

  /** Says a last word. One that cannot be written must not keep the rest of the server from stopping. */
  async function finish(): Promise<void> {
    stopping.abort();
    await ticking;
    if (!isStarted) return;
    try {
      await trail.settle();
      await anchors.settle();
      await appender.close();
      await anchors.signed((await signed.now())?.size ?? 0);
    } catch (error) {
      log.error({ module: 'audit', error }, 'the last checkpoint could not be made');
    } finally {
      await appender.close();
    }
  }

  return {
    ...service,
    name: 'audit',
    failures: [tableOf(auditFailures)],
    meters: Object.values(auditMeters),
    settings: auditSettings,
    routes: auditRoutes(service),
    async start() {
      const { settled } = await appender.load();
      isStarted = true;
      await signed.lookBack();
      await resume();
      const swept = await sweepOpenIntents({ database, appender, clock }, settled);
      if (swept > 0) log.warn({ module: 'audit', count: swept }, 'operations of an earlier process ended unknown');
      await service.checkpointNow();
      ticking = tick();
    },
    stop() {
      stopped ??= finish();
      return stopped;
    },
  };
}

/** Sleeps; false when it was interrupted. */
async function slept(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(ms, signal);
    return true;
  } catch {
    return false;
  }
}
