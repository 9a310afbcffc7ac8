// The routes of the whole server without a server: composed over new databases in a temporary folder that is gone when the
// promise resolves. Nothing listens and nothing is started.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { controlTables } from '../../server/src/compose/foundation.ts';
import { compose } from '../../server/src/compose.ts';
import { byteStoresOf, databasesOf } from '../../server/src/data-folder.ts';
import { systemClock } from '../../server/src/kernel/clock/clock.ts';
import { randomBytes } from '../../server/src/kernel/crypto/random.ts';
import { generateSigningKey } from '../../server/src/kernel/crypto/signing.ts';
import { closeScanPool } from '../../server/src/kernel/database/database.ts';
import { createFiles } from '../../server/src/kernel/files/files.ts';
import { createRoom } from '../../server/src/kernel/files/room.ts';
import { createAuthority } from '../../server/src/kernel/http/certificates.ts';
import type { Route } from '../../server/src/kernel/http/route.ts';
import { createTrust } from '../../server/src/kernel/http/trust.ts';
import { silentLog } from '../../server/src/kernel/log/log.ts';
import type { Module } from '../../server/src/kernel/module.ts';
import { openKeyring } from '../../server/src/kernel/sealing/keyring.ts';
import { openRootKeyFile } from '../../server/src/kernel/sealing/root-key-file.ts';
import { version } from '../../server/src/main.ts';
import { auditMigrations, openAnchors } from '../../server/src/modules/audit/index.ts';
import type { ResourceKind } from '../../server/src/modules/resources/index.ts';
import { readConfig } from '../../server/src/settings.ts';

export type Composition = {
  readonly routes: readonly Route[];
  readonly kinds: readonly ResourceKind[];
  readonly modules: readonly Module<ResourceKind>[];
  readonly version: string;
};

export async function composedRoutes(): Promise<Composition> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-openapi-'));
  const files = createFiles();
  const config = readConfig({
    flags: { dataDir: folder, log: { level: 'silent' }, agent: { embedded: false } },
    environment: {},
  });
  const rootKey = await openRootKeyFile({ file: join(folder, 'root.key'), dataFolder: join(folder, 'data'), files });
  const keyring = await openKeyring({ file: join(folder, 'keyring.json'), rootKey, files });
  const databases = databasesOf(folder, files);
  const control = await databases.open('control', controlTables, { key: randomBytes(32) });
  const auditDatabase = await databases.open('audit', [auditMigrations], { key: randomBytes(32) });
  try {
    const { door, kinds, modules } = await compose({
      config,
      version,
      clock: systemClock,
      log: silentLog,
      files,
      room: createRoom({ folder }),
      stopped: new Set(),
      rootKey,
      keyring,
      databases,
      byteStores: byteStoresOf(folder, files),
      control,
      auditDatabase,
      anchors: await openAnchors({ database: auditDatabase, clock: systemClock, log: silentLog }),
      auditSigner: generateSigningKey(),
      trust: createTrust((await createAuthority('Strongroom', new Date())).certificatePem, () => undefined),
      certificates: () => ({ own: new Date() }),
      domain: 'localhost:8443',
    });
    return { routes: door.routes, kinds, modules, version };
  } finally {
    await auditDatabase.close();
    await control.close();
    await closeScanPool();
    keyring.close();
    rootKey.close();
    await rm(folder, { recursive: true, force: true });
  }
}
