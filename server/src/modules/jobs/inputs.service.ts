// What a job reads, fixed when it is accepted: files become snapshots, so that what is trained on can be told later, to the
// byte; of an input that is given as its address the command gets the address and no file.

import type { CommandJob, JobInput } from '@strongroom/contract/jobs';
import { type Assets, contentForms, dataVersionOf, inputLimits, isContentUri } from '#assets';
import type { Grant } from '#kernel/authority/grant';
import { Failure } from '#kernel/errors/failure';
import { emptyFolder, type JobState } from './job-state.service.ts';
import { jobsFailures } from './jobs.errors.ts';
import { nameToBe, overlap, placeOf, placesOf } from './outputs.rules.ts';

export type Taken = Required<Pick<JobState, 'inputSnapshots' | 'inputAddresses'>> & {
  /** Of all of them together. */
  readonly inputBytes: number;
};

/** Azure's name of the file that makes a folder an mltable. */
const tableFile = 'MLTable';
const typesOfData: readonly string[] = ['uri_file', 'uri_folder', 'mltable'];

/**
 * The uri of an input in its long form: in short, `azureml:NAME:VERSION` is a model where a model is read, and else data.
 * Pure.
 */
function inFull(workspaceId: string, { jobInputType, uri = '' }: JobInput): string {
  const [, name, version] = /^azureml:([A-Za-z0-9][\w.-]{0,254}):([A-Za-z0-9][\w.-]{0,254})$/.exec(uri) ?? [];
  return name === undefined || !typesOfData.includes(jobInputType)
    ? uri
    : `${workspaceId}/data/${name}/versions/${version}`;
}

const nothing = { uri: emptyFolder, files: [], bytes: 0 };

/** A folder in which the job itself writes is there, as in Azure, also before anything lies in it. */
function mayBeEmpty({ jobInputType, uri }: JobInput, { outputs }: Pick<CommandJob, 'outputs'>): boolean {
  const read = placeOf({ ...(uri === undefined ? {} : { uri }), jobOutputType: 'uri_folder' }, '', '');
  const written = placesOf(outputs, nameToBe).map(([, place]) => place);
  return jobInputType === 'uri_folder' && read !== undefined && written.some((place) => overlap(read, place));
}

/** Throws `invalid` for what a job cannot read, or not as what it is said to be, and `forbidden` unless the caller may read it. */
export async function takeInputs(
  assets: Pick<Assets, 'named' | 'data'>,
  grant: Grant,
  workspaceId: string,
  job: Pick<CommandJob, 'inputs' | 'outputs'>,
  bytesMax: number,
): Promise<Taken> {
  const inputSnapshots: Record<string, string> = {};
  const inputAddresses: Record<string, string> = {};
  let inputBytes = 0;
  for (const [name, input] of Object.entries(job.inputs ?? {})) {
    const { jobInputType, mode } = input;
    if (jobInputType === 'literal' || input.uri === undefined) continue;
    const uri = inFull(workspaceId, input);
    const dataId = dataVersionOf(workspaceId, uri);
    const data = dataId === undefined ? undefined : await assets.data(grant, dataId);
    if (data !== undefined && data.dataType !== jobInputType)
      throw jobsFailures.InputOfOtherType(name, jobInputType, data.dataType);
    if (mode === 'Direct') {
      if (!isContentUri(workspaceId, uri)) throw jobsFailures.InputNotServed(name, contentForms);
      inputAddresses[name] = data?.dataUri ?? uri;
      continue;
    }
    const snapshot = await assets.named(grant, workspaceId, uri, inputLimits(bytesMax)).catch((thrown: unknown) => {
      if (thrown instanceof Failure && thrown.code === 'AssetContentNotFound' && mayBeEmpty(input, job)) return nothing;
      throw thrown;
    });
    if (!snapshot) throw jobsFailures.InputNotServed(name, contentForms);
    if (jobInputType === 'uri_file' && snapshot.files.length !== 1)
      throw jobsFailures.InputIsFolder(name, snapshot.files.length);
    if (jobInputType === 'mltable' && !snapshot.files.some(({ path }) => path === tableFile))
      throw jobsFailures.InputIsNoTable(name);
    inputSnapshots[name] = snapshot.uri;
    inputBytes += snapshot.bytes;
  }
  return { inputSnapshots, inputAddresses, inputBytes };
}
