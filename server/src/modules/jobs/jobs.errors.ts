// What jobs refuse: a job as it was asked for, its run history, and the tokens of runs.

import { defineFailures } from '#kernel/errors/failures';

const at = (target: string, message: string) => ({ target: `properties.${target}`, message });

const mib = (bytes: number) => Math.ceil(bytes / 1024 ** 2);
const fullMib = (bytes: number) => Math.floor(bytes / 1024 ** 2);

function inputsTooLarge(
  bytes: number,
  { inputBytes, kept, keeps }: { readonly inputBytes: number; readonly kept: number; readonly keeps: number },
): string {
  const inMemory = `The inputs of the job have ${mib(bytes)} MiB together, and may have ${fullMib(inputBytes)}: they lie in the memory of its node.`;
  const raise =
    'Name what the job needs of them, or have the operator of a server whose nodes have the memory raise jobs.inputBytes';
  if (keeps === 0)
    return `${inMemory} ${raise}, or have the nodes keep inputs on their disks (agent.inputBytes; the log of the server says why they do not).`;
  return kept > keeps
    ? `${inMemory} ${mib(kept)} MiB of them could be kept on its disk, where a node here has ${fullMib(keeps)} for that. ${raise}, or agent.inputBytes.`
    : `${inMemory} A node here keeps up to ${fullMib(keeps)} MiB more on its disk, of inputs that are large and mounted; of these ${mib(bytes - kept)} MiB are small, downloads, or of a workspace with high business impact. Mount large ones (ro_mount), or have the operator raise jobs.inputBytes.`;
}

