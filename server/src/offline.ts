// Verifies the audit log of a server that is stopped.

import { resolve } from 'node:path';
import { auditOrigin, verifyAudit } from '#audit';
import { readBootstrapped } from '#identity';
import { readConfig } from '#kernel/config/config';
import { closeScanPool } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { auditSignerOf, lockInstallation, openAudit, openControl, openKeys } from './installation.ts';

/**
 * Verifies the audit log of a data folder whose server is stopped, from its files and the root key alone. They are where the
 * server's own configuration says, read as `runServer` reads it.
 */
export async function verifyOffline(options: {
  readonly configFile?: string | undefined;
  readonly flags: Parameters<typeof readConfig>[0]['flags'];
  readonly checkpoints?: readonly string[];
}): ReturnType<typeof verifyAudit> {
  const config = readConfig({ file: options.configFile, ...(options.flags ? { flags: options.flags } : {}) });
  const dataDir = resolve(config.dataDir);
  const lock = await lockInstallation(dataDir);
  try {
    const { rootKey, keyring } = await openKeys(config);
    const database = await openAudit(dataDir, keyring, { readonly: true });
    const control = await openControl(dataDir, keyring, { readonly: true });
    try {
      const signer = await auditSignerOf(keyring);
      const installation = await readBootstrapped(control);
      if (!installation)
        throw new Failure({
          kind: 'notFound',
          code: 'NotStartedYet',
          message: 'This data folder has never been started, so there is nothing to verify.',
        });
      const verifier = { name: auditOrigin(installation.tenantId), publicKey: signer.publicKey };
      return await verifyAudit({
        database,
        verifier,
        ...(options.checkpoints ? { checkpoints: options.checkpoints } : {}),
      });
    } finally {
      await database.close();
      await control.close();
      await closeScanPool();
      keyring.close();
      rootKey.close();
    }
  } finally {
    await lock.release();
  }
}
