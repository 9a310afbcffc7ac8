// For crash.test.ts: writes blobs in a process of its own until it is killed, and says what was acknowledged. A version's
// content is its number over and over, so that a mixture of two would show.

import { systemClock } from '#kernel/clock/clock';
import { createFiles } from '#kernel/files/files';
import type { DataKeys } from '#kernel/sealing/data-keys';
import { testGrant } from '#kernel/testing/authority';
import { byteStoresOf, databasesOf } from '../../data-folder.ts';
import { createAccounts } from './accounts.service.ts';
import { createBlobs } from './blobs.service.ts';
import { createBlocks } from './blocks.service.ts';
import { createContainers } from './containers.service.ts';
import { createOpenedAccounts } from './opened-accounts.service.ts';

/** Keys that both processes know: what is tested is the store. */
const key = { id: '00000000-0000-4000-8000-000000000000', bytes: new Uint8Array(32).fill(7) };
const dataKeys: DataKeys = {
  ensure: async () => key,
  open: async () => key,
  rewrap: async () => {},
  destroy: async () => {},
  onClosed: () => {},
};

export const account = { id: '/subscriptions/s/account', name: 'acct', uniqueId: 'crash' };

export function openStore(dataDir: string, byteStores = byteStoresOf(dataDir, createFiles())) {
  const accounts = createAccounts();
  accounts.add(account);
  const opened = createOpenedAccounts({
    ...{ dataKeys, clock: systemClock },
    byteStores,
    databases: databasesOf(dataDir),
  });
  const deps = { accounts, opened, clock: systemClock, inWork: new Set<string>() };
  return { opened, blobs: createBlobs(deps), blocks: createBlocks(deps), containers: createContainers(deps) };
}

if (process.argv[2] !== undefined && import.meta.main) {
  const { blobs, containers } = openStore(process.argv[2]);
  const grant = testGrant();
  await containers.ensureContainer(grant, account.id, 'data');
  const write = async (name: string) => {
    for (let version = 1; ; version++) {
      const content = Buffer.alloc(700_000 + version, version % 251);
      await blobs.put(grant, { account: account.id, container: 'data', name }, content, { maxBytes: 2_000_000 });
      process.stdout.write(`${name} ${version}\n`);
    }
  };
  // Ends with the test's process, should that die first.
  process.stdin.resume().on('end', () => process.exit(0));
  await Promise.all(['a', 'b', 'c'].map(write));
}
