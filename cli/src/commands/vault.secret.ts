// Secrets of a vault. A value is read from a file, standard input or a prompt, and is printed only when asked for by name.

import type { Command } from 'commander';
import { UsageError } from '../exit.ts';
import { readGiven, readSecretFile } from '../files.ts';
import { type Act, leaf, namedLeaf } from '../given.ts';
import { changing, listing, looking } from '../options.ts';
import { at } from '../output.ts';
import { collection, inVault, partOf, target, timeOf, vaultCall } from './vault.objects.ts';

export function secretCommands(vault: Command, act: Act): void {
  const secret = vault.command('secret').description('secrets of a vault');
  inVault(
    namedLeaf(
      secret,
      'set',
      changing('server'),
      'store a secret; its value is typed, or read from a file',
      'vault secret set token --vault demo-vault --value-file token.txt',
    ),
  )
    .option('--value-file <file>', "a file with the value; '-' is standard input")
    .action(
      act(async (context, given) => {
        const path = target(context, given, 'secrets', 'secret');
        const file = given.text('valueFile');
        const value =
          file === undefined
            ? await context.shell.askSecret('Value: ')
            : file === '-'
              ? readGiven(file, 'orInput')
                  .toString('utf8')
                  .replace(/\r?\n$/, '')
              : readSecretFile(file);
        if (value === '') throw new UsageError('The value is empty.');
        const { value: answered } = await context.client.settle('PUT', path, {
          ...vaultCall(context),
          body: { value },
        });
        const { value: _, ...shown } = answered;
        context.done(`secret '${given.name('secret')}'`, 'stored', shown);
      }),
    );
  inVault(
    namedLeaf(
      secret,
      'show',
      looking('server'),
      'show a secret; its value only where asked for',
      'vault secret show token --vault demo-vault --show-value',
    ),
  )
    .option('-v, --version <version>', 'its version (the newest)')
    .option('--show-value', 'print the value, too')
    .action(
      act(async (context, given) => {
        const [version, showValue] = [given.text('version'), given.flag('showValue')];
        const path = target(context, given, 'secrets', 'secret');
        const { value, ...shown } = await context.client.get(
          version === undefined ? path : `${path}/${encodeURIComponent(version)}`,
          vaultCall(context),
        );
        context.show(showValue ? { value, ...shown } : shown);
      }),
    );
  inVault(
    leaf(
      secret,
      'list',
      listing('server'),
      'list the secrets of a vault, without their values',
      'vault secret list --vault demo-vault',
    ),
  ).action(
    act(async (context, given) =>
      context.list(
        await context.client.list(collection(context, given, 'secrets'), vaultCall(context)),
        {
          name: partOf('id', 2),
          enabled: at('attributes.enabled'),
          created: timeOf('attributes.created'),
          'not after': timeOf('attributes.exp'),
        },
        { more: { identifier: at('id') } },
      ),
    ),
  );
  inVault(
    namedLeaf(
      secret,
      'delete',
      { at: 'server', asks: true },
      'delete a secret with all its versions; it can be recovered until its retention ends',
      'vault secret delete token --vault demo-vault --yes',
    ),
  ).action(
    act(async (context, given) => {
      const [name, path] = [given.name('secret'), target(context, given, 'secrets', 'secret')];
      await context.confirm(`Delete the secret '${name}'?`);
      await context.client.send('DELETE', path, vaultCall(context));
      context.note(`The secret '${name}' is deleted.`);
    }),
  );
}