export const jobsFailures = defineFailures('jobs', {
  /** The sentence is that of the rule which the job breaks (`jobs.rules.ts`). */
  ValidationError: {
    kind: 'invalid',
    meaning: 'A property of a job has a value that jobs do not take.',
    remedy: 'Correct the property that the answer names as its target.',
    say: at,
  },
  jobTypeNotServed: {
    kind: 'invalid',
    code: 'JobTypeNotServed',
    meaning: 'A job is of a type that is not served.',
    remedy: 'Submit a job of a type that the message names.',
    say: (type: string, served: readonly string[]) =>
      at(
        'jobType',
        `Jobs of type '${type.slice(0, 32)}' are not served here. jobType must be ${served.map((one) => `'${one}'`).join(' or ')}: submit what the job does as a command.`,
      ),
  },
  ParentNotFound: {
    kind: 'invalid',
    meaning: 'A job names a parent that is not there.',
    remedy: 'Name a job of the same workspace, or leave parentJobName out.',
    say: (name: string) => at('parentJobName', `There is no job '${name}' in this workspace that could be the parent.`),
  },
  ParentMakesItsOwn: {
    kind: 'invalid',
    meaning: 'A job was to become a child of one that makes its children by itself.',
    remedy: 'Name a command job as the parent, or leave parentJobName out.',
    say: (name: string, type: string) =>
      at(
        'parentJobName',
        `'${name}' is a job of type ${type}, which makes its children by itself and takes no others. Leave parentJobName out.`,
      ),
  },
  ParentIsChild: {
    kind: 'invalid',
    meaning: 'A job was to become a child of one that is a child itself.',
    remedy: 'Name the parent of both.',
    say: (name: string, parent: string) =>
      at('parentJobName', `'${name}' belongs to '${parent}' itself. Name '${parent}' as the parent.`),
  },
  ParentEnded: {
    kind: 'conflict',
    meaning: 'A job was to become a child of one that has ended or is being canceled.',
    remedy: 'Name a parent that is under way, or leave parentJobName out.',
    say: (name: string) => `The job '${name}' has ended, or is asked to end, and takes no further children.`,
  },
  TooManyChildren: {
    kind: 'conflict',
    meaning: 'A job has as many children as it may have.',
    remedy: 'Submit the job under another parent, or under none.',
    say: (name: string, limit: number) => `The job '${name}' has ${limit} children, and may have no more.`,
  },
  DistributionNotServed: {
    kind: 'invalid',
    meaning: 'A command was to be spread over processes in a way that is not served.',
    remedy: 'Send a distribution that the message names, or none.',
    say: (path: string, type: string, served: readonly string[]) =>
      at(
        path,
        `A distribution of type '${type}' is not served here. Take one of ${served.join(', ')}, or leave ${path} out and start the processes in the command.`,
      ),
  },
  JobIdentityNotServed: {
    kind: 'invalid',
    meaning: 'A job was to act as another identity than that of its own run.',
    remedy: "Leave identity out, or send the type 'AMLToken'.",
    say: (type: string) =>
      at(
        'identity',
        `A job acts here by a token of its own run, with the rights of whoever submitted it in its workspace; it cannot act as '${type}'. Leave identity out, or send the type 'AMLToken'.`,
      ),
  },
  PropertyNotServed: {
    kind: 'invalid',
    meaning: 'A job asks for a service that somebody would connect to while it runs.',
    remedy: 'Leave services out; the log can be followed, and metrics and files are in the run.',
    say: () =>
      at(
        'services',
        'properties.services is not served as asked. Nobody connects to a job while it runs: no notebook, shell or board is opened beside it. Leave services out; its log can be followed, and its metrics and files are in its run.',
      ),
  },
  ModeNotServed: {
    kind: 'invalid',
    meaning: 'An input or output was to come or go in a way that is not served.',
    remedy: 'Leave mode out, or send one of those that the message names.',
    say: (collection: string, name: string, mode: string, served: readonly string[]) =>
      at(
        `${collection}.${name}.mode`,
        `The mode '${mode}' of '${name}' is not served: files are copied into the sandbox before the command and out of it afterwards. Leave mode out, or send ${served.join(' or ')}.`,
      ),
  },
  InputNotServed: {
    kind: 'invalid',
    meaning: 'The uri of an input is not one that a job can read.',
    remedy: 'Send one of the forms that the message lists.',
    say: (name: string, forms: string) =>
      at(`inputs.${name}`, `The uri of input '${name}' is not one that a job can read here. Take ${forms}.`),
  },
  OutputPlaceNotServed: {
    kind: 'invalid',
    meaning: 'An output of a job was to be written where no output can be.',
    remedy: 'Name a folder of a datastore of the workspace, or leave the path out.',
    say: (name: string, why: string) =>
      at(
        `outputs.${name}.uri`,
        `The output '${name}' cannot be written where it is to be: ${why}. Leave its path out, and it is among the artifacts of the job.`,
      ),
  },
  OutputElsewhere: {
    kind: 'forbidden',
    meaning:
      'A file was sent for an output by somebody else than the job itself, or for an output that the job has not.',
    remedy: 'Write to the datastore yourself.',
    say: () => 'Outputs of a job are written by the job itself, while it runs, and where it was told to.',
  },
  OutputWithoutSubmitter: {
    kind: 'invalid',
    meaning: 'An output was to be registered in the name of somebody whom the job does not tell.',
    remedy: 'Register it by its address: azureml://jobs/{job}/outputs/{output}.',
    say: (name: string) =>
      at(
        `outputs.${name}`,
        `The job does not tell in whose name its output '${name}' is registered. Register it yourself.`,
      ),
  },
  AssetVersionExists: {
    kind: 'conflict',
    meaning: 'An output was to become a version of an asset that is there already.',
    remedy: 'Leave assetVersion out, or ask for another.',
    say: (name: string, asset: string, version: string | undefined) =>
      at(
        `outputs.${name}.assetVersion`,
        version === undefined
          ? `Others registered versions of '${asset}' at the same time. Register the output '${name}' yourself.`
          : `There is a version '${version}' of '${asset}' already, and it is not this output. Leave assetVersion of '${name}' out, or ask for another.`,
      ),
  },
  InputOfOtherType: {
    kind: 'invalid',
    meaning: 'An input is said to be of another type than the data asset that it names.',
    remedy: 'Give the input the type of the asset.',
    say: (name: string, wanted: string, dataType: string) =>
      at(
        `inputs.${name}.jobInputType`,
        `The input '${name}' is of type ${wanted}, and what it names is ${dataType}. Give the input that type, or name another asset.`,
      ),
  },
  InputsTooLarge: {
    kind: 'tooLarge',
    meaning: 'The inputs of a job have more bytes together than they may.',
    remedy:
      'Name what the job needs of them, mount large ones (ro_mount) where nodes keep inputs, or have the operator raise jobs.inputBytes, or have nodes keep inputs (agent.inputBytes).',
    say: (bytes: number, of: { readonly inputBytes: number; readonly kept: number; readonly keeps: number }) =>
      at('inputs', inputsTooLarge(bytes, of)),
  },
  InputIsFolder: {
    kind: 'invalid',
    meaning: 'An input of type uri_file names a folder of several files.',
    remedy: 'Name the one file, or make the input a uri_folder.',
    say: (name: string, files: number) =>
      at(
        `inputs.${name}.uri`,
        `The input '${name}' is a uri_file, and there are ${files} files at its uri. Name the one file, or make the input a uri_folder.`,
      ),
  },
  InputIsNoTable: {
    kind: 'invalid',
    meaning: 'An input of type mltable names a folder without a file MLTable.',
    remedy: 'Put the file into the folder, or make the input a uri_folder.',
    say: (name: string) =>
      at(
        `inputs.${name}.uri`,
        `The input '${name}' is an mltable, and the folder at its uri has no file MLTable. Put one there, or make the input a uri_folder.`,
      ),
  },
  UnknownPlaceholder: {
    kind: 'invalid',
    meaning: 'The command holds a placeholder that names neither an input nor an output.',
    remedy: 'Name one of those that the job has.',
    say: (placeholder: string, known: readonly string[]) =>
      at(
        'command',
        `The command holds \${{${placeholder.slice(0, 100)}}}, which names neither an input nor an output of the job. ${known.length > 0 ? `It has ${known.join(', ')}.` : 'It has none.'}`,
      ),
  },
  InvalidResourceId: {
    kind: 'invalid',
    meaning: "A job names something by an id that is not of its own workspace's.",
    remedy: 'Send a resource id of this workspace.',
    say: (property: string, workspaceId: string, type: string) =>
      at(
        property,
        `properties.${property} must be the id of one of this workspace's ${type}: ${workspaceId}/${type}/…`,
      ),
  },
  NoServerlessCompute: {
    kind: 'invalid',
    meaning: 'A job named no compute, and the workspace has no cluster called serverless.',
    remedy: 'Name a cluster, or have somebody who may make one that is called serverless.',
    say: () =>
      at(
        'computeId',
        "The job names no compute, and this workspace has no cluster called 'serverless', which such jobs run on. Name a cluster (in YAML compute: azureml:NAME), or make that one: strongroom compute create serverless --max-instances 2.",
      ),
  },
  LocalComputeNotServed: {
    kind: 'invalid',
    meaning: 'A job is to run on the machine of whoever submits it (compute: local).',
    remedy: 'Name a cluster, or run the script yourself and let MLflow record it here.',
    say: () =>
      at(
        'computeId',
        "The compute 'local' is the machine of the client that submits the job, and nothing here starts jobs there. Run the script there yourself and let MLflow record it here (MLFLOW_TRACKING_URI: mlFlowTrackingUri of the workspace); or name a cluster (in YAML compute: azureml:NAME), or leave compute out.",
      ),
  },
  ComputeNotFound: {
    kind: 'invalid',
    meaning: 'A job names a cluster that is not in its workspace.',
    remedy: 'Create it first.',
    say: (name: string) => at('computeId', `There is no compute '${name}' in this workspace. Create it first.`),
  },
  JobExists: {
    kind: 'conflict',
    meaning: 'What a job was submitted with was to change.',
    remedy: 'Submit another job under another name.',
    say: (name: string, changed: string) =>
      at(changed, `The job '${name}' exists and its ${changed} cannot change. Submit another job under another name.`),
  },
  JobNameUsed: {
    kind: 'conflict',
    meaning: 'There is a run of this name that is of another job.',
    remedy: 'Choose another name.',
    say: (name: string) => ({
      target: 'name',
      message: `The name '${name}' was used before: the run of that name stays in the record with its metrics and artifacts. Choose another name.`,
    }),
  },
  JobActive: {
    kind: 'conflict',
    meaning: 'A job that is not over was to be deleted.',
    remedy: 'Cancel it and wait until it has ended, then delete it.',
    say: (status: string) => `The job is ${status}. Cancel it and wait until it has ended, then delete it.`,
  },
  SecretNotGiven: {
    kind: 'forbidden',
    meaning:
      'A secret that the command was to get could not be read when a node took the job; the command did not begin.',
    remedy: 'Look at what the message says of the secret and of the submitter at it, and submit the job again.',
    say: (variable: string, why: string) =>
      `The command was to get a secret in ${variable}, which could not be read in the name of who submitted the job. The command did not begin. ${why}`,
  },
  JobEnded: { kind: 'conflict', say: 'The job has ended, or other work stands for it now.' },
  RunEnded: {
    kind: 'unauthenticated',
    say: 'This token belongs to a job that has ended. Sign in to read or change its run.',
  },
  SubmitterDisabled: {
    kind: 'unauthenticated',
    say: 'Who submitted this job was disabled or removed, and what he submitted ends with him.',
  },
  HistoryParameter: {
    kind: 'invalid',
    code: 'InvalidQueryParameterValue',
    meaning: 'The children of a job were asked for with a parameter that the list does not read.',
    remedy: 'Leave it out; search the runs of the experiment for what is to be filtered.',
    say: (name: string) =>
      `This list does not take '${name.slice(0, 100)}' here. Leave it out; it takes $top. Runs are filtered and ordered by a search of MLflow.`,
  },
  NoServices: {
    kind: 'notFound',
    code: 'NotFound',
    meaning: 'The services of a job were asked for, and none is opened beside a job.',
    remedy: 'Follow its log; its metrics and files are in its run.',
    say: 'Nobody connects to a job while it runs: it has no services. Its log can be followed, and its metrics and files are in its run.',
  },
  RunsNotChanged: {
    kind: 'notFound',
    code: 'NotFound',
    meaning: 'A job was to be changed through run history.',
    remedy: 'Change the job itself: read it, change it and send it back, or change its run with MLflow.',
    say: 'A job is not changed through run history, and nothing was done. Read the job, change its display name, description, tags or properties, and send it back (jobs.get and jobs.create_or_update).',
  },
  FileNotFound: {
    kind: 'notFound',
    meaning: 'Another file than the log was asked for where logs are.',
    remedy: 'Ask for the artifacts of the run.',
    say: (log: string) => `The log of a job is ${log}; its other files are artifacts of its run.`,
  },
  InternalError: { kind: 'internal', say: 'A job stands outside any workspace.' },
});
