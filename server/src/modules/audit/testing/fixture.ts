// What the tests of this module share: an audit log on the real engine in a temporary folder, and intents to put into it.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { AuditIntent } from '#kernel/authority/audit';
import type { Clock } from '#kernel/clock/clock';
import { createTestClock } from '#kernel/clock/test-clock';
import { generateSigningKey, type SigningKey } from '#kernel/crypto/signing';
import type { Faults } from '#kernel/files/faults';
import { type Log, silentLog } from '#kernel/log/log';
import { testActor } from '#kernel/testing/authority';
import { testDatabases } from '#kernel/testing/databases';
import { recordTelemetry } from '#kernel/testing/telemetry';
import { auditMigrations, createAudit, openAnchors } from '../index.ts';

export const databaseKey = new Uint8Array(32).fill(7);
export const subscriptionId = '33333333-3333-4333-8333-333333333333';
export const vaultId = `/subscriptions/${subscriptionId}/resourceGroups/Team/providers/Microsoft.KeyVault/vaults/Safe`;

export async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-audit-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function openAudit(
  t: TestContext,
  options: {
    readonly folder?: string;
    readonly clock?: Clock;
    readonly signer?: SigningKey;
    readonly faults?: Faults;
    readonly checkpointFile?: string;
    readonly start?: boolean;
    readonly log?: Log;
    readonly retentionDays?: number;
  } = {},
) {
  const { clock = createTestClock(), signer = generateSigningKey(), faults, checkpointFile, start = true } = options;
  const folder = options.folder ?? (await folderFor(t));
  const databases = testDatabases(folder);
  const database = await databases.open('audit', [auditMigrations], { key: databaseKey, faults });
  const anchors = await openAnchors({ database, clock, log: silentLog });
  const telemetry = recordTelemetry();
  const audit = createAudit({
    database,
    anchors,
    clock,
    log: options.log ?? silentLog,
    telemetry,
    signer,
    installationId: 'test',
    ...(checkpointFile === undefined ? {} : { checkpointFile }),
    ...(options.retentionDays === undefined ? {} : { retentionDays: options.retentionDays }),
  });
  if (start) await audit.start?.();
  const close = async () => {
    await audit.stop?.();
    await database.close();
  };
  t.after(close);
  return { audit, telemetry, anchors, database, databases, clock, signer, folder, close };
}

let requests = 0;

export function intentOf(fields: Partial<AuditIntent> = {}): AuditIntent {
  requests += 1;
  return {
    operation: 'Secrets_Set',
    action: 'Microsoft.KeyVault/vaults/secrets/setSecret/action',
    scope: vaultId,
    actor: testActor,
    requestId: `request-${requests}`,
    correlationId: `correlation-${requests}`,
    clientRequestId: undefined,
    method: 'PUT',
    path: `${vaultId}/secrets/s`,
    address: '127.0.0.1',
    userAgent: 'test/1',
    decision: 'allowed',
    reason: 'Contributor at /subscriptions',
    parameters: { name: 's' },
    bodyDigest: 'ab'.repeat(32),
    ...fields,
  };
}
