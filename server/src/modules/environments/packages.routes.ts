// What a build asks for while it runs: pages of projects, the files on them, and the one place that takes its result. Nobody else has
// business here, whatever his roles: what is asked for counts against a build that runs.

import type { Readable } from 'node:stream';
import { jobsActions } from '@strongroom/contract/jobs.actions';
import { Type } from '@strongroom/contract/schema';
import { buildScope } from '#jobs';
import type { Grant } from '#kernel/authority/grant';
import {
  type Answer,
  accessed,
  activity,
  json,
  needs,
  type Params,
  type Route,
  route,
  whole,
} from '#kernel/http/route';
import { isWithin } from '#kernel/ids/ids';
import { environmentsFailures } from './environments.errors.ts';
import type { BuildOf } from './environments.types.ts';
import { keyOfBuild, type PackageFile, type Packages } from './packages.service.ts';
import { type Results, resultBytesMax } from './result.service.ts';
import { buildIn, packagesPath, packagesSurface, workspaceIn } from './surface.ts';

const build = `${packagesPath}/builds/{build}`;
const scopeOf = (params: Params): string => buildScope(workspaceIn(params), buildIn(params));

export const pageAnswer = (page: Readable): Answer => ({
  status: 200,
  contentType: 'text/html; charset=utf-8',
  body: page,
});

export const fileAnswer = ({ size, stream }: PackageFile): Answer => ({
  status: 200,
  contentType: 'application/octet-stream',
  ...(size === undefined ? {} : { headers: { 'content-length': String(size) } }),
  body: stream,
});

export function packageRoutes(deps: { readonly packages: Packages; readonly results: Results }): readonly Route[] {
  const { packages, results } = deps;
  /** The build that asks, once it is clear that it is the build itself. */
  const asking = (grant: Grant, params: Params): BuildOf => {
    // Whoever may do everything in a workspace may not stand in for a build: what it sends becomes what others run in.
    if (grant.actor.kind !== 'run' || !isWithin(grant.scope, scopeOf(params))) throw environmentsFailures.NotABuild();
    return { workspaceId: workspaceIn(params), build: buildIn(params) };
  };
  const access = needs(jobsActions.buildEnvironment, scopeOf, whole);
  return [
    route({
      operation: 'Packages_Project',
      surface: packagesSurface,
      method: 'GET',
      path: `${build}/simple/{project}`,
      summary: 'The files of a project of the package index, for the build of an environment that runs.',
      access,
      audit: accessed('workspaceName', 'build', 'project'),
      handle: async (grant, { params }): Promise<Answer> =>
        pageAnswer(await packages.page(keyOfBuild(asking(grant, params)), params['project'] ?? '')),
    }),
    route({
      operation: 'Packages_File',
      surface: packagesSurface,
      method: 'GET',
      path: `${build}/files/{project}/{sha256}/{file}`,
      summary: 'One file of a project of the package index, for the build of an environment that runs.',
      access,
      audit: activity('workspaceName', 'build', 'project', 'sha256', 'file'),
      handle: async (grant, { params }): Promise<Answer> => {
        const { project = '', sha256 = '', file = '' } = params;
        return fileAnswer(await packages.file(keyOfBuild(asking(grant, params)), project, sha256, file));
      },
    }),
    route({
      operation: 'Packages_PutResult',
      surface: packagesSurface,
      method: 'PUT',
      path: `${build}/result`,
      summary: 'Takes what the build of an environment has made, as a tar archive. Once.',
      access,
      audit: activity('workspaceName', 'build'),
      body: { kind: 'stream', maxBytes: resultBytesMax },
      responses: { 201: Type.Object({ digest: Type.String() }) },
      handle: async (grant, { params, body }) => {
        try {
          return json(201, await results.take(asking(grant, params), body));
        } finally {
          body.destroy();
        }
      },
    }),
  ];
}
