// Workspaces and their clusters.

import { resourcePath, vaultType, workspaceType } from '@strongroom/contract/client.paths';
import type { Command } from 'commander';
import { UsageError } from '../exit.ts';
import { type Act, leaf, namedLeaf } from '../given.ts';
import { at } from '../output.ts';

export function workspaceCommands(program: Command, act: Act): void {
  const workspace = program.command('workspace').description('machine-learning workspaces');
  namedLeaf(
    workspace,
    'create',
    'make a workspace, with the storage, vault, registry and identity that it needs',
    'workspace create demo -g demo',
  )
    .option('--location <region>', 'the region')
    .option('--display-name <text>', 'a friendly name')
    .option('--description <text>', 'what it is for')
    .option('--customer-key <uri>', 'seal everything under this key (its URI with the version)')
    .option('--customer-vault <vault>', 'the vault of that key: a name in the same resource group, or a resource id')
    .option('--hbi', 'high business impact: no diagnostics, nothing in the clear even for a moment')
    .action(
      act(async (context, given) => {
        const name = given.name('workspace');
        const keyIdentifier = given.text('customerKey');
        const vault = given.text('customerVault');
        if ((keyIdentifier === undefined) !== (vault === undefined))
          throw new UsageError('Give --customer-key and --customer-vault together, or neither.');
        const keyVaultArmId = vault === undefined || vault.startsWith('/') ? vault : context.resource(vaultType, vault);
        const [friendlyName, description] = [given.text('displayName'), given.text('description')];
        context.show(
          await context.settle(`making ${name}`, 'PUT', context.resource(workspaceType, name), {
            location: context.location,
            identity: { type: 'SystemAssigned' },
            properties: {
              ...(friendlyName === undefined ? {} : { friendlyName }),
              ...(description === undefined ? {} : { description }),
              ...(given.flag('hbi') ? { hbiWorkspace: true } : {}),
              ...(keyIdentifier === undefined
                ? {}
                : { encryption: { status: 'Enabled', keyVaultProperties: { keyVaultArmId, keyIdentifier } } }),
            },
          }),
        );
      }),
    );
  namedLeaf(workspace, 'show', 'show a workspace', 'workspace show demo -g demo').action(
    act(async (context, given) =>
      context.show(await context.client.get(context.resource(workspaceType, given.name('workspace')))),
    ),
  );
  leaf(workspace, 'list', 'list the workspaces of the subscription, or of a resource group', 'workspace list')
    .option('--all', 'of every resource group, also where one is remembered')
    .action(
      act(async (context, given) => {
        const path =
          given.flag('all') || !context.hasGroup ? `/subscriptions/${context.subscription}` : context.groupPath;
        context.list(await context.client.list(`${path}/providers/${workspaceType}`), {
          name: at('name'),
          'resource group': (row) => /resourceGroups\/([^/]+)/i.exec(String(row['id']))?.[1],
          location: at('location'),
          'customer key': (row) => at('properties.encryption.status')(row) === 'Enabled',
          state: at('properties.provisioningState'),
        });
      }),
    );
  namedLeaf(
    workspace,
    'delete',
    'delete a workspace; its keys go, and with them its data',
    'workspace delete demo -g demo --yes',
  ).action(
    act(async (context, given) => {
      const name = given.name('workspace');
      await context.confirm(`Delete the workspace '${name}' with its runs, models and endpoints?`);
      await context.settle(
        `deleting ${name}`,
        'DELETE',
        resourcePath(context.subscription, context.group, workspaceType, name),
      );
      context.note(`${name} is deleted.`);
    }),
  );
}

export function computeCommands(program: Command, act: Act): void {
  const compute = program.command('compute').description('clusters that jobs run on');
  namedLeaf(
    compute,
    'create',
    'make a cluster of sandboxed nodes that scales to zero',
    'compute create cpu-cluster --max-instances 4',
  )
    .option('--min-instances <count>', 'nodes that are kept (0)')
    .option('--max-instances <count>', 'nodes at most (2)')
    .option('--idle-seconds <seconds>', 'how long an idle node is kept (120)')
    .option('--size <name>', 'the size of a node (STANDARD_D2_V3)')
    .option('--location <region>', 'the region')
    .action(
      act(async (context, given) => {
        const name = given.name('cluster');
        context.show(
          await context.settle(`making ${name}`, 'PUT', context.workspace.compute(name), {
            location: context.location,
            properties: {
              computeType: 'AmlCompute',
              properties: {
                vmSize: given.text('size') ?? 'STANDARD_D2_V3',
                scaleSettings: {
                  minNodeCount: given.whole('minInstances', '--min-instances') ?? 0,
                  maxNodeCount: given.whole('maxInstances', '--max-instances') ?? 2,
                  nodeIdleTimeBeforeScaleDown: `PT${given.whole('idleSeconds', '--idle-seconds') ?? 120}S`,
                },
              },
            },
          }),
        );
      }),
    );
  namedLeaf(compute, 'show', 'show a cluster', 'compute show cpu-cluster').action(
    act(async (context, given) =>
      context.show(await context.client.get(context.workspace.compute(given.name('cluster')))),
    ),
  );
  leaf(compute, 'list', 'list the clusters of a workspace', 'compute list').action(
    act(async (context) =>
      context.list(await context.client.list(context.workspace.computes), {
        name: at('name'),
        type: at('properties.computeType'),
        nodes: at('properties.properties.currentNodeCount'),
        'at most': at('properties.properties.scaleSettings.maxNodeCount'),
        state: at('properties.provisioningState'),
      }),
    ),
  );
  namedLeaf(compute, 'delete', 'delete a cluster', 'compute delete cpu-cluster --yes').action(
    act(async (context, given) => {
      const name = given.name('cluster');
      await context.confirm(`Delete the cluster '${name}'?`);
      await context.progress(`deleting ${name}`, (onProgress) =>
        context.client.settle('DELETE', context.workspace.compute(name), {
          onProgress,
          query: { underlyingResourceAction: 'Delete' },
        }),
      );
      context.note(`${name} is deleted.`);
    }),
  );
}
