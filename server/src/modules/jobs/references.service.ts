// What a job names and must find: its compute, its code, its environment, its inputs, the places of its outputs and what they become. Each is of its own workspace, and the
// caller may read it. Said before anything is made.

import type { CommandJob } from '@strongroom/contract/jobs';
import { type Assets, curatedName } from '#assets';
import type { Work } from '#compute';
import type { Grant } from '#kernel/authority/grant';
import { isWithin, parseResourceId } from '#kernel/ids/ids';
import type { Resources } from '#resources';
import { type Workspaces, workspaceType } from '#workspaces';
import { withComponent } from './component.rules.ts';
import type { Environments } from './environments.port.ts';
import { type Taken, takeInputs } from './inputs.service.ts';
import { jobsFailures } from './jobs.errors.ts';
import type { InputBounds } from './kept.rules.ts';
import type { Outputs } from './outputs.service.ts';
import type { Registering } from './registering.service.ts';
import type { JobSecrets, Referring } from './secrets.service.ts';
import { clusterOf, isServerless, type Serverless } from './serverless.service.ts';
import { localCompute } from './unserved.ts';

export type Named = Pick<CommandJob, 'computeId' | 'codeId' | 'environmentId' | 'outputs'> & Referring;

export type References = {
  /** Throws `invalid` for what is elsewhere or of another type, and what a look-up throws. */
  check(grant: Grant, workspaceId: string, named: Named): Promise<void>;
  /** Of outputs that others leave: only the assets that they are to become. */
  checkAssets: Registering['check'];
  /** The job with what its component says, where it names one. */
  inFull(grant: Grant, workspaceId: string, job: CommandJob): Promise<CommandJob>;
  /** What the job reads, fixed: see `takeInputs`. */
  takeInputs(
    grant: Grant,
    workspaceId: string,
    job: Pick<CommandJob, 'inputs' | 'outputs' | 'computeId'>,
  ): Promise<Taken>;
};

function inWorkspace(id: string, workspaceId: string, type: string, property: string): void {
  if (isWithin(id, workspaceId) && parseResourceId(id).type?.toLowerCase() === `${workspaceType}/${type}`.toLowerCase())
    return;
  throw jobsFailures.InvalidResourceId(property, workspaceId, type);
}

export function createReferences(deps: {
  readonly resources: Pick<Resources, 'find'>;
  readonly assets: Pick<Assets, 'code' | 'component' | 'named' | 'data'>;
  readonly serverless: Serverless;
  readonly environments: () => Pick<Environments, 'check'>;
  readonly secrets: Pick<JobSecrets, 'check'>;
  readonly outputs: Pick<Outputs, 'check'>;
  readonly registering: Pick<Registering, 'check'>;
  readonly workspaces: Pick<Workspaces, 'get'>;
  readonly work: Pick<Work, 'keptBytes'>;
  readonly bounds: InputBounds;
}): References {
  const { resources, assets, serverless, environments, secrets, outputs, registering } = deps;
  return {
    async check(grant, workspaceId, named) {
      const { computeId: asked, codeId, environmentId } = named;
      const computeId = clusterOf(workspaceId, asked);
      inWorkspace(computeId, workspaceId, 'computes', 'computeId');
      if (!isServerless(asked) && !(await resources.find(grant, computeId))) {
        const { name } = parseResourceId(computeId);
        throw name.toLowerCase() === localCompute
          ? jobsFailures.LocalComputeNotServed()
          : jobsFailures.ComputeNotFound(name);
      }
      if (codeId !== undefined) {
        inWorkspace(codeId, workspaceId, 'codes/versions', 'codeId');
        await assets.code(grant, codeId);
      }
      if (environmentId !== undefined) {
        // One of a registry of Azure is named otherwise; whether anything stands for it is for environments to say.
        if (curatedName(environmentId) === undefined)
          inWorkspace(environmentId, workspaceId, 'environments/versions', 'environmentId');
        await environments().check(grant, workspaceId, environmentId);
      }
      await secrets.check(grant, workspaceId, named);
      await outputs.check(grant, workspaceId, named.outputs);
      await registering.check(grant, workspaceId, named.outputs);
      // Last: what is refused for something else makes no cluster.
      if (isServerless(asked)) await serverless.ensure(workspaceId);
    },
    checkAssets: registering.check,
    async inFull(grant, workspaceId, job) {
      if (job.componentId === undefined) return job;
      inWorkspace(job.componentId, workspaceId, 'components/versions', 'componentId');
      return withComponent(job, await assets.component(grant, job.componentId));
    },
    async takeInputs(grant, workspaceId, job) {
      const keeps = () => deps.work.keptBytes(clusterOf(workspaceId, job.computeId));
      const workspace = await deps.workspaces.get(grant, workspaceId);
      return takeInputs(assets, grant, workspace, job, { ...deps.bounds, keeps });
    },
  };
}
