// A node takes a job: it gets the document that says what to run, and a new token where an agent has lost it. Whoever submitted
// the job must be there still, and may read by then what its secrets are.

import type { JobOutput } from '@strongroom/contract/jobs';
import type { Assets } from '#assets';
import type { WorkDocument, WorkSpec } from '#compute';
import type { Grants } from '#kernel/authority/grant';
import type { Resource } from '#resources';
import type { Workspaces } from '#workspaces';
import { outputPath, resolveCommand } from './command.rules.ts';
import { contentOf, inputPath, tokenFor } from './content.service.ts';
import { buildDocumentOf, documentOf } from './document.rules.ts';
import { jobsDuties } from './duties.ts';
import { isOver } from './ending.service.ts';
import type { Environments } from './environments.port.ts';
import { type JobRecords, stateOf, workspaceIdOf } from './job-state.service.ts';
import { jobsFailures } from './jobs.errors.ts';
import type { RunTokens } from './run-tokens.scheme.ts';
import type { JobSecrets } from './secrets.service.ts';

export type Taking = {
  /** Throws `JobEnded` for a job that has ended meanwhile, and for one whose submitter is gone, which is canceled. */
  documentOf(work: WorkSpec): Promise<WorkDocument>;
  renewToken(work: WorkSpec): Promise<string>;
};

export function createTaking(deps: {
  readonly records: JobRecords;
  readonly assets: Assets;
  readonly workspaces: Workspaces;
  readonly grants: Pick<Grants, 'duty'>;
  readonly tokens: () => RunTokens;
  readonly secrets: Pick<JobSecrets, 'read'>;
  readonly environments: () => Pick<Environments, 'documentOf' | 'readsOf' | 'packagesFor'>;
  readonly port: number;
  readonly keptInputBytes: number;
  readonly cancel: (job: Resource) => Promise<void>;
  /** Whether who submitted the job is still there and enabled. */
  readonly isBacked: (job: Resource) => Promise<boolean>;
}): Taking {
  const { records, assets, workspaces, grants, port } = deps;

  async function active(spec: WorkSpec): Promise<Resource> {
    const job = await records.ofWork(spec);
    if (job === undefined || isOver(stateOf(job))) throw jobsFailures.JobEnded();
    return job;
  }

  /** What the job reads, and the token that reads it. */
  async function gathered(job: Resource) {
    const workspaceId = workspaceIdOf(job.id);
    const grant = grants.duty(jobsDuties.gather, workspaceId);
    const workspace = await workspaces.get(grant, workspaceId);
    const content = await contentOf(assets, grant, job, workspace);
    const isBuild = stateOf(job).builds !== undefined;
    const reads = isBuild ? await deps.environments().readsOf(job) : [];
    // A build has a way to the index of its own.
    const packages = isBuild ? undefined : deps.environments().packagesFor(workspace);
    const index = packages !== undefined && 'index' in packages ? `${packages.index}/jobs/${job.name}` : undefined;
    const token = await tokenFor(deps.tokens(), job, workspace, content, { reads, install: index !== undefined });
    return { workspace, content, index, token };
  }

  return {
    async documentOf(spec) {
      const job = await active(spec);
      if (!(await deps.isBacked(job))) {
        await deps.cancel(job);
        throw jobsFailures.JobEnded();
      }
      const state = stateOf(job);
      const { workspace, content, index, token } = await gathered(job);
      if (state.builds !== undefined) {
        const build = await deps.environments().documentOf(job, token);
        return buildDocumentOf({ state, build, workspace, token, port });
      }
      const outputs = state.outputs ?? {};
      const command = resolveCommand(
        state,
        (name) => inputPath(name, state, content),
        (name) => outputPath(job.name, name, outputs[name] as JobOutput), // of its own, by resolveCommand
      );
      const secrets = await deps.secrets.read(job);
      const { keptInputBytes } = deps;
      return documentOf({ job, state, workspace, content, index, token, port, command, secrets, keptInputBytes });
    },
    renewToken: async (spec) => (await gathered(await active(spec))).token,
  };
}
