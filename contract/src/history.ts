// Wire shapes of the run history service, as far as Azure's Python SDK reads them to follow and fetch a job. Source: the
// public clients of run history 1.0.

import { Type } from './schema.ts';

const time = Type.Union([Type.String(), Type.Null()]);

export const runHistoryRun = Type.Object({
  runId: Type.String(),
  /** The one that nothing is above of, and the one that it belongs to. */
  rootRunId: Type.String(),
  parentRunId: Type.Union([Type.String(), Type.Null()]),
  status: Type.String(),
  displayName: Type.String(),
  target: Type.Union([Type.String(), Type.Null()]),
  createdUtc: time,
  startTimeUtc: time,
  endTimeUtc: time,
  error: Type.Union([
    Type.Object({ error: Type.Object({ code: Type.String(), message: Type.String() }) }),
    Type.Null(),
  ]),
  tags: Type.Record(Type.String(), Type.String()),
  properties: Type.Record(Type.String(), Type.String()),
  inputs: Type.Object({}),
  /** By name, an id that says where an output is. */
  outputs: Type.Record(Type.String(), Type.Object({ assetId: Type.String(), type: Type.String() })),
});

export const resolvedUrisQuestion = Type.Object({
  values: Type.Array(Type.String({ maxLength: 1024 }), { maxItems: 200 }),
});
export const resolvedUris = Type.Object({
  values: Type.Record(Type.String(), Type.Object({ uri: Type.String(), type: Type.String() })),
});

export const runHistoryDetails = Type.Intersect([
  runHistoryRun,
  Type.Object({
    warnings: Type.Array(Type.Object({ message: Type.String() })),
    /** By name, an address that opens it for a while. */
    logFiles: Type.Record(Type.String(), Type.String()),
  }),
]);

export const runHistoryPage = Type.Object({ value: Type.Array(runHistoryRun) });

export const runHistoryQuestion = Type.Object({ runId: Type.String({ pattern: '^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$' }) });
export const runHistoryData = Type.Object({ runMetadata: runHistoryRun });

export const discovered = Type.Object({
  /** Where every service of a workspace is. */
  api: Type.String(),
  history: Type.String(),
});
