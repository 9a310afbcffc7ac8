// For tests: the databases of a folder, on the engine that the product runs on, or on the one that was chosen for this process.

import { type TestContext, test } from 'node:test';
import type { Databases } from '#kernel/database/database';
import { createSqliteDatabases } from '#kernel/database/sqlite/databases';

let chosen: ((folder: string) => Databases) | undefined;

/** Before any test of the process begins. */
export function chooseDatabases(of: (folder: string) => Databases): void {
  chosen = of;
}

/** A test that looks at the files of the engine of the product. On another it has nothing to say, so it is none there: a skip is for what is missing. */
export const testOfFiles = (name: string, body: (t: TestContext) => Promise<void>): void => {
  if (chosen === undefined) test(name, body);
};

export const testDatabases = (folder: string): Databases => chosen?.(folder) ?? createSqliteDatabases({ folder });
