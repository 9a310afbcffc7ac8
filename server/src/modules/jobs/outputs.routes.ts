// The one route by which the run of a job writes its outputs to the places that the job names. On the resource manager's surface, because
// the node holds the token of the run and no other.

import { jobsActions } from '@strongroom/contract/jobs.actions';
import { activity, needs, type Route, route, whole } from '#kernel/http/route';
import { itemId, itemPath } from '#resources';
import { jobType } from './job-state.service.ts';
import { type Outputs, outputBytesMax } from './outputs.service.ts';

export function outputRoutes(outputs: Outputs): readonly Route[] {
  return [
    route({
      operation: 'Jobs_PutOutputFile',
      surface: 'arm',
      method: 'PUT',
      path: `${itemPath(jobType)}/outputs/{output}/files/{path+}`,
      summary:
        'Writes one file of an output to the place that the job names, in the name of who submitted it. For the run itself.',
      access: needs(jobsActions.writeOutputs, (params) => itemId(jobType, params), whole),
      audit: activity('workspaceName', 'jobName', 'output', 'path'),
      body: { kind: 'stream', maxBytes: outputBytesMax },
      async handle(grant, { params, body }) {
        const { output = '', path = '' } = params;
        await outputs.put(grant, itemId(jobType, params), output, path, body);
        return { status: 201 };
      },
    }),
  ];
}
