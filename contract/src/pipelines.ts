// Wire shapes of pipeline jobs: steps by name, and what is wired between them. Source: Azure REST specification, PipelineJob
// (2023-04-01 and later), which leaves the steps open; what clients write there is read by the server, part by part.

import { commonToJobs } from './jobs.ts';
import { type Static, Type } from './schema.ts';

const open = Type.Record(Type.String({ maxLength: 256 }), Type.Unknown());

export const pipelineJob = Type.Object({
  jobType: Type.Literal('Pipeline'),
  ...commonToJobs,
  /** By name: what it runs (componentId, or a command of its own), on what, with what and to where. */
  jobs: Type.Optional(Type.Record(Type.String({ maxLength: 256 }), open)),
  /** A component of the type pipeline, which says the steps instead. */
  componentId: Type.Optional(Type.String({ maxLength: 2048 })),
  /** default_compute, default_datastore, continue_on_step_failure, force_rerun. */
  settings: Type.Optional(open),
});
export type PipelineJob = Static<typeof pipelineJob>;
