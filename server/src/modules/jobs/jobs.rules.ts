// What a job must be before anything is made of it. Pure: what needs a look elsewhere is in jobs.kind.ts.

import { readDurationSeconds } from '@strongroom/contract/duration';
import type { CommandJob } from '@strongroom/contract/jobs';
import { resolveCommand } from './command.rules.ts';
import { spreadOf } from './distribution.rules.ts';
import { jobsFailures } from './jobs.errors.ts';
import { sharedBytesOf } from './limits.rules.ts';
import { secretsIn } from './secrets.rules.ts';
import { checkSystemMetrics, isSystemMetricsVariable } from './system-metrics.rules.ts';

export const defaultTimeoutSeconds = 86_400;
const maxTimeoutSeconds = 7 * 86_400;
const maxVariables = 100;
const maxNamed = 100;
/** Of Azure's ways for files to come and go, those that mean here what they say. */
const modes: Readonly<Record<'inputs' | 'outputs', readonly string[]>> = {
  inputs: ['ReadOnlyMount', 'Download', 'Direct'],
  outputs: ['ReadWriteMount', 'Upload'],
};

const refuse = jobsFailures.ValidationError;

export function timeoutSecondsOf(job: Pick<CommandJob, 'limits'>): number {
  const { timeout } = job.limits ?? {};
  if (timeout === undefined) return defaultTimeoutSeconds;
  const seconds = readDurationSeconds(timeout);
  if (seconds === undefined || seconds < 1 || seconds > maxTimeoutSeconds) {
    throw refuse(
      'limits.timeout',
      'limits.timeout is an ISO 8601 duration of one second to seven days, for example PT10M.',
    );
  }
  return seconds;
}

/** Whether a command installs packages, as far as it is written in the command itself. Only for what is told. */
export const callsPip = (command = ''): boolean =>
  /(^|[\s;&|(])(pip3?|python[\d.]*\s+-m\s+pip)\s+(install|download)\b/.test(command);

export function checkJob(job: CommandJob): void {
  if (job.command === undefined || job.command.trim() === '')
    throw refuse('command', 'A command job needs properties.command: what to run, for example "python3 train.py".');
  if (job.command.includes('\0')) throw refuse('command', 'The command holds a NUL character.');
  if ((job.resources?.instanceCount ?? 1) !== 1)
    throw refuse(
      'resources.instanceCount',
      'Jobs run on one node: resources.instanceCount must be 1. Several processes on that node are asked for by distribution.',
    );
  timeoutSecondsOf(job);
  spreadOf(job);
  sharedBytesOf(job);
  checkVariables(job.environmentVariables ?? {});
  checkSystemMetrics(job);
  for (const { property, name } of secretsIn(job)) checkVariableName(property, name);
  for (const collection of ['inputs', 'outputs'] as const) {
    const names = Object.keys(job[collection] ?? {});
    if (names.length > maxNamed) throw refuse(collection, `A job has at most ${maxNamed} ${collection}.`);
    for (const name of names) {
      if (!/^[A-Za-z_][A-Za-z0-9_-]{0,254}$/.test(name))
        throw refuse(
          collection,
          `'${name.slice(0, 100)}' is no name of an input or output: it begins with a letter and has letters, digits, hyphens and underscores.`,
        );
    }
  }
  // The command gets a path in the sandbox, whatever brings the files there; what asks for something else is refused.
  for (const collection of ['inputs', 'outputs'] as const)
    for (const [name, { mode }] of Object.entries(job[collection] ?? {}))
      if (mode !== undefined && !modes[collection].includes(mode))
        throw jobsFailures.ModeNotServed(collection, name, mode, modes[collection]);
  for (const name of Object.keys(job.outputs ?? {}))
    if (['artifacts', 'default'].includes(name))
      throw refuse(`outputs.${name}`, `'${name}' is the name of all that a job leaves. Give the output another name.`);
  for (const [name, input] of Object.entries(job.inputs ?? {})) {
    if (input.jobInputType === 'literal') {
      if (input.value === undefined) throw refuse(`inputs.${name}`, `The literal input '${name}' has no value.`);
      if (String(input.value).includes('\0'))
        throw refuse(`inputs.${name}`, `The value of input '${name}' holds a NUL character.`);
    } else if (input.uri === undefined) {
      throw refuse(
        `inputs.${name}`,
        `The input '${name}' of type ${input.jobInputType} has no uri. (The JavaScript package @azure/arm-machinelearning 2.1.1 drops it when it writes a job; send the job with a generic PUT, or with the command line.)`,
      );
    }
  }
  const asItIs = (name: string) => name;
  resolveCommand(job, asItIs, asItIs);
}

/** Names that a shell knows. That no value is a credential, the resource manager sees to. */
function checkVariables(variables: Readonly<Record<string, string>>): void {
  const entries = Object.entries(variables);
  if (entries.length > maxVariables)
    throw refuse('environmentVariables', `At most ${maxVariables} environment variables.`);
  for (const [name, value] of entries) {
    if (!isSystemMetricsVariable(name)) checkVariableName('environmentVariables', name);
    if (value.includes('\0'))
      throw refuse(`environmentVariables.${name}`, `The value of ${name} holds a NUL character.`);
  }
}

function checkVariableName(property: string, name: string): void {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,254}$/.test(name))
    throw refuse(property, `'${name.slice(0, 100)}' is no name of an environment variable.`);
  // What public scripts of parallel steps call their own is never the service's.
  if (/^(AZUREML_(?!PARALLEL_)|MLFLOW_|STRONGROOM_)/i.test(name))
    throw refuse(`${property}.${name}`, `${name} is set by the service; choose another name.`);
}
