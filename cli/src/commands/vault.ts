// Key vaults, their keys and secrets. A secret's value is read from a file, standard input or a prompt, and is printed only when
// asked for by name.

import { readFileSync } from 'node:fs';
import { vaultAudience, vaultType, vaultVersion } from '@strongroom/contract/client.paths';
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { UsageError } from '../exit.ts';
import { readSecretFile } from '../files.ts';
import { type Act, type Given, leaf, namedLeaf } from '../given.ts';
import { at } from '../output.ts';

export function vaultCommands(program: Command, act: Act): void {
  const vault = program.command('vault').description('key vaults, keys and secrets');
  namedLeaf(
    vault,
    'create',
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
        context.show(
          await context.settle(`making ${name}`, 'PUT', context.resource(vaultType, name), {
            location: context.location,
            properties: {
              ...(tenantId === undefined ? {} : { tenantId }),
              sku: { family: 'A', name: 'standard' },
              enableRbacAuthorization: true,
              ...(given.flag('purgeProtection') ? { enablePurgeProtection: true } : {}),
              ...(days === undefined ? {} : { softDeleteRetentionInDays: days }),
            },
          }),
        );
      }),
    );
  leaf(vault, 'list', 'list the key vaults of a resource group', 'vault list -g demo').action(
    act(async (context) =>
      context.list(await context.client.list(`${context.groupPath}/providers/${vaultType}`), {
        name: at('name'),
        location: at('location'),
        uri: at('properties.vaultUri'),
        'purge protection': (row) => at('properties.enablePurgeProtection')(row) ?? false,
      }),
    ),
  );

  const inVault = (command: Command) => command.option('--vault <name>', 'the vault');
  const call = (context: Context) => ({ audience: vaultAudience(context.url), apiVersion: vaultVersion });
  const base = (context: Context, given: Given) => context.vault(given.needed('vault', '--vault NAME'));

  const key = vault.command('key').description('keys of a vault');
  inVault(namedLeaf(key, 'create', 'make an RSA key', 'vault key create workspace-key --vault demo-vault'))
    .option('--size <bits>', 'the size of the key (3072)')
    .action(
      act(async (context, given) => {
        const name = given.name('key');
        const body = { kty: 'RSA', key_size: given.whole('size', '--size') ?? 3072 };
        context.show(
          await context.client.post(`${base(context, given)}/keys/${encodeURIComponent(name)}/create`, {
            ...call(context),
            body,
          }),
        );
      }),
    );
  inVault(leaf(key, 'list', 'list the keys of a vault', 'vault key list --vault demo-vault')).action(
    act(async (context, given) =>
      context.list(await context.client.list(`${base(context, given)}/keys`, call(context)), {
        kid: at('kid'),
        enabled: at('attributes.enabled'),
      }),
    ),
  );
  for (const [word, enabled, description] of [
    ['disable', false, 'switch a key off: within a minute, nothing that is sealed under it opens any more'],
    ['enable', true, 'switch a key on again'],
  ] as const)
    inVault(namedLeaf(key, word, description, `vault key ${word} workspace-key --vault demo-vault`)).action(
      act(async (context, given) => {
        const target = `${base(context, given)}/keys/${encodeURIComponent(given.name('key'))}`;
        context.show(
          (await context.client.settle('PATCH', target, { ...call(context), body: { attributes: { enabled } } })).value,
        );
      }),
    );

  const secret = vault.command('secret').description('secrets of a vault');
  inVault(
    namedLeaf(
      secret,
      'set',
      'store a secret; its value is typed, or read from a file',
      'vault secret set token --vault demo-vault --value-file token.txt',
    ),
  )
    .option('--value-file <file>', "a file with the value; '-' is standard input")
    .action(
      act(async (context, given) => {
        const name = given.name('secret');
        const target = `${base(context, given)}/secrets/${encodeURIComponent(name)}`;
        const file = given.text('valueFile');
        const value =
          file === undefined
            ? await context.shell.askSecret('Value: ')
            : file === '-'
              ? readFileSync(0, 'utf8').replace(/\r?\n$/, '')
              : readSecretFile(file);
        if (value === '') throw new UsageError('The value is empty.');
        const { value: _, ...shown } = (
          await context.client.settle('PUT', target, { ...call(context), body: { value } })
        ).value;
        context.show(shown);
      }),
    );
  inVault(
    namedLeaf(
      secret,
      'show',
      'show a secret; its value only where asked for',
      'vault secret show token --vault demo-vault --show-value',
    ),
  )
    .option('--show-value', 'print the value, too')
    .action(
      act(async (context, given) => {
        const found = await context.client.get(
          `${base(context, given)}/secrets/${encodeURIComponent(given.name('secret'))}`,
          call(context),
        );
        const { value, ...shown } = found;
        context.show(given.flag('showValue') ? { value, ...shown } : shown);
      }),
    );
}
