// The databases of an installation as encrypted SQLite files below one folder: the only place that knows where an owner's file is.

import { dirname, join, resolve } from 'node:path';
import { databaseFailures } from '#kernel/database/database.errors';
import { createFiles, type Files } from '#kernel/files/files';
import type { Databases } from '../database.ts';
import { type OnStopped, openFile } from './database.ts';
import { inspectFile } from './inspect.ts';

/** Below the folder, where the file of each kind of owner lies; `id` is empty for an owner that is its kind's only one. */
export type Layout = Readonly<Record<string, (id: string) => readonly string[]>>;

/** A kind, or a kind and an id. Both become names of files, so they are what we made and nothing else. */
const ownerPattern = /^(?<kind>[a-z][a-z-]{0,31})(?:\/(?<id>[A-Za-z0-9-]{1,64}))?$/;

/** @param layout every kind by its name where it is absent: `{folder}/{kind}.db`, `{folder}/{kind}/{id}.db` */
export function createSqliteDatabases(options: {
  readonly folder: string;
  readonly layout?: Layout;
  readonly files?: Files;
  readonly onStopped?: OnStopped;
}): Databases {
  const { layout, files = createFiles(), onStopped } = options;
  const folder = resolve(options.folder);

  function pathOf(owner: string): string {
    const { kind = '', id = '' } = ownerPattern.exec(owner)?.groups ?? {};
    const place = layout === undefined ? flat(kind, id) : layout[kind]?.(id);
    if (kind === '' || place === undefined) throw databaseFailures.DatabaseOwner();
    return join(folder, ...place);
  }

  return {
    dialect: 'sqlite',
    async open(owner, tables, { key, ...opening } = {}) {
      const path = pathOf(owner);
      if (key === undefined)
        throw databaseFailures.DatabaseKey({ message: 'A database in a file is opened with its key.' });
      if (opening.readonly !== true) await files.ensureFolder(dirname(path));
      return await openFile(owner, path, tables, { ...opening, key, ...(onStopped ? { onStopped } : {}) });
    },
    async remove(owner, anchors) {
      const path = pathOf(owner);
      // order matters: what is missing and still anchored would look like a file that somebody took away.
      await anchors?.forget(owner);
      for (const suffix of ['', '-wal', '-shm']) await files.removeDurably(`${path}${suffix}`);
    },
    inspect: async (owner, key) => inspectFile({ path: pathOf(owner), key }),
  };
}

const flat = (kind: string, id: string) => (id === '' ? [`${kind}.db`] : [kind, `${id}.db`]);
