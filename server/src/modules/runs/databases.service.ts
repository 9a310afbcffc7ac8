// The workspace's database for a caller, and what is kept once for each: the key that page tokens are signed with.

import type { Grant } from '#kernel/authority/grant';
import { randomBytes } from '#kernel/crypto/random';
import type { Database } from '#kernel/database/database';
import { readSetting, writeSettingOnce } from './settings.store.ts';

/** What this module holds of a workspace: the narrow part of the workspaces module that it uses. */
export type WorkspaceDatabases = { database(grant: Grant, workspaceId: string): Promise<Database> };

/** Spares a read: the key is the database's own, and one that is not in it is read from there. */
const keys = new WeakMap<Database, Promise<Uint8Array>>();
const name = 'pageTokenKey';

/** 32 bytes, made at the first use and the same ever after. */
export function pageTokenKey(database: Database): Promise<Uint8Array> {
  const known = keys.get(database);
  if (known) return known;
  const finding = findKey(database);
  keys.set(database, finding);
  finding.catch(() => keys.delete(database));
  return finding;
}

async function findKey(database: Database): Promise<Uint8Array> {
  const stored = await readSetting(database.read, name);
  if (stored) return stored;
  const made = randomBytes(32);
  return database.write((tx) => writeSettingOnce(tx, name, made));
}
