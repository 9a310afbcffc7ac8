// Resource groups: what belongs together, is paid together and goes together.

import { groupPath, subscriptionPath } from '@strongroom/contract/client.paths';
import type { Command } from 'commander';
import { type Act, leaf, namedLeaf, pairs, repeated } from '../given.ts';
import { at } from '../output.ts';

export function groupCommands(program: Command, act: Act): void {
  const group = program.command('group').description('resource groups');
  namedLeaf(group, 'create', 'make a resource group', 'group create demo')
    .option('--location <region>', 'the region')
    .option('--tag <key=value>', 'a tag (several times)', repeated)
    .action(
      act(async (context, given) => {
        const tags = pairs(given.texts('tag'), '--tag');
        const name = given.name('resource group');
        context.show(
          await context.settle(`making ${name}`, 'PUT', groupPath(context.subscription, name), {
            location: context.location,
            ...(tags ? { tags } : {}),
          }),
        );
      }),
    );
  leaf(group, 'list', 'list resource groups', 'group list').action(
    act(async (context) =>
      context.list(await context.client.list(`${subscriptionPath(context.subscription)}/resourceGroups`), {
        name: at('name'),
        location: at('location'),
        state: at('properties.provisioningState'),
      }),
    ),
  );
  namedLeaf(group, 'show', 'show a resource group', 'group show demo').action(
    act(async (context, given) =>
      context.show(await context.client.get(groupPath(context.subscription, given.name('resource group')))),
    ),
  );
  namedLeaf(group, 'delete', 'delete a resource group with everything in it', 'group delete demo --yes').action(
    act(async (context, given) => {
      const name = given.name('resource group');
      await context.confirm(`Delete the resource group '${name}' with everything in it?`);
      await context.settle(`deleting ${name}`, 'DELETE', groupPath(context.subscription, name));
      context.note(`${name} is deleted.`);
    }),
  );
}
