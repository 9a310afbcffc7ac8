// System metrics of a job, switched as MLflow switches its own: by two variables, which its users know. The runner takes the
// samples, so that they are of this job's processes alone; a client of MLflow in the command is told not to take any. Pure.

import type { CommandJob } from '@strongroom/contract/jobs';
import { jobsFailures } from './jobs.errors.ts';

export type SystemMetricsPlan = { readonly url: string; readonly runId: string; readonly intervalSeconds: number };

const enabling = 'MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING';
const interval = 'MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL';
/** MLflow's own. */
const standardSeconds = 10;
const secondsMax = 3600;
const seconds = /^\d{1,4}(\.\d{1,3})?$/;

const isMeant = (value: string): boolean | undefined =>
  ['true', '1'].includes(value.toLowerCase()) ? true : ['false', '0'].includes(value.toLowerCase()) ? false : undefined;

/** Of all that begins so, these two are the user's to set. */
export const isSystemMetricsVariable = (name: string): boolean => name === enabling || name === interval;

/** @throws Failure `invalid` */
export function checkSystemMetrics({ environmentVariables = {} }: Pick<CommandJob, 'environmentVariables'>): void {
  const refuse = (name: string, message: string) =>
    jobsFailures.ValidationError(`environmentVariables.${name}`, message);
  const [switched, every] = [environmentVariables[enabling], environmentVariables[interval]];
  if (switched !== undefined && isMeant(switched) === undefined)
    throw refuse(enabling, `${enabling} is true or false.`);
  if (every !== undefined && !(seconds.test(every) && Number(every) >= 1 && Number(every) <= secondsMax))
    throw refuse(interval, `${interval} is a number of seconds from 1 to ${secondsMax}.`);
}

/** Undefined: none are wanted. */
export function systemMetricsOf(
  { environmentVariables = {} }: Pick<CommandJob, 'environmentVariables'>,
  run: Pick<SystemMetricsPlan, 'url' | 'runId'>,
): SystemMetricsPlan | undefined {
  if (isMeant(environmentVariables[enabling] ?? 'true') !== true) return undefined;
  return { ...run, intervalSeconds: Number(environmentVariables[interval] ?? standardSeconds) };
}

/** What the command is told, whatever was asked for: two that log under the same names would be one line of two things. */
export const systemMetricsInCommand: Readonly<Record<string, string>> = { [enabling]: 'false' };

/** They are of the machine, and nothing that a script has logged. */
export const isSystemMetric = (key: string): boolean => key.startsWith('system/');
