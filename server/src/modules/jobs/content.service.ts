// What a job runs on: the snapshots of its code and inputs, fixed when it was accepted, and the credential that reads them.

import type { Assets } from '#assets';
import { nothingProved } from '#kernel/authority/facts';
import type { Grant } from '#kernel/authority/grant';
import type { Resource } from '#resources';
import type { Workspace } from '#workspaces';
import type { Content, JobContent } from './document.rules.ts';
import { emptyFolder, type JobState, stateOf } from './job-state.service.ts';
import { timeoutSecondsOf } from './jobs.rules.ts';
import type { RunTokens } from './run-tokens.scheme.ts';

const tokenMarginSeconds = 900;
/** The longest that a token is issued for. */
const tokenSecondsMax = 7 * 86_400;

/** What the accepted job reads, to the byte, whatever became of the versions that it named. */
export async function contentOf(
  assets: Pick<Assets, 'snapshots'>,
  grant: Grant,
  job: Resource,
  workspace: Workspace,
): Promise<JobContent> {
  const { codeSnapshot, inputSnapshots = {} } = stateOf(job);
  const read = async (uri: string): Promise<Content> => {
    if (uri === emptyFolder) return { digest: undefined, files: [] };
    const { digest, files } = await assets.snapshots.get(grant, workspace.id, uri);
    return { digest, files };
  };
  const inputs = new Map<string, Content>();
  for (const [name, uri] of Object.entries(inputSnapshots)) inputs.set(name, await read(uri));
  return { code: codeSnapshot === undefined ? undefined : await read(codeSnapshot), inputs };
}

/** A folder input is its folder, a file input the one file in it; one in the mode Direct is its address. */
export function inputPath(name: string, state: JobState, content: JobContent): string {
  const address = state.inputAddresses?.[name];
  if (address !== undefined) return address;
  const folder = `/job/inputs/${name}`;
  const files = content.inputs.get(name)?.files ?? [];
  const [only] = files;
  return state.inputs?.[name]?.jobInputType === 'uri_file' && files.length === 1 && only
    ? `${folder}/${only.path}`
    : folder;
}

/** @param may what it opens beside the content: ids that it reads, and packages for its command */
export function tokenFor(
  tokens: RunTokens,
  job: Resource,
  workspace: Workspace,
  content: JobContent,
  may: { readonly reads: readonly string[]; readonly install: boolean },
): Promise<string> {
  const state = stateOf(job);
  const { environmentImage: image, builds } = state;
  const digests = [content.code, ...content.inputs.values()].flatMap((part) => part?.digest ?? []);
  return tokens.issue(
    {
      jobId: job.id,
      workId: state.workId ?? '',
      workspaceId: workspace.id,
      workspaceUniqueId: workspace.uniqueId,
      runId: job.name,
      experimentId: state.experimentId ?? '',
      inputs: [
        ...digests.map((digest) => `${workspace.id}/snapshots/${digest}`),
        ...(image === undefined ? [] : [image.pullScope]),
        ...may.reads,
      ],
      isBuild: builds !== undefined,
      mayInstall: may.install,
      submitter: state.submitter ?? '',
      facts: job.creator?.facts ?? nothingProved,
    },
    // A training process cannot be handed another token, so this one holds as long as the job may run; it is refused at its end.
    Math.min(timeoutSecondsOf(state) + tokenMarginSeconds, tokenSecondsMax),
  );
}
