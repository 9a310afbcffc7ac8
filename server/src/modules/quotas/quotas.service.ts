// What each store may hold: what an administrator set for it, or else the installation's share of the disk. Kept in memory,
// because it is asked with every piece of every upload; a change is durable first and holds at once.

import type { Grant, Grants } from '#kernel/authority/grant';
import type { Database } from '#kernel/database/database';
import type { Quotas } from '#kernel/files/quota';
import { isWithin, parseResourceId } from '#kernel/ids/ids';
import type { Telemetry } from '#kernel/telemetry/telemetry';
import type { Resources } from '#resources';
import { quotasDuties, typesWithQuota } from './duties.ts';
import { quotasMeters } from './meters.ts';
import { quotasFailures } from './quotas.errors.ts';
import { allQuotas, deleteQuotas, putQuota, type SetQuota } from './quotas.store.ts';

export type QuotaSettings = Quotas & {
  load(): Promise<void>;
  /** All of them or none. `limit` is in bytes; undefined is the default again. */
  set(
    grant: Grant,
    wanted: readonly { readonly id: string; readonly limit: number | undefined }[],
  ): Promise<readonly { readonly id: string; readonly limit: number }[]>;
  /** Those that were set, by resource id. */
  list(grant: Grant): readonly SetQuota[];
  standard(): number;
  /** Forgets what was set for a resource that is gone, and for what was below it. */
  removed(id: string): Promise<void>;
};

function hasQuota(id: string): boolean {
  try {
    const type = parseResourceId(id).type?.toLowerCase();
    return typesWithQuota.some((one) => one.toLowerCase() === type);
  } catch {
    return false;
  }
}

export function createQuotaSettings(deps: {
  readonly database: Database;
  readonly resources: Pick<Resources, 'find'>;
  readonly grants: Pick<Grants, 'duty'>;
  readonly telemetry: Telemetry;
  readonly disk: () => { readonly totalBytes: number };
  /** Of the disk, for what nobody set a quota for. */
  readonly percentOfDisk: number;
}): QuotaSettings {
  const { database, resources, grants, disk, percentOfDisk } = deps;
  const found = new Map<string, SetQuota>();
  const refusals = deps.telemetry.counter(quotasMeters.refusals);
  const standard = () => Math.floor((disk().totalBytes / 100) * percentOfDisk);

  async function uniqueIdOf(id: string): Promise<{ readonly uniqueId: string; readonly resourceId: string }> {
    const resource = hasQuota(id) ? await resources.find(grants.duty(quotasDuties.find, id), id) : undefined;
    if (resource !== undefined) return { uniqueId: resource.uniqueId, resourceId: resource.id };
    throw quotasFailures.InvalidResourceId(id);
  }

  return {
    limitOf: (uniqueId) => found.get(uniqueId)?.limit ?? standard(),
    refused: (store) => refusals.add({ store }),
    standard,
    async load() {
      for (const quota of await allQuotas(database.read)) found.set(quota.uniqueId, quota);
    },
    async set(_grant, wanted) {
      const named = await Promise.all(wanted.map(async ({ id, limit }) => ({ ...(await uniqueIdOf(id)), limit })));
      await database.write(async (tx) => {
        for (const { limit, ...of } of named)
          await (limit === undefined ? deleteQuotas(tx, [of.uniqueId]) : putQuota(tx, { ...of, limit }));
      });
      for (const { limit, ...of } of named) {
        if (limit === undefined) found.delete(of.uniqueId);
        else found.set(of.uniqueId, { ...of, limit });
      }
      return named.map(({ resourceId, limit }) => ({ id: resourceId, limit: limit ?? standard() }));
    },
    list: () => [...found.values()].sort((a, b) => (a.resourceId < b.resourceId ? -1 : 1)),
    async removed(id) {
      const gone = [...found.values()].filter(({ resourceId }) => isWithin(resourceId, id));
      if (gone.length === 0) return;
      const uniqueIds = gone.map(({ uniqueId }) => uniqueId);
      await database.write((tx) => deleteQuotas(tx, uniqueIds));
      for (const uniqueId of uniqueIds) found.delete(uniqueId);
    },
  };
}
