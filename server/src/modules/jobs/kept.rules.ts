// Which inputs of a job its node keeps on its disk and shares with other jobs, and whether all of them have room: the others are in the
// memory of the job. Pure.

import type { JobInput } from '@strongroom/contract/jobs';
import type { Workspace } from '#workspaces';
import { jobsFailures } from './jobs.errors.ts';

/** What an operator has said: bytes of memory for the inputs of a job, and from which on a single one is kept. */
export type InputBounds = { readonly inputBytes: number; readonly keptInputBytes: number };

/**
 * What is mounted is only read. A download is the job's own copy, which it may change, and stays in its memory; so does what a workspace
 * with high business impact reads, which touches no disk. For small ones a process that brings them would be the longer way.
 */
export const isKept = (
  { mode }: Pick<JobInput, 'mode'>,
  bytes: number,
  { hbi, keptInputBytes }: Pick<Workspace, 'hbi'> & Pick<InputBounds, 'keptInputBytes'>,
): boolean => mode !== 'Download' && !hbi && bytes >= keptInputBytes;

/**
 * Bytes that the node of a job must keep; undefined: all of them may be in memory, and a node that keeps some does so to be quicker.
 * @param keeps the most that a node keeps, asked for where it matters
 * @throws Failure `tooLarge`
 */
export async function bytesToKeep(
  sizes: readonly { readonly bytes: number; readonly isKept: boolean }[],
  inputBytes: number,
  keeps: () => Promise<number>,
): Promise<number | undefined> {
  const sum = (all: typeof sizes) => all.reduce((total, { bytes }) => total + bytes, 0);
  const all = sum(sizes);
  if (all <= inputBytes) return undefined;
  const kept = sum(sizes.filter(({ isKept }) => isKept));
  const most = await keeps();
  if (all - kept > inputBytes || kept > most) throw jobsFailures.InputsTooLarge(all, { inputBytes, kept, keeps: most });
  return kept;
}
