// Wire shapes of code, model and environment versions and of snapshots. Source: Azure REST specification, Code, Model and
// Environment versions (2022-05-01 and later). A snapshot is Strongroom's own: a folder by the digest of its content.

import { type Static, Type } from './schema.ts';

const tags = Type.Optional(Type.Record(Type.String({ maxLength: 256 }), Type.String({ maxLength: 1024 })));
const common = {
  description: Type.Optional(Type.String({ maxLength: 4096 })),
  tags,
  properties: tags,
  isArchived: Type.Optional(Type.Boolean()),
};

export const assetContainer = Type.Object(common);

export const codeVersion = Type.Object({
  ...common,
  isAnonymous: Type.Optional(Type.Boolean()),
  codeUri: Type.String({ minLength: 1, maxLength: 2048, description: 'URI of a snapshot of this workspace.' }),
});

export const modelVersion = Type.Object({
  ...common,
  isAnonymous: Type.Optional(Type.Boolean()),
  modelUri: Type.String({
    minLength: 1,
    maxLength: 2048,
    description:
      'A snapshot, or files of a job of this workspace: azureml://jobs/{job}/outputs/artifacts/paths/{path} or runs:/{job}/{path}.',
  }),
  modelType: Type.Optional(
    Type.Union([Type.Literal('custom_model'), Type.Literal('mlflow_model'), Type.Literal('triton_model')]),
  ),
  flavors: Type.Optional(Type.Record(Type.String({ maxLength: 256 }), Type.Unknown())),
  jobName: Type.Optional(Type.String({ maxLength: 256 })),
  stage: Type.Optional(Type.String({ maxLength: 64 })),
});

export const environmentVersion = Type.Object({
  ...common,
  isAnonymous: Type.Optional(Type.Boolean()),
  image: Type.Optional(
    Type.String({
      maxLength: 1024,
      description: "Repository and tag or digest in the workspace's own registry, that images are built upon.",
    }),
  ),
  osType: Type.Optional(Type.Literal('Linux')),
});

export const snapshotAnswer = Type.Object({
  /** `sha256:` and 64 hexadecimal digits over the paths, sizes and digests of the files. */
  snapshotId: Type.String(),
  /** What codeUri and modelUri take. */
  uri: Type.String(),
  files: Type.Integer(),
  bytes: Type.Integer(),
});

export type CodeVersion = Static<typeof codeVersion>;
export type ModelVersion = Static<typeof modelVersion>;
export type EnvironmentVersion = Static<typeof environmentVersion>;
export type SnapshotAnswer = Static<typeof snapshotAnswer>;
