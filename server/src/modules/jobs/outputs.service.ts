// Outputs that have a place of their own: written where it says, as whoever submitted the job may. That is decided when he submits, and
// anew, as he may then, with each file that the node sends. What the platform keeps for itself stays out of reach of both.

import type { Readable } from 'node:stream';
import type { CommandJob } from '@strongroom/contract/jobs';
import { jobsActions } from '@strongroom/contract/jobs.actions';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { Storage } from '#storage';
import type { DatastorePlace, Workspaces } from '#workspaces';
import { isOver } from './ending.service.ts';
import { type JobRecords, stateOf, workspaceIdOf } from './job-state.service.ts';
import { jobsFailures } from './jobs.errors.ts';
import { checkPlaces, fileIn, type OutputPlace, placeOf, placesOf } from './outputs.rules.ts';

export type Outputs = {
  /** Throws `invalid` for what is no place, and `forbidden` unless the caller may write there. */
  check(grant: Grant, workspaceId: string, outputs: CommandJob['outputs']): Promise<void>;
  /** One file of an output, sent by the run of the job. The source is read to its end or destroyed. */
  put(grant: Grant, jobId: string, output: string, path: string, source: Readable): Promise<void>;
};

/** As much as an artifact of a run may have. */
export const outputBytesMax = 100 * 2 ** 30;

/** Where a file of an output goes, below the place of the output; undefined: it is no file of it. */
function blobOf(place: OutputPlace, file: string): string | undefined {
  if (place.isFile) return file === fileIn(place) ? place.path : undefined;
  return place.path === '' ? file : `${place.path}/${file}`;
}

export function createOutputs(deps: {
  readonly workspaces: Pick<Workspaces, 'get' | 'datastore'>;
  readonly grants: Pick<Grants, 'onBehalf'>;
  readonly records: Pick<JobRecords, 'find'>;
  readonly putAsked: Storage['putAsked'];
}): Outputs {
  const { workspaces, grants, records, putAsked } = deps;

  async function placeFor(grant: Grant, workspaceId: string, { datastore }: OutputPlace): Promise<DatastorePlace> {
    return workspaces.datastore(grant, await workspaces.get(grant, workspaceId), datastore);
  }

  return {
    async check(grant, workspaceId, outputs) {
      checkPlaces(workspaceId, outputs);
      for (const [name, place] of placesOf(outputs, '')) {
        const at = await placeFor(grant, workspaceId, place);
        at.writer();
        if (at.isReserved(place.path))
          throw jobsFailures.OutputPlaceNotServed(
            name,
            `the platform keeps its own content at this path of the datastore '${at.name}'`,
          );
      }
    },
    async put(grant, jobId, output, path, source) {
      try {
        const job = await records.find(jobId);
        // Whoever may do everything in a workspace may not stand in for a run: what it sends is written in another's name.
        if (grant.actor.kind !== 'run' || job === undefined || isOver(stateOf(job)))
          throw jobsFailures.OutputElsewhere();
        const { outputs = {} } = stateOf(job);
        const asked = Object.hasOwn(outputs, output) ? outputs[output] : undefined;
        const place = asked && placeOf(asked, job.name, output);
        const name = place && blobOf(place, path);
        if (place === undefined || name === undefined || job.creator === undefined)
          throw jobsFailures.OutputElsewhere();
        const asHe = grants.onBehalf(job.creator, jobsActions.write, jobId, `submitted ${job.name}`);
        const { account, container, writer } = await placeFor(asHe, workspaceIdOf(jobId), place);
        await putAsked(writer(), { account, container, name }, source, { maxBytes: outputBytesMax });
      } finally {
        source.destroy();
      }
    },
  };
}
