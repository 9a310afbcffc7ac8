// Secrets on their way into a job: that the submitter may read them is decided when he submits, and anew, as he may then, at
// the moment a node takes the job. Promises: each reading is an access of that secret in his name, with the job in its record;
// a value is in the document of one taking, and nowhere else.

import type { CommandJob } from '@strongroom/contract/jobs';
import type { Grant, Grants } from '#kernel/authority/grant';
import { asFailure } from '#kernel/errors/failure';
import type { Secret } from '#kernel/sealing/secret';
import type { Resource } from '#resources';
import type { SecretPlace, Vaults } from '#vault';
import type { Workspaces } from '#workspaces';
import { jobsDuties } from './duties.ts';
import { stateOf, workspaceIdOf } from './job-state.service.ts';
import { jobsFailures } from './jobs.errors.ts';
import { type SecretReference, secretsIn } from './secrets.rules.ts';

export type Referring = Pick<CommandJob, 'secretsConfiguration' | 'environmentVariables'>;

export type JobSecrets = {
  /** That each is there and the caller may read it. Throws `forbidden`, and what the vault throws. */
  check(grant: Grant, workspaceId: string, job: Referring): Promise<void>;
  /** By the name of the variable. Throws `SecretNotGiven`. */
  read(job: Resource): Promise<ReadonlyMap<string, Secret<string>>>;
};

export function createJobSecrets(deps: {
  readonly vaults: Pick<Vaults, 'secretAt' | 'checkSecret' | 'readSecretFor'>;
  readonly workspaces: Pick<Workspaces, 'get'>;
  readonly grants: Pick<Grants, 'duty'>;
}): JobSecrets {
  const { vaults, workspaces, grants } = deps;

  async function placeOf(workspaceId: string, reference: SecretReference): Promise<SecretPlace> {
    if ('uri' in reference) return vaults.secretAt(reference.uri);
    const { keyVault } = await workspaces.get(grants.duty(jobsDuties.gather, workspaceId), workspaceId);
    return { vaultId: keyVault, name: reference.inWorkspace, version: undefined };
  }

  return {
    async check(grant, workspaceId, job) {
      for (const reference of secretsIn(job)) await vaults.checkSecret(grant, await placeOf(workspaceId, reference));
    },
    async read(job) {
      const values = new Map<string, Secret<string>>();
      for (const reference of secretsIn(stateOf(job))) {
        const { name } = reference;
        if (job.creator === undefined) throw jobsFailures.SecretNotGiven(name, 'nobody is known to have submitted it');
        try {
          const place = await placeOf(workspaceIdOf(job.id), reference);
          const use = { reason: `a job that he submitted: ${job.name}`, parameters: { job: job.id, variable: name } };
          values.set(name, await vaults.readSecretFor(job.creator, place, use));
        } catch (thrown) {
          throw jobsFailures.SecretNotGiven(name, asFailure(thrown).message);
        }
        // What the operating system would cut off there.
        if (values.get(name)?.expose().includes('\0'))
          throw jobsFailures.SecretNotGiven(name, 'it holds a NUL character, which no variable can');
      }
      return values;
    },
  };
}
