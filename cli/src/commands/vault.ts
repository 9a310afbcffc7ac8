// Key vaults, and what is in them.

import { vaultType } from '@strongroom/contract/client.paths';
import type { Command } from 'commander';
import { type Act, leaf, namedLeaf } from '../given.ts';
import { listing, looking, making, removing } from '../options.ts';
import { at } from '../output.ts';
import { showNamed } from '../principals.ts';
import { keyCommands } from './vault.key.ts';
import { secretCommands } from './vault.secret.ts';

export function vaultCommands(vault: Command, act: Act): void {
  namedLeaf(
    vault,
    'create',
    making('group'),
    'make a key vault; with purge protection, so that it can hold the keys of workspaces',
    'vault create demo-vault -g demo',
  )
    .option('--location <region>', 'the region')
    .option('--no-purge-protection', 'let deleted keys be destroyed before their retention ends')
    .option('--retention-days <days>', 'how long deleted keys and secrets can be recovered (90)')
    .action(
      act(async (context, given) => {
        const name = given.name('vault');
        const days = given.whole('retentionDays', '--retention-days');
        const tenantId = context.settings.tenant;
        const made = await context.settle(`making ${name}`, 'PUT', context.resource(vaultType, name), {
          location: context.location,
          properties: {
            ...(tenantId === undefined ? {} : { tenantId }),
            sku: { family: 'A', name: 'standard' },
            enableRbacAuthorization: true,
            ...(given.flag('purgeProtection') ? { enablePurgeProtection: true } : {}),
            ...(days === undefined ? {} : { softDeleteRetentionInDays: days }),
          },
        });
        context.done(`vault '${name}'`, 'made', made);
      }),
    );
  namedLeaf(vault, 'show', looking('group'), 'show a key vault', 'vault show demo-vault -g demo').action(
    act(async (context, given) =>
      showNamed(context, await context.client.get(context.resource(vaultType, given.name('vault')))),
    ),
  );
  leaf(vault, 'list', listing('group'), 'list the key vaults of a resource group', 'vault list -g demo').action(
    act(async (context) =>
      context.list(
        await context.client.list(`${context.groupPath}/providers/${vaultType}`),
        {
          name: at('name'),
          location: at('location'),
          uri: at('properties.vaultUri'),
          'purge protection': (row) => at('properties.enablePurgeProtection')(row) ?? false,
        },
        { more: { id: at('id') } },
      ),
    ),
  );
  namedLeaf(
    vault,
    'delete',
    removing('group'),
    'delete a key vault that no workspace needs',
    'vault delete demo-vault -g demo --yes',
  ).action(
    act(async (context, given) => {
      const name = given.name('vault');
      const path = context.resource(vaultType, name);
      await context.confirm(`Delete the vault '${name}' with its keys and secrets?`);
      await context.settle(`deleting ${name}`, 'DELETE', path);
      context.over(`vault '${name}'`, 'deleted');
    }),
  );
  keyCommands(vault, act);
  secretCommands(vault, act);
}
