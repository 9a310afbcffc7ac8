// How much one store may hold, so that who fills one does not fill the disk for all. The port by which stores learn their
// limit, and the one refusal.

import type { Failure } from '#kernel/errors/failure';
import { filesFailures } from './files.errors.ts';

/** What has a quota of its own. */
export type StoreKind = 'account' | 'registry' | 'workspace';

export type Quotas = {
  /** In bytes, at this moment. */
  limitOf(uniqueId: string): number;
  /** Told of each refusal, to be counted. */
  refused(kind: StoreKind): void;
};

/** The quota of one store. */
export type Quota = {
  limit(): number;
  /** The failure to throw; counts it. */
  refuse(): Failure;
};

export const quotaCode = 'StorageQuotaExceeded';

const titles: Readonly<Record<StoreKind, string>> = {
  account: 'storage account',
  registry: 'registry',
  workspace: 'database of the workspace',
};

export function quotaOf(quotas: Quotas | undefined, kind: StoreKind, uniqueId: string): Quota {
  const limit = () => quotas?.limitOf(uniqueId) ?? Number.POSITIVE_INFINITY;
  return {
    limit,
    refuse() {
      quotas?.refused(kind);
      return filesFailures.StorageQuotaExceeded(titles[kind], limit());
    },
  };
}
