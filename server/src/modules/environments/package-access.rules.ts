// Whether jobs of a workspace find the package index, and what is told to one that does not. Pure.

import type { PackageAccess } from '#jobs';
import { type IndexForJobs, type PackageIndexClosed, packageIndexClosed, type Workspace } from '#workspaces';

/** As a sandbox reaches it; builds and jobs each have their own below it. */
export const packagesUrl = (port: number, workspaceId: string): string =>
  `https://localhost:${port}/packages/v1.0${workspaceId}`;

export function packageAccess(indexForJobs: IndexForJobs, port: number, workspace: Workspace): PackageAccess {
  const closed = packageIndexClosed(indexForJobs, workspace);
  return closed === undefined ? { index: packagesUrl(port, workspace.id) } : { closed: wordsOf[closed] };
}

/** In the log of a job that would install packages. */
const wordsOf: Readonly<Record<PackageIndexClosed, string>> = {
  byOperator:
    'A job has no network: pip finds what is installed already, and nothing else. Name the packages in the environment; or the operator lets jobs reach the package index (environments.indexForJobs).',
  toHbi:
    'A job has no network: pip finds what is installed already, and nothing else. Name the packages in the environment; or the operator lets jobs of workspaces of high business impact reach the package index as well (environments.indexForJobs: all).',
  byWorkspace:
    'A job has no network: pip finds what is installed already, and nothing else. Name the packages in the environment; or let jobs of this workspace reach the package index (strongroom workspace update NAME --job-package-index Enabled).',
};
