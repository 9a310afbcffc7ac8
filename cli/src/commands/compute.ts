// Clusters.

import type { Command } from 'commander';
import { documentIfGiven } from '../document.reader.ts';
import { computeBody } from '../documents/resources.ts';
import { type Act, leaf, namedLeaf, repeated } from '../given.ts';
import { listing, looking, making, removing } from '../options.ts';
import { at } from '../output.ts';
import { showNamed } from '../principals.ts';

const defaults = {
  vmSize: 'STANDARD_D2_V3',
  minNodeCount: 0,
  maxNodeCount: 2,
  nodeIdleTimeBeforeScaleDown: 'PT120S',
} as const;

export function computeCommands(compute: Command, act: Act): void {
  namedLeaf(
    compute,
    'create',
    making('workspace'),
    'make a cluster of sandboxed nodes that scales to zero',
    'compute create cpu-cluster --max-instances 4',
  )
    .option('-f, --file <file>', 'the cluster, in the schema of AmlCompute; options here win over it')
    .option('--set <path=value>', 'change a field of the file (several times)', repeated)
    .option('--min-instances <count>', 'nodes that are kept (0)')
    .option('--max-instances <count>', 'nodes at most (2)')
    .option('--idle-seconds <seconds>', 'how long an idle node is kept (120)')
    .option('--size <name>', 'the size of a node (STANDARD_D2_V3)')
    .option('--location <region>', 'the region')
    .action(
      act(async (context, given) => {
        const document = await documentIfGiven(given.text('file'), given.texts('set'));
        const read = document && computeBody(document);
        const name = given.nameIfAny ?? read?.name ?? given.name('cluster');
        const idle = given.whole('idleSeconds', '--idle-seconds');
        const made = await context.settle(`making ${name}`, 'PUT', context.workspace.compute(name), {
          location: given.text('location') ?? read?.location ?? context.location,
          ...(read?.tags === undefined ? {} : { tags: read.tags }),
          properties: {
            computeType: 'AmlCompute',
            ...(read?.description === undefined ? {} : { description: read.description }),
            properties: {
              vmSize: given.text('size') ?? read?.vmSize ?? defaults.vmSize,
              ...(read === undefined ? {} : { vmPriority: read.vmPriority }),
              scaleSettings: {
                minNodeCount:
                  given.whole('minInstances', '--min-instances') ?? read?.minNodeCount ?? defaults.minNodeCount,
                maxNodeCount:
                  given.whole('maxInstances', '--max-instances') ?? read?.maxNodeCount ?? defaults.maxNodeCount,
                nodeIdleTimeBeforeScaleDown:
                  idle === undefined
                    ? (read?.nodeIdleTimeBeforeScaleDown ?? defaults.nodeIdleTimeBeforeScaleDown)
                    : `PT${idle}S`,
              },
            },
          },
        });
        context.done(`cluster '${name}'`, 'made', made);
      }),
    );
  namedLeaf(compute, 'show', looking('workspace'), 'show a cluster', 'compute show cpu-cluster').action(
    act(async (context, given) =>
      showNamed(context, await context.client.get(context.workspace.compute(given.name('cluster')))),
    ),
  );
  leaf(compute, 'list', listing('workspace'), 'list the clusters of a workspace', 'compute list').action(
    act(async (context) =>
      context.list(
        await context.client.list(context.workspace.computes),
        {
          name: at('name'),
          type: at('properties.computeType'),
          nodes: at('properties.properties.currentNodeCount'),
          'at most': at('properties.properties.scaleSettings.maxNodeCount'),
          state: at('properties.provisioningState'),
        },
        { more: { id: at('id') } },
      ),
    ),
  );
  namedLeaf(compute, 'delete', removing('workspace'), 'delete a cluster', 'compute delete cpu-cluster --yes').action(
    act(async (context, given) => {
      const name = given.name('cluster');
      const path = `${context.workspace.compute(name)}?underlyingResourceAction=Delete`;
      await context.confirm(`Delete the cluster '${name}'?`);
      await context.settle(`deleting ${name}`, 'DELETE', path);
      context.over(`cluster '${name}'`, 'deleted');
    }),
  );
}
