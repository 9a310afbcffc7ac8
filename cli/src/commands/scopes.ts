// Where a role is meant: `--scope`, or the resource group and workspace that are given or remembered. The widest place is never a
// default for what changes rights; whoever means the whole subscription says so.

import { subscriptionPath } from '@strongroom/contract/client.paths';
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { UsageError } from '../exit.ts';
import type { Given } from '../given.ts';

export const provider = 'providers/Microsoft.Authorization';

/** A path below a scope. `//providers` would be an address on another server. */
export const below = (scope: string, path: string): string => (scope === '/' ? `/${path}` : `${scope}/${path}`);

const howTo =
  'Give --scope RESOURCE_ID, -g GROUP, -g GROUP -w WORKSPACE, or --subscription-wide if the whole subscription is meant.';

export const scoped = (command: Command): Command =>
  command
    .option('--scope <id>', 'where: a resource id; otherwise what -g and -w name, given or remembered')
    .option('--subscription-wide', 'where: the whole subscription');

/** Where something is changed. @throws UsageError where nobody has said it, or said two things */
export function scopeToChange(context: Context, given: Given): string {
  const scope = saidScope(context, given);
  if (scope === undefined) throw new UsageError(`Where? ${howTo}`);
  return scope;
}

/** Where something is looked up: the whole subscription unless said otherwise. */
export const scopeToRead = (context: Context, given: Given): string =>
  saidScope(context, given) ?? subscriptionPath(context.subscription);

function saidScope(context: Context, given: Given): string | undefined {
  const scope = given.text('scope');
  const isWide = given.flag('subscriptionWide');
  const [group, workspace, subscription] = [
    given.text('resourceGroup'),
    given.text('workspace'),
    given.text('subscription'),
  ];
  if (isWide) {
    if (scope !== undefined || group !== undefined || workspace !== undefined)
      throw new UsageError(`--subscription-wide and another place are given. ${howTo}`);
    return subscriptionPath(context.subscription);
  }
  if (scope === undefined) return pathOf(context, group, workspace);
  if (!scope.startsWith('/'))
    throw new UsageError(`A scope is a resource id, such as ${subscriptionPath('…')}; '${scope}' is none.`);
  const chosen = scope.length > 1 ? scope.replace(/\/+$/, '') : scope;
  // A scope says everything. Beside it, what else is given on the line may only say the same; what is remembered counts not.
  const other =
    group !== undefined || workspace !== undefined
      ? pathOf(context, group, workspace)
      : subscription === undefined
        ? undefined
        : subscriptionPath(subscription);
  const agrees =
    other === undefined ||
    chosen.toLowerCase() === other.toLowerCase() ||
    (group === undefined && workspace === undefined && chosen.toLowerCase().startsWith(`${other.toLowerCase()}/`));
  if (!agrees) throw new UsageError(`--scope says ${chosen}, and the other options say ${other}. ${howTo}`);
  return chosen;
}

/** `group` and `workspace` as given on the line. A group that is given stands for itself, whatever workspace is remembered. */
function pathOf(context: Context, group: string | undefined, workspace: string | undefined): string | undefined {
  const isWorkspace = workspace !== undefined || (group === undefined && context.hasWorkspace);
  if (isWorkspace) return context.workspace.id;
  return context.hasGroup ? context.groupPath : undefined;
}
