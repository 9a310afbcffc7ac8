// Follows the log of a job: what is there from an offset on, waiting for more if asked to.

import { jobsActions } from '@strongroom/contract/jobs.actions';
import { Type } from '@strongroom/contract/schema';
import type { Grants } from '#kernel/authority/grant';
import { accessed, needs, type Route, route, whole } from '#kernel/http/route';
import { itemId, itemPath, type Resources } from '#resources';
import { type Workspaces, workspaceOf } from '#workspaces';
import { jobsDuties } from './duties.ts';
import { jobType, stateOf } from './job-state.service.ts';
import type { JobLogs } from './log.service.ts';
import { isEnd } from './status.rules.ts';

const waitMs = 25_000;

export function logRoutes(deps: {
  readonly resources: Resources;
  readonly workspaces: Workspaces;
  readonly logs: JobLogs;
  readonly grants: Pick<Grants, 'duty'>;
}): readonly Route[] {
  const { resources, workspaces, logs, grants } = deps;
  return [
    route({
      operation: 'Jobs_GetLog',
      surface: 'arm',
      method: 'GET',
      path: `${itemPath(jobType)}/log`,
      summary: 'What the job has printed from an offset on. With wait=true the answer waits up to 25 seconds for more.',
      access: needs(jobsActions.read, (params) => itemId(jobType, params), whole),
      audit: accessed('jobName'),
      query: Type.Object({
        offset: Type.Optional(Type.String({ pattern: '^[0-9]{1,12}$' })),
        wait: Type.Optional(Type.Union([Type.Literal('true'), Type.Literal('false')])),
      }),
      async handle(grant, { params, query, exchange }) {
        const jobId = itemId(jobType, params);
        const offset = Number(query.offset ?? '0');
        const workspaceId = workspaceOf(jobId) ?? '';
        const showing = grants.duty(jobsDuties.showLog, jobId);
        const answered = new AbortController();
        const until = AbortSignal.any([exchange.signal, AbortSignal.timeout(waitMs), answered.signal]);
        try {
          for (;;) {
            // Registered before looking, so that nothing said in between is missed.
            const changed = logs.changed(params['jobName'] ?? '', until);
            const job = await resources.get(grant, jobId);
            const ended = isEnd(stateOf(job).status);
            const page = await logs.read(
              showing,
              { database: await workspaces.database(grant, workspaceId), workspaceId, runId: job.name, ended },
              offset,
            );
            if (page.bytes.length > 0 || ended || query.wait !== 'true' || until.aborted) {
              return {
                status: 200,
                body: page.bytes,
                contentType: 'text/plain; charset=utf-8',
                headers: {
                  'x-log-offset': String(page.next),
                  'x-log-complete': String(ended && page.bytes.length === 0),
                  'x-job-status': stateOf(job).status,
                },
              };
            }
            await changed;
          }
        } finally {
          // Nobody waits for this request any more.
          answered.abort();
        }
      },
    }),
  ];
}
