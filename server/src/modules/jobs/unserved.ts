// What Azure's jobs have and ours do not: what would change what a job does is refused by its name, because a job that ran
// without it would count as having done what it says.

import type { CommandJob } from '@strongroom/contract/jobs';
import { Type } from '@strongroom/contract/schema';
import { Failure } from '#kernel/errors/failure';
import type { Unserved } from '#resources';

export const jobTypeNotServed = (type: string): Failure =>
  new Failure({
    kind: 'invalid',
    code: 'JobTypeNotServed',
    target: 'properties.jobType',
    message: `Jobs of type '${type}' are not served here. jobType must be 'Command': submit each step as a command job.`,
  });

export const identityNotServed = (type: string): Failure =>
  new Failure({
    kind: 'invalid',
    code: 'JobIdentityNotServed',
    target: 'properties.identity',
    message: `A job acts here by a token of its own run, with the rights of whoever submitted it in its workspace; it cannot act as '${type}'. Leave identity out, or send the type 'AMLToken'.`,
  });

/** Those that every job shows. azure-ai-ml adds a tenant to the address of one before it sends the job back. */
const toldServices: readonly string[] = ['Tracking', 'Studio'];

/** @throws Failure `invalid` for one that somebody would connect to */
export function refuseServices(services: CommandJob['services']): void {
  const asked = Object.entries(services ?? {}).find(
    ([name, { jobServiceType }]) => !toldServices.includes(name) || (jobServiceType ?? name) !== name,
  );
  if (asked === undefined) return;
  throw new Failure({
    kind: 'invalid',
    code: 'PropertyNotServed',
    target: 'properties.services',
    message:
      'properties.services is not served as asked. Nobody connects to a job while it runs: no notebook, shell or board is opened beside it. Leave services out; its log can be followed, and its metrics and files are in its run.',
  });
}

const bounded = {
  because: 'A job has the limits of its node.',
  instead: 'Leave it out; what a node allows is set where the agent runs.',
};

export const unservedOfJobs: Unserved = {
  refused: {
    componentId: {
      because: 'Components are not served.',
      instead: 'Send the command, the code and the inputs of the job itself.',
    },
    distribution: {
      because: 'A job is one process on one node, so a script that expects others would train on a part of its data.',
      instead: 'Leave distribution out; a script that starts its own workers on one node does so in the command.',
    },
    secretsConfiguration: {
      because: 'No secret is put into a job.',
      instead: 'Leave secretsConfiguration out.',
    },
    notificationSetting: {
      because: 'No mail is sent here.',
      instead: 'Leave notificationSetting out, and ask for the status of the job.',
    },
    autologgerSettings: {
      harmless: [{ mlflowAutologger: 'Disabled' }],
      because: 'Nothing is logged that a script does not log.',
      instead: 'Leave autologgerSettings out, and call mlflow.autolog() in the script.',
    },
    parentJobName: {
      because: 'A job has no child jobs here.',
      instead: 'Leave parentJobName out, and put jobs that belong together into one experiment.',
    },
    'resources.dockerArgs': {
      because: 'A job runs in a sandbox and in no container of Docker.',
      instead: 'Leave dockerArgs out.',
    },
    'resources.dockerArgsList': {
      because: 'A job runs in a sandbox and in no container of Docker.',
      instead: 'Leave dockerArgsList out.',
    },
    'resources.locations': {
      because: 'A job runs where its cluster is.',
      instead: 'Leave locations out, and choose the cluster.',
    },
    'resources.maxInstanceCount': { harmless: [1], ...bounded },
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
      because: 'Jobs of a cluster run in the order in which they were submitted.',
    },
    'resources.shmSize': {
      schema: Type.String({ pattern: '^[0-9]{1,12}[bkmgBKMG]?$' }),
      because:
        'The shared memory of a job is a quarter of the memory for its files, which is set where the agent runs.',
    },
    'resources.instanceType': { because: 'All nodes of a cluster are alike.' },
    'resources.properties': { because: 'Settings of other services; nothing here reads them.' },
  },
  ignored: {
    status: 'Told by the server and not chosen.',
    parameters: 'Told by the server: the values of the inputs.',
  },
};
