// Puts inputs and outputs into a command. Values are quoted for the shell, so that a value is always one word and never a
// command; a placeholder that means nothing is refused before anything is made. Pure.

import type { CommandJob } from '@strongroom/contract/jobs';
import { collectionAndName, fillPlaceholders } from '@strongroom/contract/placeholders';
import { jobsFailures } from './jobs.errors.ts';

/** One word of a POSIX shell: in single quotes nothing is special but the quote itself. */
export const shellQuote = (value: string): string =>
  /^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;

/** Absolute, like the inputs: a command that changes its folder still finds it. The runner has made it, unless it is a file. */
export const outputPlace = (name: string): string => `/job/code/outputs/${name}`;

/**
 * @param pathOf where a folder or file input lies inside the sandbox
 * @throws Failure `invalid` for a placeholder that names nothing
 */
export function resolveCommand(
  job: Pick<CommandJob, 'command' | 'inputs' | 'outputs'>,
  pathOf: (input: string) => string,
): string {
  const known = [
    ...Object.keys(job.inputs ?? {}).map((name) => `inputs.${name}`),
    ...Object.keys(job.outputs ?? {}).map((name) => `outputs.${name}`),
  ];
  return fillPlaceholders(job.command ?? '', (placeholder) => {
    const { collection, name } = collectionAndName(placeholder);
    const input = collection === 'inputs' && Object.hasOwn(job.inputs ?? {}, name) ? job.inputs?.[name] : undefined;
    if (input) return shellQuote(input.jobInputType === 'literal' ? String(input.value ?? '') : pathOf(name));
    if (collection === 'outputs' && Object.hasOwn(job.outputs ?? {}, name)) return shellQuote(outputPlace(name));
    throw jobsFailures.UnknownPlaceholder(placeholder, known);
  });
}
