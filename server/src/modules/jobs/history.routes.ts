// Follows and describes jobs in the words of run history. Reads what jobs keep and keeps nothing of its own.

import { Readable } from 'node:stream';
import {
  discovered,
  resolvedUris,
  resolvedUrisQuestion,
  runHistoryData,
  runHistoryDetails,
  runHistoryPage,
  runHistoryQuestion,
} from '@strongroom/contract/history';
import { jobsActions } from '@strongroom/contract/jobs.actions';
import { Type } from '@strongroom/contract/schema';
import { isBounded } from '#kernel/authority/actor';
import type { Action, Grant, Grants } from '#kernel/authority/grant';
import { accessed, json, needs, open, type Params, type Route, route, unrecorded, whole } from '#kernel/http/route';
import { itemId, itemPath, type Resource, type Resources } from '#resources';
import { type Workspaces, workspaceOf, workspaceType } from '#workspaces';
import { jobsDuties } from './duties.ts';
import type { Families } from './families.service.ts';
import { historySurface } from './history.surface.ts';
import { jobType, outputPlaceOf, siblingId, stateOf, toldOf } from './job-state.service.ts';
import { jobsFailures } from './jobs.errors.ts';
import { type JobLogs, logArtifact } from './log.service.ts';
import { isEnd } from './status.rules.ts';

/** Hands on a caller's decision as an address. Identity implements it; compose introduces the two. */
export type AddressSigner = {
  sign(
    grant: Grant,
    address: {
      readonly surface: typeof historySurface;
      readonly scope: string;
      readonly actions: readonly Action[];
      readonly action: Action;
      readonly ttlSeconds: number;
    },
  ): Promise<{ readonly signature: string }>;
};

const logAddressSeconds = 1800;
/** A trial of a sweep that is a step of a pipeline, and room for one more. */
const aboveMax = 4;
const childrenPage = 1_000;
const workspacePath = `/history/v1.0${itemPath(workspaceType)}`;
const runPath = `${workspacePath}/runs/{jobName}`;
const idOf = (params: Params) => itemId(jobType, params);

const assetIdOf = (jobName: string, output: string) => `azureml://jobs/${jobName}/outputs/${output}`;
/** What a client downloads it as: a model is a folder. */
const dataTypeOf = (type: string) => (type === 'uri_file' ? type : 'uri_folder');

function runOf(job: Resource, rootRunId: string) {
  const { status, displayName, computeId, startTime, endTime, error, tags, parentJobName, outputs = {} } = stateOf(job);
  return {
    runId: job.name,
    rootRunId,
    parentRunId: parentJobName ?? null,
    status,
    displayName: displayName ?? job.name,
    target: computeId?.split('/').at(-1) ?? null,
    createdUtc: job.systemData.createdAt,
    startTimeUtc: startTime ?? null,
    endTimeUtc: endTime ?? null,
    error: error === undefined ? null : { error: { code: error.code, message: error.message } },
    tags: tags ?? {},
    properties: { ...stateOf(job).properties, ...toldOf(job) },
    inputs: {},
    outputs: Object.fromEntries(
      Object.entries(outputs).map(([name, { jobOutputType }]) => [
        name,
        { assetId: assetIdOf(job.name, name), type: dataTypeOf(jobOutputType) },
      ]),
    ),
  };
}

