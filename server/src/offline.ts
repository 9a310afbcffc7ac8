// Looks at the data folder of a server that is stopped: verifies its audit log, and every store that the log anchors.

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  auditMigrations,
  auditOrigin,
  exportAudit,
  type FoundStore,
  segmentFileDigest,
  segmentFileLines,
  segmentLines,
  segmentsOf,
  verifyAudit,
  verifyExport,
} from '#audit';
import { readBootstrapped } from '#identity';
import { systemClock } from '#kernel/clock/clock';
import { formatVerifier, parseVerifier } from '#kernel/crypto/signed-note';
import { closeScanPool, type Database, type Databases } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { createDataKeys } from '#kernel/sealing/data-keys.service';
import type { Keyring } from '#kernel/sealing/keyring';
import { type Close, closeAll } from './closing.ts';
import { databasesOf } from './data-folder.ts';
import { installationFailures } from './installation.errors.ts';
import { auditSignerOf, keyOfDatabase, keyringName, lockInstallation, openControl, openKeys } from './installation.ts';
import { readConfig } from './settings.ts';

export type OfflinePlace = {
  readonly configFile?: string | undefined;
  readonly flags: Parameters<typeof readConfig>[0]['flags'];
};

/**
 * Verifies the audit log of a data folder whose server is stopped, from its files and the root key alone. They are where the
 * server's own configuration says, read as `runServer` reads it.
 */
export async function verifyOffline(
  options: OfflinePlace & {
    readonly checkpoints?: readonly string[];
    /** Files of segments that were dropped. */
    readonly segments?: readonly string[];
  },
): ReturnType<typeof verifyAudit> {
  return await inStopped(options, async ({ database, verifier, look }) => {
    const verification = await verifyAudit({
      database,
      verifier,
      look,
      ...(options.checkpoints ? { checkpoints: options.checkpoints } : {}),
      segments: (options.segments ?? []).map((path) => ({ name: path, lines: () => segmentFileLines(path) })),
    });
    // The log itself is read whole: what its rows do not reach, its pages do.
    const log = await look('audit');
    const damage = log.state === 'damaged' ? log.why : log.state === 'read' ? log.damage : undefined;
    if (damage === undefined) return verification;
    const finding = { code: 'PageDamaged', message: `The audit log holds a damaged page: ${damage}` };
    return {
      ...verification,
      verified: false,
      findings: [...verification.findings, finding],
      findingCount: verification.findingCount + 1,
    };
  });
}

/** The log of a stopped server as `exportAudit` writes it, line by line to `write`. Answers how many records that were. */
export async function exportOffline(
  options: OfflinePlace & {
    readonly from?: number;
    readonly to?: number;
    readonly write: (line: string) => Promise<void>;
  },
): Promise<{ readonly records: number; readonly verifier: string }> {
  const { from, to, write } = options;
  return await inStopped(options, async ({ database, verifier }) => {
    const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
    let lines = 0;
    for await (const line of exportAudit({ database, verifier, ...range })) {
      await write(line);
      lines += 1;
    }
    return { records: lines - 1, verifier: formatVerifier(verifier) };
  });
}

/** The segments of a stopped server's log that `limit` means, each handed to `store` with the signer that it must verify with. */
export async function archiveOffline(
  options: OfflinePlace & {
    readonly before?: string;
    readonly until?: number;
    readonly store: (segment: Segment, lines: AsyncIterable<string>, verifier: string) => Promise<void>;
  },
): Promise<void> {
  await inStopped(options, async ({ database, verifier }) => {
    for (const range of await segmentsOf(database, options))
      await options.store(range, segmentLines({ database, verifier, range }), formatVerifier(verifier));
  });
}

export type Segment = { readonly from: number; readonly to: number };

/**
 * Verifies the file of a segment by itself, with the signer's name and key as a line. Throws `integrity` and says at which line;
 * answers which records it holds, and the digest by which the log knows it.
 */
export async function checkSegmentFile(
  path: string,
  verifier: string,
): Promise<Segment & { readonly sha256: string; readonly bytes: number }> {
  const { from, to } = await verifyExport(segmentFileLines(path), parseVerifier(verifier));
  return { from, to, ...(await segmentFileDigest(path)) };
}

export { segmentBytes } from '#audit';

type Stopped = {
  readonly database: Database;
  readonly verifier: Parameters<typeof verifyAudit>[0]['verifier'];
  readonly look: (store: string) => Promise<FoundStore>;
};

async function inStopped<R>({ configFile, flags }: OfflinePlace, act: (stopped: Stopped) => Promise<R>): Promise<R> {
  const config = readConfig({ file: configFile, ...(flags ? { flags } : {}) });
  const dataDir = resolve(config.dataDir);
  const closing: Close[] = [];
  // Nothing is written into a folder that is only looked at: in one where no server was, there is nothing to look at.
  if (![keyringName, 'audit.db'].some((name) => existsSync(join(dataDir, name))))
    throw installationFailures.NotStartedYet();
  try {
    const lock = await lockInstallation(dataDir);
    closing.push(() => lock.release());
    const { rootKey, keyring } = await openKeys(config, { asReader: true });
    closing.push(
      () => rootKey.close(),
      () => keyring.close(),
      closeScanPool,
    );
    const databases = databasesOf(dataDir);
    const key = await keyOfDatabase(keyring, 'audit');
    const database = await databases.open('audit', [auditMigrations], { key, readonly: true });
    closing.push(() => database.close());
    const control = await openControl(databases, keyring, { readonly: true });
    closing.push(() => control.close());
    const installation = await readBootstrapped(control);
    if (!installation) throw installationFailures.NotStartedYet();
    const dataKeys = createDataKeys({
      database: control,
      rootKey,
      clock: systemClock,
      wrapper: () => ({ wrap: refuseCustomerKey, unwrap: refuseCustomerKey }),
    });
    closing.push(() => dataKeys.close());
    const signer = await auditSignerOf(keyring);
    return await act({
      database,
      verifier: { name: auditOrigin(installation.tenantId), publicKey: signer.publicKey },
      look: (store) => look(store, { databases, keyring, dataKeys }),
    });
  } finally {
    await closeAll(closing);
  }
}

async function refuseCustomerKey(): Promise<never> {
  throw installationFailures.CustomerKeyNeeded();
}

/** Purposes of the data keys of stores that have one, by the prefix of their names. */
const purposes: Readonly<Record<string, string>> = {
  workspace: 'workspace',
  storage: 'storage-index',
  registry: 'registry-index',
};

async function look(
  store: string,
  within: {
    readonly databases: Databases;
    readonly keyring: Keyring;
    readonly dataKeys: Pick<ReturnType<typeof createDataKeys>, 'open'>;
  },
): Promise<FoundStore> {
  const { databases, keyring, dataKeys } = within;
  if (store === 'keyring') return { state: 'read', stamp: { generation: keyring.generation(), witness: 0 } };
  const [kind = '', id = ''] = store.split('/');
  const purpose = purposes[kind];
  try {
    const key = purpose === undefined ? await keyOfDatabase(keyring, store) : (await dataKeys.open(id, purpose)).bytes;
    return { state: 'read', ...(await databases.inspect(store, key)) };
  } catch (thrown) {
    if (!(thrown instanceof Failure)) throw thrown;
    if (thrown.code === 'DatabaseMissing') return { state: 'missing' };
    if (thrown.kind === 'integrity') return { state: 'damaged', why: thrown.message };
    return { state: 'unreadable', why: thrown.message };
  }
}
