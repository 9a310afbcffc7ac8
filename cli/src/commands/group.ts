// Resource groups: what belongs together, is paid together and goes together.

import { groupPath, subscriptionPath } from '@strongroom/contract/client.paths';
import type { Command } from 'commander';
import { type Act, leaf, namedLeaf, pairs, repeated } from '../given.ts';
import { changing, listing, looking, removing } from '../options.ts';
import { at } from '../output.ts';
import { showNamed } from '../principals.ts';

export function groupCommands(group: Command, act: Act): void {
  namedLeaf(group, 'create', changing('subscription'), 'make a resource group', 'group create demo')
    .option('--location <region>', 'the region')
    .option('--tag <key=value>', 'a tag (several times)', repeated)
    .action(
      act(async (context, given) => {
        const tags = pairs(given.texts('tag'), '--tag');
        const name = given.name('resource group');
        const made = await context.settle(`making ${name}`, 'PUT', groupPath(context.subscription, name), {
          location: context.location,
          ...(tags ? { tags } : {}),
        });
        context.done(`resource group '${name}'`, 'made', made);
      }),
    );
  leaf(group, 'list', listing('subscription'), 'list resource groups', 'group list').action(
    act(async (context) =>
      context.list(await context.client.list(`${subscriptionPath(context.subscription)}/resourceGroups`), {
        name: at('name'),
        location: at('location'),
        state: at('properties.provisioningState'),
      }),
    ),
  );
  namedLeaf(group, 'show', looking('subscription'), 'show a resource group', 'group show demo').action(
    act(async (context, given) =>
      showNamed(context, await context.client.get(groupPath(context.subscription, given.name('resource group')))),
    ),
  );
  namedLeaf(
    group,
    'delete',
    removing('subscription'),
    'delete a resource group with everything in it',
    'group delete demo --yes',
  ).action(
    act(async (context, given) => {
      const name = given.name('resource group');
      const path = groupPath(context.subscription, name);
      await context.confirm(`Delete the resource group '${name}' with everything in it?`);
      await context.settle(`deleting ${name}`, 'DELETE', path);
      context.over(`resource group '${name}'`, 'deleted');
    }),
  );
}
