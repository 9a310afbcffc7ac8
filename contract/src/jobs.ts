// Wire shapes of command jobs. Source: Azure REST specification, CommandJob (2022-10-01 and later). What becomes of the rest that
// Azure has, the kind says.

import { type Static, Type } from './schema.ts';

const text = (maxLength: number) => Type.String({ maxLength });
const tags = Type.Record(text(256), text(1024));

/** In the order in which a job passes through them; it may leave some out. */
export const jobSteps = [
  'NotStarted',
  'Starting',
  'Provisioning',
  'Preparing',
  'Queued',
  'Running',
  'Finalizing',
] as const;
export const jobEnds = ['Completed', 'Failed', 'Canceled'] as const;
export type JobEnd = (typeof jobEnds)[number];
export const jobStatuses = [...jobSteps, 'CancelRequested', 'NotResponding', ...jobEnds] as const;
export type JobStatus = (typeof jobStatuses)[number];

export const jobInput = Type.Object(
  {
    jobInputType: Type.Union([
      Type.Literal('literal'),
      Type.Literal('uri_file'),
      Type.Literal('uri_folder'),
      Type.Literal('mltable'),
      Type.Literal('custom_model'),
      Type.Literal('mlflow_model'),
      Type.Literal('triton_model'),
    ]),
    value: Type.Optional(Type.Union([text(8192), Type.Number(), Type.Boolean()])),
    uri: Type.Optional(text(2048)),
    mode: Type.Optional(text(32)),
    description: Type.Optional(Type.Union([text(4096), Type.Null()])),
  },
  { additionalProperties: false },
);
export type JobInput = Static<typeof jobInput>;

/** Names and versions of data assets and models. */
export const assetLabel = '^[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}$';

export const jobOutput = Type.Object(
  {
    jobOutputType: Type.Union([
      Type.Literal('uri_folder'),
      Type.Literal('uri_file'),
      Type.Literal('mltable'),
      Type.Literal('custom_model'),
      Type.Literal('mlflow_model'),
      Type.Literal('triton_model'),
    ]),
    /** The name of the data asset or model that it becomes when the job has completed. */
    assetName: Type.Optional(Type.String({ pattern: assetLabel })),
    /** The next number when it is absent; told once there is one. */
    assetVersion: Type.Optional(Type.String({ pattern: assetLabel })),
    /**
     * A place of its own in a datastore of the workspace: azureml://datastores/{datastore}/paths/{path}, with ${{name}}, ${{output_name}}
     * and ${{default_datastore}}. Without one it is among the artifacts of the job. Told as it is, without placeholders.
     */
    uri: Type.Optional(text(2048)),
    mode: Type.Optional(text(32)),
    description: Type.Optional(Type.Union([text(4096), Type.Null()])),
  },
  { additionalProperties: false },
);

/** A secret of a vault that a command gets in its environment: its address, or its name in the vault of the workspace. */
const secretConfiguration = Type.Object(
  {
    uri: Type.Optional(Type.Union([Type.Null(), text(1024)])),
    workspaceSecretName: Type.Optional(Type.Union([Type.Null(), text(127)])),
  },
  { additionalProperties: false },
);
/** By the name of the variable. Source: Azure REST specification, SecretConfiguration (2023-08-01-preview and later). */
export const secretsConfiguration = Type.Optional(
  Type.Union([Type.Null(), Type.Record(text(256), secretConfiguration)]),
);

/** What jobs of every type have. */
export const commonToJobs = {
  displayName: Type.Optional(text(256)),
  description: Type.Optional(text(4096)),
  experimentName: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  tags: Type.Optional(tags),
  properties: Type.Optional(tags),
  isArchived: Type.Optional(Type.Boolean()),
  computeId: Type.Optional(text(2048)),
  /** The job that this one belongs to: it is listed below it, and ends with a cancellation of it. */
  parentJobName: Type.Optional(Type.String({ pattern: '^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$' })),
  inputs: Type.Optional(Type.Record(text(256), jobInput)),
  outputs: Type.Optional(Type.Record(text(256), jobOutput)),
  /** Told by the server. What a client has read it may send back, with what it has added to an address; no other is taken. */
  services: Type.Optional(
    Type.Union([
      Type.Null(),
      Type.Record(
        text(256),
        Type.Object({
          jobServiceType: Type.Optional(Type.Union([Type.Null(), text(64)])),
          endpoint: Type.Optional(Type.Union([Type.Null(), text(4096)])),
          status: Type.Optional(Type.Union([Type.Null(), text(64)])),
          port: Type.Optional(Type.Union([Type.Null(), Type.Integer()])),
          // What Azure's has besides: known, so that a service that is asked for is refused as one.
          errorMessage: Type.Optional(Type.Unknown()),
          nodes: Type.Optional(Type.Unknown()),
          properties: Type.Optional(Type.Unknown()),
        }),
      ),
    ]),
  ),
  identity: Type.Optional(Type.Union([Type.Null(), Type.Object({ identityType: Type.Literal('AMLToken') })])),
};

export const jobResources = Type.Object({
  instanceCount: Type.Optional(Type.Integer()),
  instanceType: Type.Optional(text(128)),
  /** Of /dev/shm, as Docker writes it: `2g`. */
  shmSize: Type.Optional(text(32)),
  properties: Type.Optional(Type.Record(text(256), Type.Unknown())),
});

const count = Type.Optional(Type.Union([Type.Null(), Type.Integer({ minimum: 0, maximum: 1_000_000 })]));
export const distributionTypes = ['PyTorch', 'Mpi', 'TensorFlow'] as const;
/** How a command is several processes. What of it one node can do, the server says. Source: DistributionConfiguration. */
export const jobDistribution = Type.Union([
  Type.Null(),
  Type.Object(
    { distributionType: Type.Literal('PyTorch'), processCountPerInstance: count },
    { additionalProperties: false },
  ),
  Type.Object(
    { distributionType: Type.Literal('Mpi'), processCountPerInstance: count },
    { additionalProperties: false },
  ),
  Type.Object(
    { distributionType: Type.Literal('TensorFlow'), workerCount: count, parameterServerCount: count },
    { additionalProperties: false },
  ),
]);

/** What a command runs on and with: of a command job, and of each trial of a sweep. */
export const commandContent = {
  codeId: Type.Optional(text(2048)),
  environmentId: Type.Optional(text(2048)),
  command: Type.Optional(text(32_768)),
  environmentVariables: Type.Optional(Type.Record(text(256), text(8192))),
  distribution: Type.Optional(jobDistribution),
  resources: Type.Optional(jobResources),
};

export type JobOutput = Static<typeof jobOutput>;

export const commandJob = Type.Object({
  jobType: Type.Literal('Command'),
  ...commonToJobs,
  ...commandContent,
  secretsConfiguration,
  /** What says the command, the code and the environment instead. */
  componentId: Type.Optional(text(2048)),
  limits: Type.Optional(
    Type.Object({ jobLimitsType: Type.Optional(Type.Literal('Command')), timeout: Type.Optional(text(32)) }),
  ),
});
export type CommandJob = Static<typeof commandJob>;
