// What one job may use of its node. Pure.

import type { CommandJob } from '@strongroom/contract/jobs';
import { jobsFailures } from './jobs.errors.ts';

const gib = 1024 ** 3;
const mib = 1024 ** 2;
const units: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1024, m: mib, g: gib };

/** Bounds of one job's sandbox: room for honest training in memory, none for a fork bomb. */
export const limits = { memoryBytes: 8 * gib, processes: 512, openFiles: 4096, fileBytes: 8 * gib } as const;
export const scratchBytes = 4 * gib;

/** An environment is in memory while it is made, beside what is unpacked on the way, and while it is used, beside its layer. */
export const environmentScratchBytes = 8 * gib;

/**
 * How large /dev/shm is to be, written as Docker does: `2g`. Undefined: a quarter of the room for files. More than the memory of a
 * job could not be filled.
 * @throws Failure `invalid`
 */
export function sharedBytesOf({ resources }: Pick<CommandJob, 'resources'>): number | undefined {
  const size = resources?.shmSize;
  if (size === undefined) return undefined;
  const [, digits = '0', unit = ''] = /^(\d{1,12})([bkmg]?)$/i.exec(size) ?? [];
  const bytes = Number(digits) * (units[unit.toLowerCase()] ?? 0);
  if (bytes >= mib && bytes <= limits.memoryBytes) return bytes;
  throw jobsFailures.ValidationError(
    'resources.shmSize',
    `resources.shmSize is a number with b, k, m or g behind it, from 1m to ${limits.memoryBytes / gib}g: a job has ${limits.memoryBytes / gib} GiB of memory, and what is shared counts.`,
  );
}
