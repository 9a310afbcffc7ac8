// What a store holds beside what it may, in the shape that Azure gives usages.

import type { Usage } from '@strongroom/contract/quotas';
import type { Quotas } from '#kernel/files/quota';

export function usageOf(of: {
  readonly id: string;
  readonly type: string;
  /** One of ours; `localizedValue` is made of it. */
  readonly name: keyof typeof words;
  readonly used: number;
  readonly uniqueId: string;
  readonly quotas: Quotas | undefined;
}): Usage {
  const { id, type, name, used, uniqueId, quotas } = of;
  return {
    ...{ id, type, unit: 'Bytes', currentValue: used },
    name: { value: name, localizedValue: words[name] },
    limit: quotas?.limitOf(uniqueId) ?? Number.MAX_SAFE_INTEGER,
  };
}

const words = {
  BlobBytes: 'Blobs, blocks and their index',
  Size: 'Images, uploads and their index',
  DatabaseBytes: 'Runs, metrics, logs of running jobs and resources',
} as const;
