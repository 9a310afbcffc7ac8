// Outputs that a job was asked to leave as assets. They are registered when all that it runs has ended well and before the job says
// that it is completed, in the name of who submitted it: his rights are decided anew, and the record is his. May run again, after
// a crash or because the end is told twice: the version is chosen and kept before it is made.

import type { JobOutput } from '@strongroom/contract/jobs';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import { type Assets, runOf } from '#assets';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { Acts } from '#kernel/authority/perform';
import { Failure, passesBy } from '#kernel/errors/failure';
import type { Properties, Resource, Resources } from '#resources';
import { workspaceType } from '#workspaces';
import { jobsDuties } from './duties.ts';
import { type JobRecords, type Outcome, outputPlaceOf, stateOf, workspaceIdOf } from './job-state.service.ts';
import { jobsFailures } from './jobs.errors.ts';

export type Registering = {
  /**
   * Throws `invalid` for a version without a name, `forbidden` unless the caller may make these assets, and `conflict` where a version
   * that is asked for is there.
   */
  check(grant: Grant, workspaceId: string, outputs: Outputs): Promise<void>;
  /** Why one of them could not be registered; undefined once all are. Throws what passes by. */
  register(job: Resource): Promise<Outcome['error']>;
};

type Outputs = Readonly<Record<string, JobOutput>> | undefined;
type Plural = 'data' | 'models';

const dataTypes: readonly string[] = ['uri_file', 'uri_folder', 'mltable'];
/** Others may register under the numbers that were about to be taken. */
const numbersTried = 20;

const pluralOf = ({ jobOutputType }: JobOutput): Plural => (dataTypes.includes(jobOutputType) ? 'data' : 'models');
const versionsOf = (workspaceId: string, output: JobOutput) =>
  `${workspaceId}/${pluralOf(output)}/${output.assetName}/versions`;
const actionsOn = (output: JobOutput) => actionsOfType(`${workspaceType}/${pluralOf(output)}/versions`);

const named = (outputs: Outputs) =>
  Object.entries(outputs ?? {}).filter(([, { assetName }]) => assetName !== undefined);

export function createRegistering(deps: {
  readonly resources: Pick<Resources, 'find' | 'create'>;
  readonly assets: Pick<Assets, 'nextVersion'>;
  readonly grants: Pick<Grants, 'also' | 'duty'>;
  readonly acts: Pick<Acts, 'onBehalf'>;
  readonly records: JobRecords;
}): Registering {
  const { resources, assets, grants, acts, records } = deps;

  /** True: it is registered. False: another is there under this version. */
  async function make(job: Resource, output: string, asked: JobOutput, id: string): Promise<boolean> {
    if (job.creator === undefined) throw jobsFailures.OutputWithoutSubmitter(output);
    const properties = contentOf(job, output, asked);
    const facts = {
      operation: pluralOf(asked) === 'data' ? 'Data_RegisterOutput' : 'Models_RegisterOutput',
      action: actionsOn(asked).write,
      scope: id,
      parameters: { job: job.name, output },
      reason: `submitted ${job.name}`,
    };
    const made = await acts.onBehalf(job.creator, facts, (grant) => resources.create(grant, id, { properties }));
    if (made !== undefined) return true;
    const there = await resources.find(grants.duty(jobsDuties.lookForAsset, workspaceIdOf(job.id)), id);
    return there !== undefined && isSameContent(there.properties, properties);
  }

  async function registerOne(job: Resource, output: string, asked: JobOutput): Promise<void> {
    const workspaceId = workspaceIdOf(job.id);
    const looking = grants.duty(jobsDuties.lookForAsset, workspaceId);
    const { assetName = '', assetVersion } = asked;
    let version = assetVersion ?? stateOf(job).registered?.[output];
    for (let tried = 0; tried < numbersTried; tried++) {
      version ??= await assets.nextVersion(looking, workspaceId, pluralOf(asked), assetName);
      const chosen = version;
      await records.change(job.id, ({ registered }) => ({ registered: { ...registered, [output]: chosen } }));
      if (await make(job, output, asked, `${versionsOf(workspaceId, asked)}/${version}`)) return;
      if (assetVersion !== undefined) break;
      version = undefined;
    }
    throw jobsFailures.AssetVersionExists(output, assetName, assetVersion);
  }

  return {
    async check(grant, workspaceId, outputs) {
      for (const [name, { assetName, assetVersion }] of Object.entries(outputs ?? {}))
        if (assetVersion !== undefined && assetName === undefined)
          throw jobsFailures.ValidationError(
            `outputs.${name}.assetVersion`,
            `The output '${name}' has a version and no name to be registered under. Send assetName too, or neither.`,
          );
      for (const [name, output] of named(outputs)) {
        const { assetName = '', assetVersion } = output;
        const id = `${versionsOf(workspaceId, output)}/${assetVersion ?? '1'}`;
        const writing = grants.also(grant, actionsOn(output).write, id);
        if (assetVersion !== undefined && (await resources.find(writing, id)))
          throw jobsFailures.AssetVersionExists(name, assetName, assetVersion);
      }
    },
    async register(job) {
      for (const [name, output] of named(stateOf(job).outputs)) {
        try {
          await registerOne(job, name, output);
        } catch (thrown) {
          if (!(thrown instanceof Failure) || passesBy(thrown)) throw thrown;
          const message = `The job ended well, but its output '${name}' could not be registered as ${output.assetName}: ${thrown.message}`;
          return { code: 'OutputNotRegistered', message };
        }
      }
      return undefined;
    },
  };
}

function contentOf(job: Resource, name: string, { jobOutputType, description }: JobOutput): Properties {
  const uri = outputPlaceOf(job, name);
  const said = typeof description === 'string' ? { description } : {};
  return dataTypes.includes(jobOutputType)
    ? { ...said, dataType: jobOutputType, dataUri: uri }
    : { ...said, modelType: jobOutputType, modelUri: uri, jobName: runOf(uri) ?? job.name };
}

const isSameContent = (there: Properties, wanted: Properties): boolean =>
  ['dataUri', 'modelUri'].every((name) => there[name] === wanted[name]);
