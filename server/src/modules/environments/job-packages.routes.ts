// What the command of a job asks for while it runs, where it may install packages: pages of projects and the files on them, and
// nothing of a build. It is the run itself that asks, by its own token; what it asks for is recorded with the job, names as well,
// because a name that is asked for tells something to whoever keeps the index.

import { jobsActions } from '@strongroom/contract/jobs.actions';
import type { Grant } from '#kernel/authority/grant';
import { type Answer, accessed, activity, needs, type Params, type Route, route, whole } from '#kernel/http/route';
import { environmentsFailures } from './environments.errors.ts';
import { fileAnswer, pageAnswer } from './packages.routes.ts';
import { keyOfBuild, type Packages } from './packages.service.ts';
import { packagesPath, packagesSurface, workspaceIn } from './surface.ts';

const path = `${packagesPath}/jobs/{job}`;
const scopeOf = (params: Params): string => `${workspaceIn(params)}/jobs/${params['job'] ?? ''}`;

export function jobPackageRoutes(deps: {
  readonly packages: Packages;
  /** As the operator and the workspace say at this moment. */
  readonly letsInstall: (workspaceId: string) => Promise<boolean>;
}): readonly Route[] {
  const { packages } = deps;
  /** What the job that asks is counted by. */
  async function asking(grant: Grant, params: Params): Promise<string> {
    // What is asked for counts against a job and is recorded as its own: nobody stands in for one, whatever his roles.
    if (grant.actor.kind !== 'run' || !(await deps.letsInstall(workspaceIn(params))))
      throw environmentsFailures.NotThisRun();
    return keyOfBuild({ workspaceId: workspaceIn(params), build: params['job'] ?? '' });
  }
  const access = needs(jobsActions.installPackages, scopeOf, whole);
  return [
    route({
      operation: 'JobPackages_Project',
      surface: packagesSurface,
      method: 'GET',
      path: `${path}/simple/{project}`,
      summary: 'The files of a project of the package index, for the command of a job that runs.',
      access,
      audit: accessed('workspaceName', 'job', 'project'),
      handle: async (grant, { params }): Promise<Answer> =>
        pageAnswer(await packages.page(await asking(grant, params), params['project'] ?? '')),
    }),
    route({
      operation: 'JobPackages_File',
      surface: packagesSurface,
      method: 'GET',
      path: `${path}/files/{project}/{sha256}/{file}`,
      summary: 'One file of a project of the package index, for the command of a job that runs.',
      access,
      audit: activity('workspaceName', 'job', 'project', 'sha256', 'file'),
      handle: async (grant, { params }): Promise<Answer> => {
        const { project = '', sha256 = '', file = '' } = params;
        return fileAnswer(await packages.file(await asking(grant, params), project, sha256, file));
      },
    }),
  ];
}
