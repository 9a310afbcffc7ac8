// Whether jobs of a workspace may install packages from the index of the server: the operator's word and the workspace's together. Pure.

/** Whose may: nobody's, those of workspaces that say so and are of no high business impact, or of these as well. */
export const indexForJobsWords = ['none', 'workspaces', 'all'] as const;
export type IndexForJobs = (typeof indexForJobsWords)[number];

/** What stands in the way, the operator's word first. */
export type PackageIndexClosed = 'byOperator' | 'toHbi' | 'byWorkspace';

export function packageIndexClosed(
  indexForJobs: IndexForJobs,
  { jobPackageIndex, hbi }: { readonly jobPackageIndex: boolean; readonly hbi: boolean },
): PackageIndexClosed | undefined {
  if (indexForJobs === 'none') return 'byOperator';
  if (hbi && indexForJobs !== 'all') return 'toHbi';
  return jobPackageIndex ? undefined : 'byWorkspace';
}
