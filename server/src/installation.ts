// An installation on disk: one folder that one server holds at a time, its keys, its two databases, its certificate
// authority. Opened by the server when it starts, and by what looks at a stopped one.

import { join, resolve } from 'node:path';
import { auditMigrations } from '#audit';
import { randomBytes } from '#kernel/crypto/random';
import { generateSigningKey, importSigningKey, type SigningKey } from '#kernel/crypto/signing';
import type { Anchors, Database, Databases, MigrationSet, Opening } from '#kernel/database/database';
import { lockFolder } from '#kernel/database/lock';
import { Failure } from '#kernel/errors/failure';
import { retold } from '#kernel/errors/failures';
import { createFiles, type Files } from '#kernel/files/files';
import { type Room, reserveName } from '#kernel/files/room';
import { type Authority, createAuthority } from '#kernel/http/certificates';
import { type Keyring, openKeyring } from '#kernel/sealing/keyring';
import type { RootKey } from '#kernel/sealing/root-key';
import { openRootKeyFile } from '#kernel/sealing/root-key-file';
import { controlTables } from './compose/foundation.ts';
import { installationFailures } from './installation.errors.ts';
import type { Config } from './settings.ts';

const lockName = 'server.lock';
const keyFolder = 'keys';
/** There once a server was started in a folder. */
export const keyringName = 'keyring.json';

/** Refuses (`conflict`) while another process holds the folder. */
export const lockInstallation = (dataDir: string): ReturnType<typeof lockFolder> => lockFolder(join(dataDir, lockName));

export type Keys = { readonly files: Files; readonly rootKey: RootKey; readonly keyring: Keyring };

export async function openKeys(
  config: Config,
  { room, asReader = false }: { readonly room?: Room; readonly asReader?: boolean } = {},
): Promise<Keys> {
  const files = createFiles(room ? { room } : {});
  const dataDir = resolve(config.dataDir);
  if (!asReader) await files.ensureFolder(join(dataDir, keyFolder));
  const rootKey = await openRootKeyFile({
    file: config.keys.rootKeyFile === '' ? join(dataDir, keyFolder, 'root.key') : config.keys.rootKeyFile,
    dataFolder: dataDir,
    files,
    besides: [lockName, keyFolder, reserveName],
    asReader,
  });
  const keyring = await openKeyring({ file: join(dataDir, keyringName), rootKey, files });
  return { files, rootKey, keyring };
}

type How = Omit<Opening, 'key'>;

export const openControl = (databases: Databases, keyring: Keyring, how: How = {}): Promise<Database> =>
  openNamed(databases, keyring, 'control', controlTables, how);
export const openAudit = (databases: Databases, keyring: Keyring, how: How = {}): Promise<Database> =>
  openNamed(databases, keyring, 'audit', [auditMigrations], how);

async function openNamed(
  databases: Databases,
  keyring: Keyring,
  owner: 'control' | 'audit',
  tables: readonly MigrationSet[],
  how: How,
): Promise<Database> {
  const key = await keyring.ensure(`database/${owner}`, () => randomBytes(32));
  try {
    return await databases.open(owner, tables, { ...how, key });
  } catch (thrown) {
    if (!(thrown instanceof Failure) || thrown.kind !== 'integrity') throw thrown;
    // Of several that are opened one after the other, the operator restores one.
    throw retold(thrown, `The database '${owner}' is not what it was. ${thrown.message}`);
  }
}

/** The key of a database of the installation that is there already. */
export async function keyOfDatabase(keyring: Keyring, name: string): Promise<Uint8Array> {
  const key = await keyring.get(`database/${name}`);
  if (key) return key;
  throw installationFailures.keyringWithoutKey(name);
}

/** The keyring is opened before the log that anchors it, so it is judged after. */
export async function admitKeyring(keyring: Keyring, anchors: Anchors): Promise<void> {
  const store = 'keyring';
  const generation = anchors.admit(store, { generation: keyring.generation(), witness: 0 });
  keyring.onWritten((written) => anchors.committed(store, written));
  anchors.committed(store, keyring.generation());
  await keyring.raiseTo(generation);
}

export const auditSignerOf = async (keyring: Keyring): Promise<SigningKey> =>
  importSigningKey(await keyring.ensure('audit/signing-key', () => generateSigningKey().exportPkcs8()));

/** Key and certificate are one secret, so that a crash leaves both or neither. */
export async function authorityOf(keyring: Keyring, name: string): Promise<Authority> {
  const stored = await keyring.ensure('tls/authority', async () => {
    const { certificatePem, privateKey } = await createAuthority(name, new Date());
    return Buffer.from(JSON.stringify({ certificatePem, privateKey: Buffer.from(privateKey).toString('base64') }));
  });
  const { certificatePem, privateKey } = JSON.parse(Buffer.from(stored).toString('utf8')) as {
    certificatePem: string;
    privateKey: string;
  };
  return { certificatePem, privateKey: Buffer.from(privateKey, 'base64') };
}
