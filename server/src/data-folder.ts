// Where the databases of an installation lie in its data folder. A file that has a place keeps it: older folders have to open.

import type { Databases } from '#kernel/database/database';
import { createSqliteDatabases, type Layout } from '#kernel/database/sqlite/databases';
import type { Files } from '#kernel/files/files';

const layout: Layout = {
  control: () => ['control.db'],
  audit: () => ['audit.db'],
  workspace: (id) => ['workspaces', `${id}.db`],
  storage: (id) => ['storage', id, 'index.db'],
  registry: (id) => ['registry', id, 'index.db'],
};

export const databasesOf = (dataDir: string, files?: Files): Databases =>
  createSqliteDatabases({ folder: dataDir, layout, ...(files === undefined ? {} : { files }) });
