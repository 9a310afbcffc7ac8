// For the tests of this room, which look at the files themselves.

import type { Database, MigrationSet, Opening } from '../database.ts';
import { openFile } from './database.ts';

export type FileOpening = Opening & {
  readonly path: string;
  readonly key: Uint8Array;
  readonly migrations: readonly MigrationSet[];
};

export const openDatabase = async ({ path, migrations, ...opening }: FileOpening): Promise<Database> =>
  openFile('test', path, migrations, opening);
