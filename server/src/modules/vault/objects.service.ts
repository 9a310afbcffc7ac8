// What secrets and keys have in common: names with versions, attributes, tags, soft delete. What a row keeps besides, sealed
// material or what a custody finds a key by, comes from whoever adds it. Promises: that is never in a listing; a deleted name is blocked until it is
// recovered or purged; purge protection is stronger than every role. Who may call was decided before, on the scope.

import { type AttributesInput, vaultLimits } from '@strongroom/contract/vault';
import type { Clock } from '#kernel/clock/clock';
import { randomBytes } from '#kernel/crypto/random';
import type { Database, Tx } from '#kernel/database/database';
import { objectName, objectVersion } from './addresses.rules.ts';
import type { Vault } from './directory.service.ts';
import type { Attributes, Collection, Deletion, ObjectAt, StoredVersion, Tags, VersionAt } from './objects.store.ts';
import * as store from './objects.store.ts';
import { nothingElsewhere, takeAway } from './taking-away.service.ts';
import { collectionFailures, vaultFailures } from './vault.errors.ts';

export type { Deletion, StoredVersion, Tags } from './objects.store.ts';

const title = { secrets: 'secret', keys: 'key' } as const;

export type DeletedVersion = StoredVersion & { readonly deletion: Deletion };
export type Page<T> = { readonly items: readonly T[]; readonly next: string | undefined };
export type PageQuery = { readonly size: number; readonly after: string };

export type Objects = {
  add(
    vault: Vault,
    name: string,
    version: {
      readonly attributes: AttributesInput | null | undefined;
      readonly tags: Tags | null | undefined;
      readonly detail: unknown;
      /** Asked for before the transaction; what it answers is called within, and says what the row keeps. */
      readonly keep: () => Promise<(at: VersionAt) => Uint8Array>;
    },
  ): Promise<StoredVersion>;
  /** The version, or the latest. Throws not found, also for what is deleted. */
  get(vault: Vault, name: string, version: string | undefined): Promise<StoredVersion>;
  /** What is undefined stays; `detail` is computed from the present one. */
  update(
    vault: Vault,
    name: string,
    version: string | undefined,
    change: {
      readonly attributes: AttributesInput | null | undefined;
      readonly tags: Tags | null | undefined;
      readonly detail: (present: unknown) => unknown;
    },
  ): Promise<StoredVersion>;
  list(vault: Vault, query: PageQuery): Promise<Page<StoredVersion>>;
  versions(vault: Vault, name: string, query: PageQuery): Promise<Page<StoredVersion>>;
  remove(vault: Vault, name: string): Promise<DeletedVersion>;
  getDeleted(vault: Vault, name: string): Promise<DeletedVersion>;
  listDeleted(vault: Vault, query: PageQuery): Promise<Page<DeletedVersion>>;
  recover(vault: Vault, name: string): Promise<StoredVersion>;
  purge(vault: Vault, name: string): Promise<void>;
};

const dayMs = 86_400_000;

