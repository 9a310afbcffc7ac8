// What a job reads, fixed when it is accepted: files become snapshots, so that what is trained on can be told later, to the
// byte; of an input that is given as its address the command gets the address and no file.

import type { CommandJob, JobInput } from '@strongroom/contract/jobs';
import { type Assets, contentForms, dataVersionOf, inputLimits, isContentUri } from '#assets';
import type { Grant } from '#kernel/authority/grant';
import { Failure } from '#kernel/errors/failure';
import type { Workspace } from '#workspaces';
import { emptyFolder, type JobState } from './job-state.service.ts';
import { jobsFailures } from './jobs.errors.ts';
import { bytesToKeep, type InputBounds, isKept } from './kept.rules.ts';
import { nameToBe, overlap, placeOf, placesOf } from './outputs.rules.ts';

export type Taken = Required<Pick<JobState, 'inputSnapshots' | 'inputAddresses'>> & Pick<JobState, 'keptBytes'>;

/** Where they are to be: the operator's bounds, and the most that a node of the job's cluster keeps. */
export type InputRoom = InputBounds & { readonly keeps: () => Promise<number> };

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

/** Its files, as many bytes as memory may have, or as a node keeps where that is more. */
async function contentNamed(
  assets: Pick<Assets, 'named'>,
  grant: Grant,
  of: { readonly workspaceId: string; readonly uri: string; readonly mayBeKept: boolean },
  { inputBytes, keeps }: InputRoom,
) {
  const named = (bytes: number) => assets.named(grant, of.workspaceId, of.uri, inputLimits(bytes));
  try {
    return await named(inputBytes);
  } catch (thrown) {
    if (!(thrown instanceof Failure && thrown.code === 'SnapshotTooLarge' && of.mayBeKept)) throw thrown;
    const kept = await keeps();
    if (kept <= inputBytes) throw thrown;
    return named(kept);
  }
}

/** Throws `invalid` for what a job cannot read, or not as what it is said to be, and `forbidden` unless the caller may read it. */
export async function takeInputs(
  assets: Pick<Assets, 'named' | 'data'>,
  grant: Grant,
  workspace: Pick<Workspace, 'id' | 'hbi'>,
  job: Pick<CommandJob, 'inputs' | 'outputs'>,
  room: InputRoom,
): Promise<Taken> {
  const { id: workspaceId, hbi } = workspace;
  const inputSnapshots: Record<string, string> = {};
  const inputAddresses: Record<string, string> = {};
  const sizes: { bytes: number; isKept: boolean }[] = [];
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
    const isKeptWith = (bytes: number) => isKept(input, bytes, { hbi, keptInputBytes: room.keptInputBytes });
    const of = { workspaceId, uri, mayBeKept: isKeptWith(Number.POSITIVE_INFINITY) };
    const snapshot = await contentNamed(assets, grant, of, room).catch((thrown: unknown) => {
      if (thrown instanceof Failure && thrown.code === 'AssetContentNotFound' && mayBeEmpty(input, job)) return nothing;
      throw thrown;
    });
    if (!snapshot) throw jobsFailures.InputNotServed(name, contentForms);
    if (jobInputType === 'uri_file' && snapshot.files.length !== 1)
      throw jobsFailures.InputIsFolder(name, snapshot.files.length);
    if (jobInputType === 'mltable' && !snapshot.files.some(({ path }) => path === tableFile))
      throw jobsFailures.InputIsNoTable(name);
    inputSnapshots[name] = snapshot.uri;
    sizes.push({ bytes: snapshot.bytes, isKept: isKeptWith(snapshot.bytes) });
  }
  const keptBytes = await bytesToKeep(sizes, room.inputBytes, room.keeps);
  return { inputSnapshots, inputAddresses, ...(keptBytes === undefined ? {} : { keptBytes }) };
}
