// What a person reads where something that was named is not there: what it is and where, in the words of the command line, and the
// name that was probably meant. The service says it by the id, which holds all of it and is read by nobody.

import { ServiceError } from '@strongroom/contract/client';
import { groupPath, resourcePath, subscriptionPath, workspaceType } from '@strongroom/contract/client.paths';
import type { Context } from './context.ts';
import { meant } from './nearest.ts';

const codes: ReadonlySet<string> = new Set(['ParentResourceNotFound', 'ResourceNotFound', 'ResourceGroupNotFound']);
const nouns: Readonly<Record<string, string>> = {
  computes: 'cluster',
  jobs: 'job',
  schedules: 'schedule',
  models: 'model',
  data: 'data asset',
  environments: 'environment',
  components: 'component',
  connections: 'connection',
  datastores: 'datastore',
  onlineendpoints: 'endpoint',
  deployments: 'deployment',
  codes: 'code',
};
const namesMax = 5;

/** The same refusal in better words, where it is of a kind that this knows; otherwise what was thrown. */
export async function explained(context: Context, thrown: unknown): Promise<unknown> {
  if (!(thrown instanceof ServiceError) || !codes.has(thrown.code)) return thrown;
  const id = /'(\/subscriptions\/[^']+)'/.exec(thrown.message)?.[1];
  try {
    const group = /^Resource group '([^']+)'/.exec(thrown.message)?.[1];
    const message =
      id !== undefined
        ? await ofResource(context, id)
        : group === undefined
          ? undefined
          : await ofGroup(context, group);
    if (message === undefined) return thrown;
    const { status, code, requestId, details } = thrown;
    return new ServiceError({ status, code, message, requestId, details });
  } catch {
    // Looking for better words failed: the service's own are good enough.
    return thrown;
  }
}

/** Undefined where the group is there. */
async function ofGroup(context: Context, name: string): Promise<string | undefined> {
  const groups = await namesAt(context, `${subscriptionPath(context.subscription)}/resourceGroups`);
  return isAmong(name, groups)
    ? undefined
    : `There is no resource group '${name}'. ${others(name, groups, 'strongroom group create')}`;
}

async function ofResource(context: Context, id: string): Promise<string | undefined> {
  const [, subscription = '', group, workspace, plural, name, inner, innerName] =
    /^\/subscriptions\/([^/]+)(?:\/resourceGroups\/([^/]+))?(?:\/providers\/Microsoft\.MachineLearningServices\/workspaces\/([^/]+))?(?:\/([^/]+)\/([^/]+))?(?:\/([^/]+)\/([^/]+))?$/i.exec(
      id,
    ) ?? [];
  if (group === undefined) return undefined;
  // What is missing may be what it would be in: the widest is what to say.
  const noGroup = await ofGroup(context, group);
  if (noGroup !== undefined || workspace === undefined) return noGroup;
  const path = resourcePath(subscription, group, workspaceType, workspace);
  const place = `in the workspace '${workspace}'`;
  const workspaces = await namesAt(context, `${groupPath(subscription, group)}/providers/${workspaceType}`);
  if (!isAmong(workspace, workspaces))
    return `There is no workspace '${workspace}' in the resource group '${group}'. ${others(workspace, workspaces, 'strongroom workspace create')}`;
  const noun = nouns[plural?.toLowerCase() ?? ''];
  if (plural === undefined || name === undefined || noun === undefined) return undefined;
  const siblings = await namesAt(context, `${path}/${plural}`);
  if (inner === undefined || !isAmong(name, siblings))
    return `There is no ${noun} '${name}' ${place}. ${others(name, siblings)}`;
  const below = await namesAt(context, `${path}/${plural}/${name}/${inner}`);
  return inner.toLowerCase() === 'versions'
    ? `The ${noun} '${name}' has no version '${innerName}'. ${others(innerName ?? '', below)}`
    : `The ${noun} '${name}' has no ${nouns[inner.toLowerCase()] ?? inner} '${innerName}'. ${others(innerName ?? '', below)}`;
}

const isAmong = (name: string, known: readonly string[]) =>
  known.some((each) => each.toLowerCase() === name.toLowerCase());
const namesAt = async (context: Context, path: string): Promise<readonly string[]> =>
  (await context.client.list(path, { max: 1000 })).map((each) => String(each['name']));

/** What there is instead: the nearest name, or a few, or how the first is made. */
function others(name: string, known: readonly string[], make?: string): string {
  if (known.length === 0) return make === undefined ? 'There is none yet.' : `There is none yet: '${make}' makes one.`;
  const near = meant(name, known).trim();
  if (near !== '') return near;
  const more = known.length > namesMax ? ` and ${known.length - namesMax} more` : '';
  return `There are: ${known.slice(0, namesMax).join(', ')}${more}.`;
}
