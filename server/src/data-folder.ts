// Where the databases and the sealed files of an installation lie in its data folder. A file that has a place keeps it: older folders have to open.

import type { ByteStores } from '#kernel/bytes/byte-store';
import { type ByteLayout, createFolderByteStores } from '#kernel/bytes/folder';
import type { Databases } from '#kernel/database/database';
import type { OnStopped } from '#kernel/database/sqlite/database';
import { createSqliteDatabases, type Layout } from '#kernel/database/sqlite/databases';
import type { Files } from '#kernel/files/files';

const layout: Layout = {
  control: () => ['control.db'],
  audit: () => ['audit.db'],
  workspace: (id) => ['workspaces', `${id}.db`],
  storage: (id) => ['storage', id, 'index.db'],
  registry: (id) => ['registry', id, 'index.db'],
};

const bytes: ByteLayout = {
  storage: (id) => ['storage', id, 'blobs'],
  registry: (id) => ['registry', id, 'blobs'],
};

export const databasesOf = (dataDir: string, files?: Files, onStopped?: OnStopped): Databases =>
  createSqliteDatabases({
    ...{ folder: dataDir, layout },
    ...(files === undefined ? {} : { files }),
    ...(onStopped === undefined ? {} : { onStopped }),
  });

export const byteStoresOf = (dataDir: string, files: Files): ByteStores =>
  createFolderByteStores({ folder: dataDir, layout: bytes, files });
