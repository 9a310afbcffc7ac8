// Where an output of a job lies. Without a place of its own it is among the artifacts of the job; with one, in a datastore of its
// workspace, where its path says. Pure.

import type { CommandJob, JobOutput } from '@strongroom/contract/jobs';
import { fillPlaceholders, placeholdersIn } from '@strongroom/contract/placeholders';
import { datastoreFilesOf } from '#assets';
import { sameId } from '#kernel/ids/ids';
import { jobsFailures } from './jobs.errors.ts';

/** Every workspace has it, and no other is the default of one. */
const defaultDatastore = 'workspaceblobstore';
const artifactStore = 'workspaceartifactstore';
/** What a blob may be called at most; what is left of it is for the files of a folder. */
const pathCharactersMax = 1024;
/** Stands for what is not known yet. No name has it: two paths are one only if they are so whatever it becomes. */
export const nameToBe = '~';

/** A folder of a datastore, or one file where the output is a file. */
export type OutputPlace = { readonly datastore: string; readonly path: string; readonly isFile: boolean };

/**
 * What stands for a placeholder of a path. Source: Azure's documentation, "Access data in a job" and "Manage inputs and outputs for
 * components and pipelines": of a step, `name` is the name of the step's own job.
 */
const words = (jobName: string, output: string): Readonly<Record<string, string>> => ({
  default_datastore: defaultDatastore,
  name: jobName,
  output_name: output,
});

/** In short, and without a slash at its end: as it is told, and as it is named as an input. Undefined: it has no place of its own. */
export function placeUri(uri: string | undefined, jobName: string, output: string): string | undefined {
  if (uri === undefined) return undefined;
  const filled = fillPlaceholders(uri, (inner) => words(jobName, output)[inner]);
  const files = datastoreFilesOf(filled);
  return files === undefined ? filled : `azureml://datastores/${files.datastore}/paths/${files.path}`;
}

/** The path says the default datastore of a pipeline that has another than the workspace's. */
export const withDatastore = (uri: string, datastore: string): string =>
  fillPlaceholders(uri, (inner) => (inner === 'default_datastore' ? datastore : undefined));

/** What the file of a place is called. */
export const fileIn = ({ path }: OutputPlace): string => path.slice(path.lastIndexOf('/') + 1);

/** The place of one output of a job; undefined where it is among the artifacts. */
export function placeOf({ uri, jobOutputType }: JobOutput, jobName: string, output: string): OutputPlace | undefined {
  const files = datastoreFilesOf(placeUri(uri, jobName, output) ?? '');
  return files && { datastore: files.datastore, path: files.path, isFile: jobOutputType === 'uri_file' };
}

/** Whether what is named lies where others may write at any time: in a datastore, and not among what the platform keeps. */
export function isPlaced(uri: string): boolean {
  const datastore = datastoreFilesOf(uri)?.datastore.toLowerCase();
  return datastore !== undefined && datastore !== artifactStore;
}

/** Of each output that has one. */
export const placesOf = (
  outputs: CommandJob['outputs'],
  jobName: string,
): readonly (readonly [output: string, place: OutputPlace])[] =>
  Object.entries(outputs ?? {}).flatMap(([name, output]) => {
    const place = placeOf(output, jobName, name);
    return place === undefined ? [] : [[name, place] as const];
  });

/** One is the other, or lies below it. */
export const overlap = (a: OutputPlace, b: OutputPlace): boolean => {
  const [one, other] = [`${a.path}/`, `${b.path}/`];
  return (
    a.datastore.toLowerCase() === b.datastore.toLowerCase() &&
    (a.path === '' || b.path === '' || one.startsWith(other) || other.startsWith(one))
  );
};

/**
 * Everything that can be wrong with the places of a job's outputs as they are written. Whether there is such a datastore, and whether its
 * caller may write there, is decided elsewhere.
 * @throws Failure `invalid`
 */
export function checkPlaces(workspaceId: string, outputs: CommandJob['outputs']): void {
  for (const [name, { uri, jobOutputType }] of Object.entries(outputs ?? {})) {
    if (uri === undefined) continue;
    const refuse = (why: string) => jobsFailures.OutputPlaceNotServed(name, why);
    const known = Object.keys(words('', ''));
    const stray = placeholdersIn(uri).find((inner) => !known.includes(inner));
    if (stray !== undefined)
      throw refuse(
        `its path holds \${{${stray.slice(0, 100)}}}, and a path holds ${known.map((word) => `\${{${word}}}`).join(', ')} at most`,
      );
    const files = datastoreFilesOf(fillPlaceholders(uri, (inner) => words(nameToBe, nameToBe)[inner]));
    if (files === undefined)
      throw refuse(
        'its path is not azureml://datastores/NAME/paths/FOLDER of a datastore of this workspace (an address with a query or a signature is none)',
      );
    if (files.workspaceId !== undefined && !sameId(files.workspaceId, workspaceId))
      throw refuse('its path is in another workspace');
    const segments = files.path === '' ? [] : files.path.split('/');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is being refused.
    if (segments.some((one) => ['', '.', '..'].includes(one) || /[\\\x00-\x1f\x7f]/.test(one)))
      throw refuse('its path holds an empty, a dot or a dot-dot segment, a backslash or a control character');
    if (files.path.length > pathCharactersMax) throw refuse(`its path is longer than ${pathCharactersMax} characters`);
    if (jobOutputType === 'uri_file' && (segments.length === 0 || uri.endsWith('/')))
      throw refuse('it is a uri_file, and its path ends with a folder instead of the name of the file');
  }
  const places = placesOf(outputs, nameToBe);
  for (const [at, [name, place]] of places.entries())
    for (const [other, otherPlace] of places.slice(at + 1))
      if (overlap(place, otherPlace))
        throw jobsFailures.OutputPlaceNotServed(
          other,
          `it would be written over the output '${name}' of the same job; give each a folder of its own, with \${{output_name}} in its path`,
        );
}
