// For tests: the databases of a folder, on the engine that the product runs on, or on the one that was chosen for this process.

import type { Databases } from '#kernel/database/database';
import { createSqliteDatabases } from '#kernel/database/sqlite/databases';

let chosen: ((folder: string) => Databases) | undefined;

/** Before any test of the process begins. */
export function chooseDatabases(of: (folder: string) => Databases): void {
  chosen = of;
}

/** Options of a test that looks at the files of the engine of the product, and so has nothing to say on another. */
export const aboutFiles = (): { readonly skip?: string } =>
  chosen === undefined ? {} : { skip: 'it looks at the files of the engine of the product' };

export const testDatabases = (folder: string): Databases => chosen?.(folder) ?? createSqliteDatabases({ folder });
