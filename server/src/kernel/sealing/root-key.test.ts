// The contract of root keys: in a file, and in a module that is only played: it keeps a key object that cannot be exported.

import { createCipheriv, createDecipheriv, createHash, generateKeySync, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cryptoFailures } from '#kernel/crypto/crypto.errors';
import { createFiles } from '#kernel/files/files';
import { rootKeyContract } from './root-key.contract.ts';
import type { RootKey } from './root-key.ts';
import { openRootKeyFile } from './root-key-file.ts';
import { sealingFailures } from './sealing.errors.ts';

rootKeyContract('a file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-root-key-'));
  return {
    open: (name) =>
      openRootKeyFile({ file: join(folder, name), dataFolder: join(folder, 'none'), files: createFiles() }),
    close: () => rm(folder, { recursive: true, force: true }),
  };
});

/** Its own format, its own id: nothing of ours but the port. */
function playedModule(): (label: string) => RootKey {
  const slots = new Map<string, { readonly id: string; readonly key: ReturnType<typeof generateKeySync> }>();
  return (label) => {
    const slot = slots.get(label) ?? { id: crypto.randomUUID(), key: generateKeySync('aes', { length: 256 }) };
    slots.set(label, slot);
    let isClosed = false;
    const aad = (purpose: readonly string[]) => createHash('sha256').update(JSON.stringify(purpose)).digest();
    return {
      id: slot.id,
      async wrap(purpose, inner) {
        if (isClosed) throw sealingFailures.RootKeyClosed();
        const nonce = randomBytes(12);
        const cipher = createCipheriv('aes-256-gcm', slot.key, nonce).setAAD(aad(purpose));
        return Buffer.concat([nonce, cipher.update(inner), cipher.final(), cipher.getAuthTag()]);
      },
      async unwrap(purpose, wrapped) {
        if (isClosed) throw sealingFailures.RootKeyClosed();
        try {
          const bytes = Buffer.from(wrapped);
          const decipher = createDecipheriv('aes-256-gcm', slot.key, bytes.subarray(0, 12), { authTagLength: 16 });
          decipher.setAAD(aad(purpose)).setAuthTag(bytes.subarray(-16));
          return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
        } catch {
          throw cryptoFailures.IntegrityCheckFailed('wrapped key');
        }
      },
      close() {
        isClosed = true;
      },
    };
  };
}

rootKeyContract('a module', async () => {
  const open = playedModule();
  return { open: async (name) => open(name), close: async () => {} };
});
