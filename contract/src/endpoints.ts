// Wire shapes of online endpoints and their deployments. Source: Azure REST specification, OnlineEndpoint and
// ManagedOnlineDeployment (2022-10-01 and later). What becomes of the rest that Azure has, the kinds say.

import { type Static, Type } from './schema.ts';

const text = (maxLength: number) => Type.String({ maxLength });
const labels = Type.Optional(Type.Union([Type.Null(), Type.Record(text(256), text(2048))]));
const description = Type.Optional(Type.Union([Type.Null(), text(4096)]));
const duration = Type.Optional(text(32));

export const endpointKeys = Type.Object(
  { primaryKey: Type.Optional(text(256)), secondaryKey: Type.Optional(text(256)) },
  { additionalProperties: false },
);
export type EndpointKeys = Static<typeof endpointKeys>;

export const onlineEndpoint = Type.Object({
  authMode: text(32),
  description,
  properties: labels,
  /** Write-only, and only when the endpoint is created. */
  keys: Type.Optional(Type.Union([Type.Null(), endpointKeys])),
  /** Share of the requests by deployment, in per cent. */
  traffic: Type.Optional(Type.Union([Type.Null(), Type.Record(text(64), Type.Integer({ minimum: 0, maximum: 100 }))])),
});
export type OnlineEndpoint = Static<typeof onlineEndpoint>;

export const onlineDeployment = Type.Object({
  endpointComputeType: text(32),
  description,
  properties: labels,
  /** Id of a model version, or `azureml:name:version`. */
  model: text(2048),
  codeConfiguration: Type.Optional(
    Type.Union([
      Type.Null(),
      Type.Object({ codeId: Type.Optional(text(2048)), scoringScript: text(1024) }, { additionalProperties: false }),
    ]),
  ),
  environmentId: Type.Optional(Type.Union([Type.Null(), text(2048)])),
  environmentVariables: Type.Optional(Type.Union([Type.Null(), Type.Record(text(256), text(8192))])),
  instanceType: Type.Optional(Type.Union([Type.Null(), text(64)])),
  scaleSettings: Type.Optional(
    Type.Union([Type.Null(), Type.Object({ scaleType: text(32) }, { additionalProperties: false })]),
  ),
  requestSettings: Type.Optional(
    Type.Union([
      Type.Null(),
      Type.Object(
        {
          maxConcurrentRequestsPerInstance: Type.Optional(Type.Integer({ minimum: 1, maximum: 64 })),
          requestTimeout: duration,
          maxQueueWait: duration,
        },
        { additionalProperties: false },
      ),
    ]),
  ),
});
export type OnlineDeployment = Static<typeof onlineDeployment>;

export const deploymentSku = Type.Object(
  {
    name: text(64),
    tier: Type.Optional(Type.Union([Type.Null(), text(32)])),
    family: Type.Optional(Type.Union([Type.Null(), text(32)])),
    size: Type.Optional(Type.Union([Type.Null(), text(32)])),
    /** Scoring processes that share the requests. */
    capacity: Type.Optional(Type.Integer({ minimum: 1, maximum: 10 })),
  },
  { additionalProperties: false },
);

export const regenerateKeysRequest = Type.Object(
  {
    keyType: Type.Union([Type.Literal('Primary'), Type.Literal('Secondary')]),
    keyValue: Type.Optional(Type.Union([Type.Null(), text(256)])),
  },
  { additionalProperties: false },
);
export type RegenerateKeysRequest = Static<typeof regenerateKeysRequest>;

export const listKeysAnswer = Type.Object({ primaryKey: Type.String(), secondaryKey: Type.String() });

export const getLogsRequest = Type.Object(
  {
    containerType: Type.Optional(Type.Union([Type.Literal('InferenceServer'), Type.Literal('StorageInitializer')])),
    tail: Type.Optional(Type.Union([Type.Null(), Type.Integer({ minimum: 0, maximum: 100_000 })])),
  },
  { additionalProperties: false },
);
export type GetLogsRequest = Static<typeof getLogsRequest>;
export const getLogsAnswer = Type.Object({ content: Type.String() });