export function createObjects(options: {
  readonly collection: Collection;
  readonly database: Database;
  readonly clock: Clock;
  /** Told of versions that are to go for good, while their rows are there: what it cannot destroy stays, and is destroyed later. */
  readonly destroy?: (versions: readonly VersionAt[]) => Promise<void>;
}): Objects {
  const { collection, database, clock, destroy = nothingElsewhere } = options;

  function at(vault: Vault, name: string): ObjectAt {
    if (!objectName.test(name)) throw vaultFailures.objectName();
    return { vault: vault.uniqueId, collection, name };
  }

  /** The object, if it is there and not deleted. */
  async function findLive(tx: Tx, of: ObjectAt) {
    const object = await store.findObject(tx, of);
    return object === undefined || object.deletedAtMs !== undefined ? undefined : object;
  }

  async function requireVersion(tx: Tx, of: ObjectAt, version: string | undefined): Promise<StoredVersion> {
    if (version !== undefined && !objectVersion.test(version)) throw vaultFailures.objectVersion();
    const live = await findLive(tx, of);
    const found = live && (await store.findVersion(tx, of, version?.toLowerCase()));
    if (found === undefined) throw collectionFailures[collection].notFound(of.name);
    return found;
  }

  async function requireDeleted(tx: Tx, of: ObjectAt): Promise<DeletedVersion> {
    const object = await store.findObject(tx, of);
    const { deletedAtMs, purgeAtMs } = object ?? {};
    const found = await store.findVersion(tx, of);
    // What is due is gone, whether or not it was swept yet.
    if (found === undefined || deletedAtMs === undefined || purgeAtMs === undefined || purgeAtMs <= clock.epochMs())
      throw collectionFailures[collection].deletedNotFound(of.name);
    return { ...found, deletion: { deletedAtMs, purgeAtMs } };
  }

  /** The number of a new version, and the object's name as it was first written; undefined where what is overdue has the name. */
  async function nextNumber(
    tx: Tx,
    of: ObjectAt,
  ): Promise<{ readonly number: number; readonly name: string } | undefined> {
    const object = await store.findObject(tx, of);
    if (object?.purgeAtMs !== undefined) {
      if (object.purgeAtMs > clock.epochMs())
        throw vaultFailures.ObjectIsDeletedButRecoverable(
          title[collection],
          object.name,
          Math.floor(object.purgeAtMs / 1000),
        );
      return undefined;
    }
    if (object !== undefined) {
      if (object.latest >= vaultLimits.versions) throw vaultFailures.tooManyVersions(object.name, vaultLimits.versions);
      return { number: object.latest + 1, name: object.name };
    }
    if ((await store.countObjects(tx, of.vault, of.collection)) >= vaultLimits.objects)
      throw vaultFailures.vaultFull(vaultLimits.objects, collection);
    return { number: 1, name: of.name };
  }

  function pageOf<T>(found: readonly T[], size: number, keyOf: (last: T) => string): Page<T> {
    const items = found.slice(0, size);
    const last = items[items.length - 1];
    return { items, next: found.length > size && last !== undefined ? keyOf(last) : undefined };
  }

  return {
    async add(vault, name, { attributes, tags, detail, keep }) {
      const of = at(vault, name);
      const kept = { ...attributesOver(enabledByDefault, attributes), tags: checkTags(tags) };
      const keptOf = await keep();
      const now = clock.epochMs();
      const add = async (tx: Tx): Promise<StoredVersion | undefined> => {
        const next = await nextNumber(tx, of);
        if (next === undefined) return undefined;
        const { number, name: shownName } = next;
        const version = Buffer.from(randomBytes(16)).toString('hex');
        const sealed = keptOf({ ...of, name: shownName, number, version });
        const added = { number, version, ...kept, createdAtMs: now, updatedAtMs: now, detail };
        await store.putObject(tx, of, number);
        await store.insertVersion(tx, of, { ...added, sealed });
        return { ...added, name: shownName };
      };
      for (;;) {
        const added = await database.write(add);
        if (added !== undefined) return added;
        await takeAway(database, of, (tx) => store.endRetention(tx, of, clock.epochMs()), destroy);
      }
    },

    get: (vault, name, version) => requireVersion(database.read, at(vault, name), version),

    async update(vault, name, version, { attributes, tags, detail }) {
      const of = at(vault, name);
      return await database.write(async (tx) => {
        const present = await requireVersion(tx, of, version);
        const updated = {
          ...present,
          ...attributesOver(present, attributes),
          tags: tags === undefined ? present.tags : checkTags(tags),
          detail: detail(present.detail),
          updatedAtMs: clock.epochMs(),
        };
        await store.updateVersion(tx, of, updated);
        return updated;
      });
    },

    async list(vault, { size, after }) {
      const query = { vault: vault.uniqueId, collection, deleted: false, after, limit: size + 1 };
      return pageOf(await store.listObjects(database.read, query), size, ({ name }) => name);
    },

    async versions(vault, name, { size, after }) {
      const of = at(vault, name);
      // Of a name that nobody used there are none, which is no fault in this protocol; one that was deleted is.
      if ((await store.findObject(database.read, of))?.deletedAtMs !== undefined)
        throw collectionFailures[collection].notFound(name);
      const found = await store.listVersions(database.read, of, Number.parseInt(after, 10) || 0, size + 1);
      return pageOf(found, size, ({ number }) => String(number));
    },

    async remove(vault, name) {
      const of = at(vault, name);
      const deletedAtMs = clock.epochMs();
      const deletion = { deletedAtMs, purgeAtMs: deletedAtMs + vault.retentionDays * dayMs };
      return await database.write(async (tx) => {
        const latest = await requireVersion(tx, of, undefined);
        await store.setDeletion(tx, of, deletion);
        return { ...latest, deletion };
      });
    },

    getDeleted: (vault, name) => requireDeleted(database.read, at(vault, name)),

    async listDeleted(vault, { size, after }) {
      const query = { vault: vault.uniqueId, collection, deleted: true, after, limit: size + 1 };
      const now = clock.epochMs();
      const found = await store.listObjects(database.read, query);
      const page = pageOf(found, size, ({ name }) => name);
      return {
        ...page,
        items: page.items.flatMap((item) =>
          item.deletion !== undefined && item.deletion.purgeAtMs > now ? [{ ...item, deletion: item.deletion }] : [],
        ),
      };
    },

    async recover(vault, name) {
      const of = at(vault, name);
      return await database.write(async (tx) => {
        const { deletion: _, ...recovered } = await requireDeleted(tx, of);
        await store.setDeletion(tx, of, undefined);
        return recovered;
      });
    },

    async purge(vault, name) {
      const of = at(vault, name);
      const end = async (tx: Tx) => {
        await requireDeleted(tx, of);
        if (vault.purgeProtection) throw vaultFailures.ForbiddenByPolicy();
        return await store.endRetention(tx, of, Number.MAX_SAFE_INTEGER);
      };
      await takeAway(database, of, end, destroy);
    },
  };
}

const enabledByDefault: Attributes = { enabled: true, notBefore: undefined, expires: undefined };

/** What is not said stays; a null takes a time away. */
function attributesOver(present: Attributes, input: AttributesInput | null | undefined): Attributes {
  const time = (said: number | null | undefined, before: number | undefined) =>
    said === undefined ? before : (said ?? undefined);
  if (input?.exportable === true) throw vaultFailures.notExportable();
  return {
    enabled: input?.enabled ?? present.enabled,
    notBefore: time(input?.nbf, present.notBefore),
    expires: time(input?.exp, present.expires),
  };
}

function checkTags(tags: Tags | null | undefined): Tags {
  const entries = Object.entries(tags ?? {});
  if (
    entries.length > vaultLimits.tags ||
    entries.some(([name, value]) => name.length > vaultLimits.tagLength || value.length > vaultLimits.tagLength)
  ) {
    throw vaultFailures.tooManyTags(vaultLimits.tags, vaultLimits.tagLength);
  }
  return Object.fromEntries(entries);
}
