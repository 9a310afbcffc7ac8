// Puts inputs and outputs into a command. Values are quoted for the shell, so that a value is always one word and never a
// command; a placeholder that means nothing is refused before anything is made. Pure.

import type { CommandJob, JobOutput } from '@strongroom/contract/jobs';
import { collectionAndName, fillPlaceholders } from '@strongroom/contract/placeholders';
import { jobsFailures } from './jobs.errors.ts';
import { fileIn, placeOf } from './outputs.rules.ts';

/** One word of a POSIX shell: in single quotes nothing is special but the quote itself. */
export const shellQuote = (value: string): string =>
  /^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;

/**
 * Absolute, like the inputs: a command that changes its folder still finds it. The runner has made it, unless it is a file. What has a
 * place of its own is not among what becomes artifacts, and a file of it is called there what it will be called.
 */
export function outputPath(jobName: string, name: string, output: JobOutput): string {
  const place = placeOf(output, jobName, name);
  if (place === undefined) return `/job/code/outputs/${name}`;
  return place.isFile ? `/job/outputs/${name}/${fileIn(place)}` : `/job/outputs/${name}`;
}

/**
 * @param pathOf where a folder or file input lies inside the sandbox
 * @param outputPathOf where the command writes an output
 * @throws Failure `invalid` for a placeholder that names nothing
 */
export function resolveCommand(
  job: Pick<CommandJob, 'command' | 'inputs' | 'outputs'>,
  pathOf: (input: string) => string,
  outputPathOf: (output: string) => string,
): string {
  const known = [
    ...Object.keys(job.inputs ?? {}).map((name) => `inputs.${name}`),
    ...Object.keys(job.outputs ?? {}).map((name) => `outputs.${name}`),
  ];
  return fillPlaceholders(job.command ?? '', (placeholder) => {
    const { collection, name } = collectionAndName(placeholder);
    const input = collection === 'inputs' && Object.hasOwn(job.inputs ?? {}, name) ? job.inputs?.[name] : undefined;
    if (input) return shellQuote(input.jobInputType === 'literal' ? String(input.value ?? '') : pathOf(name));
    if (collection === 'outputs' && Object.hasOwn(job.outputs ?? {}, name)) return shellQuote(outputPathOf(name));
    throw jobsFailures.UnknownPlaceholder(placeholder, known);
  });
}
