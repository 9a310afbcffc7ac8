// Workspaces.

import type { JsonObject } from '@strongroom/contract/client';
import { vaultAudience, vaultType, vaultVersion, workspaceType } from '@strongroom/contract/client.paths';
import { type Command, Option } from 'commander';
import type { Context } from '../context.ts';
import { documentIfGiven } from '../document.reader.ts';
import { workspaceBody } from '../documents/resources.ts';
import { UsageError } from '../exit.ts';
import { type Act, type Given, leaf, namedLeaf, repeated } from '../given.ts';
import { listing, looking, making, removing } from '../options.ts';
import { at } from '../output.ts';
import { showNamed } from '../principals.ts';

export function workspaceCommands(workspace: Command, act: Act): void {
  namedLeaf(
    workspace,
    'create',
    making('group'),
    'make a workspace, with the storage, vault, registry and identity that it needs',
    'workspace create research -g team --customer-vault team-vault --customer-key workspace-key',
  )
    .option('-f, --file <file>', 'the workspace, in the schema of workspaces')
    .option('--set <path=value>', 'change a field of the file (several times)', repeated)
    .option('--location <region>', 'the region')
    .option('--display-name <text>', 'a friendly name')
    .option('--description <text>', 'what it is for')
    .option(
      '--customer-key <key>',
      'seal everything under this key: its name, for its newest version, or its identifier',
    )
    .option('--customer-vault <vault>', 'the vault of that key: a name in the same resource group, or a resource id')
    .option(
      '--narrow-identity',
      "give the workspace's identity no role at its resource group, and no more than its work needs",
    )
    .option('--hbi', 'high business impact: no diagnostics, nothing in the clear even for a moment')
    .action(
      act(async (context, given) => {
        const document = await documentIfGiven(given.text('file'), given.texts('set'));
        const read = document && workspaceBody(document);
        const name = given.nameIfAny ?? read?.name ?? given.name('workspace');
        const [friendlyName, description] = [given.text('displayName'), given.text('description')];
        const customerKey = await customerKeyOf(context, given);
        const location = given.text('location') ?? read?.location ?? context.location;
        const made = await context.settle(`making ${name}`, 'PUT', context.resource(workspaceType, name), {
          location,
          identity: { type: 'SystemAssigned' },
          ...(read?.tags === undefined ? {} : { tags: read.tags }),
          properties: {
            ...read?.properties,
            ...(friendlyName === undefined ? {} : { friendlyName }),
            ...(description === undefined ? {} : { description }),
            ...(given.flag('hbi') ? { hbiWorkspace: true } : {}),
            ...(given.flag('narrowIdentity') ? { allowRoleAssignmentOnRG: false } : {}),
            ...(customerKey === undefined
              ? {}
              : { encryption: { status: 'Enabled', keyVaultProperties: customerKey } }),
          },
        });
        context.done(`workspace '${name}'`, 'made', made);
      }),
    );
  namedLeaf(workspace, 'show', looking('group'), 'show a workspace', 'workspace show research -g team').action(
    act(async (context, given) =>
      showNamed(context, await context.client.get(context.resource(workspaceType, given.name('workspace')))),
    ),
  );
  namedLeaf(
    workspace,
    'usage',
    listing('group'),
    'show what a workspace, its storage account and its registry hold, and their quotas',
    'workspace usage research -g team',
  ).action(
    act(async (context, given) =>
      context.list(
        await context.client.list(`${context.resource(workspaceType, given.name('workspace'))}/usages`),
        { what: at('name.localizedValue'), bytes: at('currentValue'), quota: at('limit') },
        { more: { id: at('id') } },
      ),
    ),
  );
  leaf(
    workspace,
    'list',
    listing('group'),
    'list the workspaces of the subscription, or of a resource group',
    'workspace list',
  )
    .option('--all', 'of every resource group, also where one is remembered')
    .action(
      act(async (context, given) => {
        const all = given.flag('all');
        if (all && given.text('resourceGroup') !== undefined)
          throw new UsageError('--all lists every resource group, and -g names one: give one of them.');
        const path = all || !context.hasGroup ? `/subscriptions/${context.subscription}` : context.groupPath;
        context.list(
          await context.client.list(`${path}/providers/${workspaceType}`),
          {
            name: at('name'),
            'resource group': (row) => /resourceGroups\/([^/]+)/i.exec(String(row['id']))?.[1],
            location: at('location'),
            'customer key': (row) => at('properties.encryption.status')(row) === 'Enabled',
            state: at('properties.provisioningState'),
          },
          { more: { id: at('id') } },
        );
      }),
    );
  namedLeaf(
    workspace,
    'update',
    making('group'),
    'change what jobs of a workspace may fetch: packages while they run, images of other registries',
    'workspace update research -g team --job-package-index Enabled',
  )
    .addOption(
      new Option(
        '--job-package-index <word>',
        'whether jobs may install packages from the package index of the server, where its operator lets workspaces choose that',
      ).choices(['Enabled', 'Disabled']),
    )
    .option(
      '--image-registry <pattern>',
      'a registry that images may be fetched from, HOST, HOST/REPOSITORY or HOST/PREFIX/*, where the operator of the server permits it (several times; these in the place of those before; none: no registry)',
      repeated,
    )
    .action(
      act(async (context, given) => {
        const name = given.name('workspace');
        const patterns = given.texts('imageRegistry');
        const registries = patterns.length === 0 ? {} : { imageRegistries: patterns.filter((text) => text !== 'none') };
        const index =
          patterns.length > 0 && given.text('jobPackageIndex') === undefined
            ? {}
            : {
                jobPackageIndex: given.needed(
                  'jobPackageIndex',
                  '--job-package-index Enabled, or --image-registry HOST',
                ),
              };
        const changed = await context.settle(`updating ${name}`, 'PATCH', context.resource(workspaceType, name), {
          properties: { ...index, ...registries },
        });
        context.done(`workspace '${name}'`, 'changed', changed);
      }),
    );
  namedLeaf(
    workspace,
    'delete',
    removing('group'),
    'delete a workspace; its keys go, and with them its data',
    'workspace delete research -g team --yes',
  ).action(
    act(async (context, given) => {
      const name = given.name('workspace');
      const path = context.resource(workspaceType, name);
      await context.confirm(`Delete the workspace '${name}' with its runs, models and endpoints?`);
      await context.settle(`deleting ${name}`, 'DELETE', path);
      context.over(`workspace '${name}'`, 'deleted');
    }),
  );
}

/** A key by its name is its newest version: that is what its vault answers. The workspace keeps to that version. */
async function customerKeyOf(context: Context, given: Given): Promise<JsonObject | undefined> {
  const [key, vault] = [given.text('customerKey'), given.text('customerVault')];
  if (key === undefined && vault === undefined) return undefined;
  if (key === undefined || vault === undefined)
    throw new UsageError('Give --customer-key and --customer-vault together, or neither.');
  const keyVaultArmId = vault.startsWith('/') ? vault : context.resource(vaultType, vault);
  if (key.includes('://')) return { keyVaultArmId, keyIdentifier: key };
  const found = await context.client.get<{ readonly key: { readonly kid: string } }>(
    `${context.vault(keyVaultArmId.split('/').at(-1) ?? vault)}/keys/${encodeURIComponent(key)}`,
    { audience: vaultAudience(context.url), apiVersion: vaultVersion },
  );
  return { keyVaultArmId, keyIdentifier: found.key.kid };
}
