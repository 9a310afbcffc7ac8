// Wire shapes of the workspace and its datastores, as `Microsoft.MachineLearningServices` has them (2022-10-01 and later).
// Source: Azure REST specification, Workspace and Datastore; ids are ARM resource ids.

import { type Static, Type } from './schema.ts';

const armId = Type.String({ minLength: 1, maxLength: 2048, description: 'ARM resource id' });

export const workspaceEncryption = Type.Object(
  {
    status: Type.Union([Type.Literal('Enabled'), Type.Literal('Disabled')]),
    keyVaultProperties: Type.Optional(
      Type.Object(
        {
          keyVaultArmId: Type.Optional(armId),
          /** Key URI with its version. */
          keyIdentifier: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);

export const workspaceProperties = Type.Object({
  friendlyName: Type.Optional(Type.String({ maxLength: 256 })),
  description: Type.Optional(Type.String({ maxLength: 4096 })),
  storageAccount: Type.Optional(armId),
  keyVault: Type.Optional(armId),
  containerRegistry: Type.Optional(armId),
  applicationInsights: Type.Optional(armId),
  hbiWorkspace: Type.Optional(Type.Boolean()),
  imageBuildCompute: Type.Optional(
    Type.String({
      pattern: '^[a-zA-Z][a-zA-Z0-9-]{1,31}$',
      description: 'Name of the cluster of this workspace that environments are built on; else on that of the job.',
    }),
  ),
  jobPackageIndex: Type.Optional(
    Type.Union([Type.Literal('Enabled'), Type.Literal('Disabled')], {
      description:
        'Not a property of Azure. Enabled: jobs of this workspace may install packages from the package index of the server, where its operator lets workspaces choose that (environments.indexForJobs). Disabled unless it is said.',
    }),
  ),
  imageRegistries: Type.Optional(
    Type.Array(Type.String({ minLength: 3, maxLength: 300 }), {
      maxItems: 64,
      description:
        'Not a property of Azure. Registries that images of environments may be fetched from, as far as the operator of the server permits them (environments.registries): HOST, HOST/REPOSITORY or HOST/PREFIX/*. None unless it is said.',
    }),
  ),
  /** False: the workspace's identity gets no role at a resource group, and no more than its work needs. */
  allowRoleAssignmentOnRG: Type.Optional(Type.Boolean()),
  encryption: Type.Optional(workspaceEncryption),
});
export type WorkspaceProperties = Static<typeof workspaceProperties>;

export const datastoreProperties = Type.Object({
  datastoreType: Type.Union([Type.Literal('AzureBlob'), Type.Literal('AzureFile')]),
  accountName: Type.String({ pattern: '^[a-z0-9]{3,24}$' }),
  containerName: Type.Optional(Type.String({ pattern: '^[a-z0-9](-?[a-z0-9]){2,62}$' })),
  fileShareName: Type.Optional(Type.String({ pattern: '^[a-z0-9](-?[a-z0-9]){2,62}$' })),
  description: Type.Optional(Type.String({ maxLength: 4096 })),
  credentials: Type.Optional(
    Type.Object(
      { credentialsType: Type.Union([Type.Literal('None'), Type.Literal('Sas')]) },
      { additionalProperties: false },
    ),
  ),
  tags: Type.Optional(Type.Record(Type.String({ maxLength: 256 }), Type.String({ maxLength: 5000 }))),
  properties: Type.Optional(Type.Record(Type.String({ maxLength: 256 }), Type.String({ maxLength: 5000 }))),
});
export type DatastoreProperties = Static<typeof datastoreProperties>;

export const datastoreSecretsQuestion = Type.Object(
  {
    expirableSecret: Type.Optional(Type.Boolean({ description: 'Whatever is asked: every secret expires.' })),
    expireAfterHours: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 8760,
        description: 'At most eight are given; `se` of the answer says when.',
      }),
    ),
  },
  { additionalProperties: false },
);
export type DatastoreSecretsQuestion = Static<typeof datastoreSecretsQuestion>;

export const datastoreSecrets = Type.Object({
  secretsType: Type.Literal('Sas'),
  sasToken: Type.String({ description: 'What follows the `?` of a URL of the container.' }),
});
