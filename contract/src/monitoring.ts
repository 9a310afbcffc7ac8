// Wire shapes of monitoring: the insights component of a workspace and the record of one scoring request.

import { type Static, Type } from './schema.ts';

export const insightsProperties = Type.Object({
  Application_Type: Type.Optional(Type.Union([Type.Literal('web'), Type.Literal('other')])),
  RetentionInDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 730 })),
});

/** The article's seven fields, by its names, and what is needed to find the request again. Never a payload. */
export const scoringRecord = Type.Object({
  HTTPMethod: Type.String(),
  UserAgent: Type.String(),
  ComputeType: Type.String(),
  RequestUrl: Type.String(),
  StatusCode: Type.Integer(),
  RequestId: Type.String(),
  /** Milliseconds from the first byte to the last. */
  Duration: Type.Number(),
  Time: Type.String({ description: 'ISO 8601' }),
  Endpoint: Type.String(),
  Deployment: Type.String(),
  AuthType: Type.String(),
  RequestBytes: Type.Integer(),
  ResponseBytes: Type.Integer(),
  /** Status that the model itself answered with, when it was another. */
  ModelStatusCode: Type.Union([Type.Integer(), Type.Null()]),
  ClientRequestId: Type.Union([Type.String(), Type.Null()]),
});
export type ScoringRecord = Static<typeof scoringRecord>;

export const scoringRecordList = Type.Object({ value: Type.Array(scoringRecord) });
