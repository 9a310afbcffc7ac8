// What Azure's jobs have and ours do not: what would change what a job does is refused by its name, because a job that ran
// without it would count as having done what it says.

import type { CommandJob } from '@strongroom/contract/jobs';
import { Type } from '@strongroom/contract/schema';
import type { Unserved } from '#resources';
import { jobsFailures } from './jobs.errors.ts';

/** Those that every job shows. azure-ai-ml adds a tenant to the address of one before it sends the job back. */
const toldServices: readonly string[] = ['Tracking', 'Studio'];

/** @throws Failure `invalid` for one that somebody would connect to */
export function refuseServices(services: CommandJob['services']): void {
  const asked = Object.entries(services ?? {}).find(
    ([name, { jobServiceType }]) => !toldServices.includes(name) || (jobServiceType ?? name) !== name,
  );
  if (asked === undefined) return;
  throw jobsFailures.PropertyNotServed();
}

/**
 * azure-ai-ml leaves the compute of such a job out and writes this beside it; others name one called local.
 * @throws Failure `invalid`: it would run on a cluster, and its client would wait to start it
 */
export function refuseLocal(job: Asking & { readonly trial?: Asking }): void {
  const { computeId, resources = {}, trial } = job;
  if (computeId?.toLowerCase() === localCompute || Object.hasOwn(resources.properties ?? {}, 'IsLocal'))
    throw jobsFailures.LocalComputeNotServed();
  if (trial !== undefined) refuseLocal(trial);
}
export const localCompute = 'local';
type Asking = Pick<Partial<CommandJob>, 'computeId' | 'resources'>;

const bounded = {
  because: 'A job has one node.',
  instead: 'Leave maxInstanceCount out, or send 1.',
};

const resources = {
  dockerArgs: {
    because: 'A job runs in a sandbox and in no container of Docker.',
    instead: 'Leave dockerArgs out.',
  },
  dockerArgsList: {
    because: 'A job runs in a sandbox and in no container of Docker.',
    instead: 'Leave dockerArgsList out.',
  },
  locations: {
    because: 'A job runs where its cluster is.',
    instead: 'Leave locations out, and choose the cluster.',
  },
  maxInstanceCount: { harmless: [1], ...bounded },
};
const keptResources = {
  instanceType: { because: 'All nodes of a cluster are alike.' },
  properties: { because: 'Settings of other services; nothing here reads them.' },
};
/** The same of a job's own and of those of a sweep's trials. */
const below = <R>(path: string, rules: Readonly<Record<string, R>>): Readonly<Record<string, R>> =>
  Object.fromEntries(Object.entries(rules).map(([name, rule]) => [`${path}.${name}`, rule]));

export const unservedOfJobs: Unserved = {
  refused: {
    notificationSetting: {
      because: 'No mail is sent here.',
      instead: 'Leave notificationSetting out, and ask for the status of the job.',
    },
    autologgerSettings: {
      harmless: [{ mlflowAutologger: 'Disabled' }],
      because: 'Nothing is logged that a script does not log.',
      instead: 'Leave autologgerSettings out, and call mlflow.autolog() in the script.',
    },
    ...below('resources', resources),
    ...below('trial.resources', resources),
  },
  kept: {
    queueSettings: {
      schema: Type.Object(
        {
          jobTier: Type.Optional(
            Type.Union(['Null', 'Spot', 'Basic', 'Standard', 'Premium'].map((tier) => Type.Literal(tier))),
          ),
          priority: Type.Optional(Type.Union([Type.Integer({ minimum: 0, maximum: 1000 }), Type.Null()])),
        },
        { additionalProperties: false },
      ),
      because: 'Submitters of a cluster take turns, and the jobs of one run in the order in which he submitted them.',
    },
    ...below('resources', keptResources),
    ...below('trial.resources', keptResources),
  },
  ignored: {
    status: 'Told by the server and not chosen.',
    parameters: 'Told by the server: the values of the inputs.',
  },
};
