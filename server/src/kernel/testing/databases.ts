// For tests: the databases of a folder, on the engine that the product runs on.

import type { Databases } from '#kernel/database/database';
import { createSqliteDatabases } from '#kernel/database/sqlite/databases';

export const testDatabases = (folder: string): Databases => createSqliteDatabases({ folder });
