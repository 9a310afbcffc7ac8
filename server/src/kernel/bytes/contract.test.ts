// The contract of byte stores on a folder of this machine, with its descriptors counted, and on memory.

import { mkdir, mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFiles } from '#kernel/files/files';
import { createMemoryByteStores } from '#kernel/testing/byte-stores';
import { byteStoreContract } from './byte-store.contract.ts';
import { createFolderByteStores } from './folder.ts';

/** Descriptors of this process that are open below a folder; where the platform does not tell, none. */
async function openBelow(folder: string): Promise<readonly string[]> {
  const descriptors = await readdir('/proc/self/fd').catch(() => []);
  const targets = await Promise.all(descriptors.map((one) => readlink(`/proc/self/fd/${one}`).catch(() => '')));
  return targets.filter((target) => target.startsWith(folder)).map((target) => `open: ${target}`);
}

byteStoreContract('a folder', async (faults) => {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-bytes-'));
  let unfinished = 0;
  return {
    stores: createFolderByteStores({ folder, files: createFiles({ faults }), faults }),
    async leaveUnfinished(owner, bytes) {
      await mkdir(join(folder, owner), { recursive: true });
      await writeFile(join(folder, owner, `.tmp-1-dead-${++unfinished}`), bytes);
    },
    leftovers: async () => [
      ...(await openBelow(folder)),
      ...(await readdir(folder, { recursive: true, withFileTypes: true }))
        .filter((entry) => !entry.isDirectory())
        .map(({ name }) => name),
    ],
    close: () => rm(folder, { recursive: true, force: true }),
  };
});

byteStoreContract('memory', async (faults) => {
  const stores = createMemoryByteStores({ faults });
  return {
    stores,
    leaveUnfinished: async (owner, bytes) => stores.leaveUnfinished(owner, bytes),
    leftovers: async () => stores.leftovers(),
    close: async () => {},
  };
});