export function historyRoutes(deps: {
  readonly resources: Resources;
  readonly workspaces: Workspaces;
  readonly logs: JobLogs;
  readonly families: Pick<Families, 'childrenOf'>;
  readonly grants: Pick<Grants, 'duty' | 'mayAlso'>;
  readonly addresses: AddressSigner;
}): readonly Route[] {
  const { resources, workspaces, logs, families, grants, addresses } = deps;
  const common = { surface: historySurface, access: needs(jobsActions.read, idOf, whole), audit: accessed('jobName') };

  /** With the job that nothing is above of. Whoever reads a job may know by name what it belongs to. */
  async function told(job: Resource) {
    let top = job;
    for (let above = 0; above < aboveMax; above++) {
      const { parentJobName } = stateOf(top);
      if (parentJobName === undefined) break;
      const id = siblingId(job.id, parentJobName);
      const parent = await resources.find(grants.duty(jobsDuties.advance, id), id);
      if (parent === undefined) break;
      top = parent;
    }
    return runOf(job, top.name);
  }

  /** Everything that the job has printed, as it is now. */
  async function* wholeLog(job: Resource): AsyncGenerator<Buffer> {
    const workspaceId = workspaceOf(job.id) ?? '';
    const grant = grants.duty(jobsDuties.showLog, job.id);
    const database = await workspaces.database(grant, workspaceId);
    const ended = isEnd(stateOf(job).status);
    for (let offset = 0; ; ) {
      const page = await logs.read(grant, { database, workspaceId, runId: job.name, ended }, offset);
      if (page.bytes.length === 0) return;
      yield page.bytes;
      offset = page.next;
    }
  }

  return [
    route({
      operation: 'Discovery_Get',
      surface: historySurface,
      method: 'GET',
      path: '/discovery',
      summary: 'Where the services of a workspace are: all at this address.',
      access: open('tells only the address that was asked'),
      audit: unrecorded('nothing is looked at and nothing is done'),
      responses: { 200: discovered },
      handle: async (_grant, { exchange }) =>
        json(200, { api: exchange.target.origin, history: exchange.target.origin }),
    }),
    route({
      ...common,
      operation: 'RunHistory_GetDetails',
      method: 'GET',
      path: `${runPath}/details`,
      summary: 'State of a job, with an address of its log that works for half an hour.',
      responses: { 200: runHistoryDetails },
      async handle(grant, { params, exchange }) {
        const job = await resources.get(grant, idOf(params));
        const url = `${exchange.target.origin}/history/v1.0${workspaceOf(job.id)}/runs/${job.name}/logs/${logArtifact}`;
        // Who is bounded hands nothing on: a run reads no log by address.
        const signed = isBounded(grant.actor)
          ? undefined
          : await addresses.sign(grant, {
              surface: historySurface,
              scope: grant.scope,
              actions: [jobsActions.read],
              action: jobsActions.read,
              ttlSeconds: logAddressSeconds,
            });
        const logFiles = signed === undefined ? {} : { [logArtifact]: `${url}?sig=${signed.signature}` };
        return json(200, { ...(await told(job)), warnings: [], logFiles });
      },
    }),
    route({
      ...common,
      operation: 'RunHistory_GetChildren',
      method: 'GET',
      path: `${runPath}/children`,
      reads: ['?$top'],
      summary: 'The jobs that belong to a job, in the order in which they came, as far as the caller may read them.',
      query: Type.Object({ $top: Type.Optional(Type.String({ pattern: '^[0-9]{1,6}$' })) }),
      responses: { 200: runHistoryPage },
      async handle(grant, { params, query }) {
        const children = await families.childrenOf(await resources.get(grant, idOf(params)));
        const shown = children.filter(({ id }) => grants.mayAlso(grant, jobsActions.read, id));
        const top = Math.min(Number(query.$top ?? childrenPage), childrenPage);
        return json(200, { value: await Promise.all(shown.slice(0, top).map(told)) });
      },
    }),
    route({
      ...common,
      operation: 'RunHistory_GetLog',
      method: 'GET',
      path: `${runPath}/logs/{path+}`,
      summary: 'Everything that a job has printed until now.',
      async handle(grant, { params }) {
        const job = await resources.get(grant, idOf(params));
        if (params['path'] !== logArtifact) throw jobsFailures.FileNotFound(logArtifact);
        return { status: 200, body: Readable.from(wholeLog(job)), contentType: 'text/plain; charset=utf-8' };
      },
    }),
    route({
      operation: 'RunHistory_ResolveUris',
      surface: historySurface,
      method: 'POST',
      path: `/data/v1.0${itemPath(workspaceType)}/dataversion/batchGetResolvedUris`,
      summary: 'Where outputs of jobs are, by the ids that run history told. What there is not is left out.',
      access: needs(jobsActions.read, (params) => itemId(workspaceType, params), whole),
      goesOnWhenLow: 'it stores nothing',
      audit: accessed('workspaceName', 'values'),
      body: { kind: 'json', schema: resolvedUrisQuestion, maxBytes: 262_144 },
      responses: { 200: resolvedUris },
      async handle(grant, { params, body }) {
        const values: Record<string, { readonly uri: string; readonly type: string }> = {};
        for (const id of body.values) {
          const [, jobName = '', output = ''] =
            /^azureml:\/\/jobs\/([\w-]{1,255})\/outputs\/([\w-]{1,255})$/.exec(id) ?? [];
          if (jobName === '') continue;
          const job = await resources.find(grant, itemId(jobType, { ...params, jobName }));
          const outputs = job === undefined ? undefined : stateOf(job).outputs;
          if (job === undefined || outputs === undefined || !Object.hasOwn(outputs, output)) continue;
          values[id] = { uri: outputPlaceOf(job, output), type: dataTypeOf(outputs[output]?.jobOutputType ?? '') };
        }
        return json(200, { values });
      },
    }),
    route({
      operation: 'RunHistory_GetData',
      surface: historySurface,
      method: 'POST',
      path: `${workspacePath}/rundata`,
      summary: 'State of a job, by the name in the body.',
      access: needs(jobsActions.read, (params) => itemId(workspaceType, params), whole),
      goesOnWhenLow: 'it stores nothing',
      audit: accessed('workspaceName', 'runId'),
      body: { kind: 'json', schema: runHistoryQuestion, maxBytes: 65_536 },
      responses: { 200: runHistoryData },
      async handle(grant, { params, body }) {
        const jobId = itemId(jobType, { ...params, jobName: body.runId });
        return json(200, { runMetadata: await told(await resources.get(grant, jobId)) });
      },
    }),
  ];
}
