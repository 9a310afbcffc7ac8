// What secrets and keys have in common: names with versions, attributes, tags, soft delete, and material that is sealed under
// the vault's master key in exactly its row. Promises: material is never in a listing; a deleted name is blocked until it is
// recovered or purged; purge protection is stronger than every role. Who may call was decided before, on the scope.

import { type AttributesInput, vaultLimits } from '@strongroom/contract/vault';
import type { Clock } from '#kernel/clock/clock';
import { randomBytes } from '#kernel/crypto/random';
import { openValue, sealValue } from '#kernel/crypto/value-envelope';
import type { Database, Tx } from '#kernel/database/database';
import type { DataKeys } from '#kernel/sealing/data-keys';
import { objectName, objectVersion } from './addresses.ts';
import type { Vault } from './directory.ts';
import type { Attributes, Collection, Deletion, ObjectAt, StoredVersion, Tags } from './objects.store.ts';
import * as store from './objects.store.ts';
import { collectionFailures, vaultFailures } from './vault.errors.ts';

export type { Deletion, StoredVersion, Tags } from './objects.store.ts';

const title = { secrets: 'secret', keys: 'key' } as const;

/** Purpose of a vault's master key among the data keys of its uniqueId. */
export const masterKeyPurpose = 'vault-master';

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
      readonly material: Uint8Array;
    },
  ): Promise<StoredVersion>;
  /** The version, or the latest. Throws not found, also for what is deleted. */
  get(vault: Vault, name: string, version: string | undefined): Promise<StoredVersion>;
  /** The material of a version that `get` answered. */
  open(vault: Vault, version: StoredVersion): Promise<Uint8Array>;
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
  readonly dataKeys: Pick<DataKeys, 'open'>;
  readonly clock: Clock;
}): Objects {
  const { collection, database, dataKeys, clock } = options;

  function at(vault: Vault, name: string): ObjectAt {
    if (!objectName.test(name))
      throw vaultFailures.BadParameter('A name in a vault has 1 to 127 letters, digits and hyphens.', 'name');
    return { vault: vault.uniqueId, collection, name };
  }

  /** Bound to the row: sealed material that is moved to another name, version, vault or collection does not open. */
  const placeOf = (of: ObjectAt, version: Pick<StoredVersion, 'version' | 'number'>) => ({
    table: 'vault_versions',
    row: `${of.vault}/${of.collection}/${of.name.toLowerCase()}/${version.version}`,
    column: 'sealed',
    version: version.number,
  });

  /** The object, if it is there and not deleted. */
  async function findLive(tx: Tx, of: ObjectAt) {
    const object = await store.findObject(tx, of);
    return object === undefined || object.deletedAtMs !== undefined ? undefined : object;
  }

  async function requireVersion(tx: Tx, of: ObjectAt, version: string | undefined): Promise<StoredVersion> {
    if (version !== undefined && !objectVersion.test(version))
      throw vaultFailures.BadParameter('A version has 32 hexadecimal digits.', 'version');
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

  /** Makes room for a new version, and says its number and the object's name as it was first written. */
  async function nextNumber(tx: Tx, of: ObjectAt): Promise<{ readonly number: number; readonly name: string }> {
    const object = await store.findObject(tx, of);
    if (object?.purgeAtMs !== undefined) {
      if (object.purgeAtMs > clock.epochMs())
        throw vaultFailures.ObjectIsDeletedButRecoverable(
          title[collection],
          object.name,
          Math.floor(object.purgeAtMs / 1000),
        );
      await store.purgeObject(tx, of);
    } else if (object !== undefined) {
      if (object.latest >= vaultLimits.versions)
        throw vaultFailures.BadParameter(
          `'${object.name}' has ${vaultLimits.versions} versions, which is the most. Use a new name.`,
        );
      return { number: object.latest + 1, name: object.name };
    }
    if ((await store.countObjects(tx, of.vault, of.collection)) >= vaultLimits.objects)
      throw vaultFailures.BadParameter(
        `This vault holds ${vaultLimits.objects} ${collection}, which is the most. Use another vault.`,
      );
    return { number: 1, name: of.name };
  }

  function pageOf<T>(found: readonly T[], size: number, keyOf: (last: T) => string): Page<T> {
    const items = found.slice(0, size);
    const last = items[items.length - 1];
    return { items, next: found.length > size && last !== undefined ? keyOf(last) : undefined };
  }

  return {
    async add(vault, name, { attributes, tags, detail, material }) {
      const of = at(vault, name);
      const kept = { ...attributesOver(enabledByDefault, attributes), tags: checkTags(tags) };
      const key = await dataKeys.open(vault.uniqueId, masterKeyPurpose);
      const now = clock.epochMs();
      return await database.write(async (tx) => {
        const { number, name: shownName } = await nextNumber(tx, of);
        const version = Buffer.from(randomBytes(16)).toString('hex');
        const sealed = sealValue(key, placeOf(of, { version, number }), material);
        const added = { number, version, ...kept, createdAtMs: now, updatedAtMs: now, detail };
        await store.putObject(tx, of, number);
        await store.insertVersion(tx, of, { ...added, sealed });
        return { ...added, name: shownName };
      });
    },

    get: (vault, name, version) => requireVersion(database.read, at(vault, name), version),

    async open(vault, version) {
      const of = at(vault, version.name);
      const sealed = await store.findSealed(database.read, of, version.number);
      if (sealed === undefined) throw collectionFailures[collection].notFound(version.name);
      const key = await dataKeys.open(vault.uniqueId, masterKeyPurpose);
      return openValue((id) => (id === key.id ? key : undefined), placeOf(of, version), sealed);
    },

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
      await database.write(async (tx) => {
        await requireDeleted(tx, of);
        if (vault.purgeProtection) throw vaultFailures.ForbiddenByPolicy();
        await store.purgeObject(tx, of);
      });
    },
  };
}

const enabledByDefault: Attributes = { enabled: true, notBefore: undefined, expires: undefined };

/** What is not said stays; a null takes a time away. */
function attributesOver(present: Attributes, input: AttributesInput | null | undefined): Attributes {
  const time = (said: number | null | undefined, before: number | undefined) =>
    said === undefined ? before : (said ?? undefined);
  if (input?.exportable === true)
    throw vaultFailures.BadParameter(
      'Keys of this server are not exportable. Leave exportable out.',
      'attributes.exportable',
    );
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
    throw vaultFailures.BadParameter(
      `There are at most ${vaultLimits.tags} tags, with names and values of at most ${vaultLimits.tagLength} characters.`,
      'tags',
    );
  }
  return Object.fromEntries(entries);
}
