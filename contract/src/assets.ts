// Wire shapes of code, model and environment versions and of snapshots. Source: Azure REST specification, Code, Model and
// Environment versions (2022-05-01 and later). A snapshot is Strongroom's own: a folder by the digest of its content.

import { Type } from './schema.ts';

/** As long as MLflow's registry lets them be, whose models and versions are these. */
const textMax = 100_000;
const tags = Type.Optional(Type.Record(Type.String({ maxLength: 256 }), Type.String({ maxLength: textMax })));
/** Text by Azure's specification; its own Python SDK sends a number among them. Kept and answered as text. */
const properties = Type.Optional(
  Type.Record(
    Type.String({ maxLength: 256 }),
    Type.Union([Type.String({ maxLength: 1024 }), Type.Number(), Type.Boolean()]),
  ),
);
const common = {
  description: Type.Optional(Type.String({ maxLength: textMax })),
  tags,
  properties,
  isArchived: Type.Optional(Type.Boolean()),
};

export const assetContainer = Type.Object(common);

const dataType = Type.Union([Type.Literal('uri_file'), Type.Literal('uri_folder'), Type.Literal('mltable')]);

export const dataContainer = Type.Object({ ...common, dataType: Type.Optional(dataType) });

export const dataVersion = Type.Object({
  ...common,
  isAnonymous: Type.Optional(Type.Boolean()),
  dataType,
  dataUri: Type.String({
    minLength: 1,
    maxLength: 2048,
    description:
      'Where the data lie in this workspace: azureml://datastores/{datastore}/paths/{path} of a datastore, files of a job (azureml://jobs/{job}/outputs/{output}/paths/{path}, runs:/{job}/{path}), or a snapshot. Nothing is copied, and nothing is looked up before a job uses it.',
  }),
  /** Of an mltable: what its file refers to, as the client found it there. */
  referencedUris: Type.Optional(Type.Array(Type.String({ maxLength: 2048 }), { maxItems: 1000 })),
  stage: Type.Optional(Type.String({ maxLength: 64 })),
});

/** A step that is described once and used in many pipelines. Read by the server, which says what is wrong with a part of it. */
export const componentVersion = Type.Object({
  ...common,
  isAnonymous: Type.Optional(Type.Boolean()),
  componentSpec: Type.Record(Type.String({ maxLength: 256 }), Type.Unknown(), {
    description:
      "What azure-ai-ml writes of a component of the type command, parallel or pipeline: type, inputs and outputs with their types, defaults and optional; command, code and environment ('$[[ … ]]' around what an optional input needs), or task and its settings, or jobs.",
  }),
  stage: Type.Optional(Type.String({ maxLength: 64 })),
});

export const codeVersion = Type.Object({
  ...common,
  isAnonymous: Type.Optional(Type.Boolean()),
  codeUri: Type.String({
    minLength: 1,
    maxLength: 2048,
    description:
      'URI of a snapshot of this workspace, or a folder of the pending upload that was begun for this very version.',
  }),
});

export const modelVersion = Type.Object({
  ...common,
  isAnonymous: Type.Optional(Type.Boolean()),
  modelUri: Type.String({
    minLength: 1,
    maxLength: 2048,
    description:
      'A snapshot; files of a job of this workspace: azureml://jobs/{job}/outputs/artifacts/paths/{path} or runs:/{job}/{path}; or of a datastore: azureml://datastores/{datastore}/paths/{path}.',
  }),
  modelType: Type.Optional(
    Type.Union([Type.Literal('custom_model'), Type.Literal('mlflow_model'), Type.Literal('triton_model')]),
  ),
  flavors: Type.Optional(Type.Record(Type.String({ maxLength: 256 }), Type.Unknown())),
  jobName: Type.Optional(Type.String({ maxLength: 256 })),
  stage: Type.Optional(Type.String({ maxLength: 64 })),
});

/**
 * The image of an environment that has none: the node's own Python, with the wheels that a folder brings. Clients such as
 * azure-ai-ml submit nothing without an environment, and make none without an image; with this one they say what they get.
 */
export const nodePython = 'strongroom/node-python';

const probeRoute = Type.Optional(
  Type.Object({ path: Type.String({ maxLength: 1024 }), port: Type.Integer({ minimum: 0, maximum: 65_535 }) }),
);

export const environmentVersion = Type.Object({
  ...common,
  isAnonymous: Type.Optional(Type.Boolean()),
  image: Type.Optional(
    Type.String({
      maxLength: 1024,
      description:
        "Repository and tag or digest in the workspace's own registry, that images are built upon; or strongroom/node-python: no image, the node's own Python.",
    }),
  ),
  osType: Type.Optional(Type.Literal('Linux')),
  /** The packages that are put on Python; or a list of requirements. */
  condaFile: Type.Optional(Type.String({ maxLength: 65_536 })),
  /** Kept and answered; what uses an environment with a context or with routes of its own is refused. */
  build: Type.Optional(
    Type.Object(
      {
        contextUri: Type.String({ minLength: 1, maxLength: 2048 }),
        dockerfilePath: Type.Optional(Type.String({ maxLength: 1024 })),
      },
      { additionalProperties: false },
    ),
  ),
  inferenceConfig: Type.Optional(
    Type.Object({ livenessRoute: probeRoute, readinessRoute: probeRoute, scoringRoute: probeRoute }),
  ),
});

/** Versions that the nodes have (`3.11`), and the release of each (`3.11.2`). */
export const pythonList = Type.Object({
  value: Type.Array(Type.Object({ version: Type.String(), release: Type.String() })),
});

export const snapshotAnswer = Type.Object({
  /** `sha256:` and 64 hexadecimal digits over the paths, sizes and digests of the files. */
  snapshotId: Type.String(),
  /** What codeUri and modelUri take. */
  uri: Type.String(),
  files: Type.Integer(),
  bytes: Type.Integer(),
});

/** Where a client that was written against shared access signatures sends the files of a code version. */
export const pendingUploadRequest = Type.Object({
  pendingUploadType: Type.Optional(Type.Literal('TemporaryBlobReference')),
});
export const pendingUploadAnswer = Type.Object({
  pendingUploadId: Type.String(),
  pendingUploadType: Type.Literal('TemporaryBlobReference'),
  blobReferenceForConsumption: Type.Object({
    /** The container, without the signature; what codeUri begins with. */
    blobUri: Type.String(),
    storageAccountArmId: Type.String(),
    credential: Type.Object({ credentialType: Type.Literal('SAS'), sasUri: Type.String() }),
  }),
});
