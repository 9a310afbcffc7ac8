// Keys of a vault.

import type { JsonObject } from '@strongroom/contract/client';
import type { Command } from 'commander';
import { type Act, leaf, namedLeaf } from '../given.ts';
import { changing, listing, looking } from '../options.ts';
import { at } from '../output.ts';
import { collection, inVault, partOf, target, timeOf, vaultCall } from './vault.objects.ts';

type Bundle = JsonObject & { readonly key: { readonly kid: string } };
const columns = {
  name: partOf('kid', 2),
  enabled: at('attributes.enabled'),
  created: timeOf('attributes.created'),
  'not after': timeOf('attributes.exp'),
};

export function keyCommands(vault: Command, act: Act): void {
  const key = vault.command('key').description('keys of a vault');
  inVault(
    namedLeaf(
      key,
      'create',
      changing('server'),
      'make an RSA key',
      'vault key create workspace-key --vault demo-vault',
    ),
  )
    .option('--size <bits>', 'the size of the key (3072)')
    .action(
      act(async (context, given) => {
        const name = given.name('key');
        const body = { kty: 'RSA', key_size: given.whole('size', '--size') ?? 3072 };
        const made = await context.client.post<Bundle>(`${target(context, given, 'keys', 'key')}/create`, {
          ...vaultCall(context),
          body,
        });
        context.done(`key '${name}'`, 'made', made, made.key.kid);
      }),
    );
  inVault(
    namedLeaf(
      key,
      'show',
      looking('server'),
      'show the public half of a key',
      'vault key show workspace-key --vault demo-vault',
    ),
  )
    .option('-v, --version <version>', 'its version (the newest)')
    .action(
      act(async (context, given) => {
        const version = given.text('version');
        const path = target(context, given, 'keys', 'key');
        context.show(
          await context.client.get(
            version === undefined ? path : `${path}/${encodeURIComponent(version)}`,
            vaultCall(context),
          ),
        );
      }),
    );
  inVault(leaf(key, 'list', listing('server'), 'list the keys of a vault', 'vault key list --vault demo-vault')).action(
    act(async (context, given) =>
      context.list(await context.client.list(collection(context, given, 'keys'), vaultCall(context)), columns, {
        more: { identifier: at('kid') },
      }),
    ),
  );
  inVault(
    namedLeaf(
      key,
      'list-versions',
      listing('server'),
      'list the versions of a key, of which a workspace holds to one',
      'vault key list-versions workspace-key --vault demo-vault',
    ),
  ).action(
    act(async (context, given) =>
      context.list(
        await context.client.list(`${target(context, given, 'keys', 'key')}/versions`, vaultCall(context)),
        { version: partOf('kid', 3), ...columns },
        { more: { identifier: at('kid') } },
      ),
    ),
  );
  inVault(
    namedLeaf(
      key,
      'rotate',
      changing('server'),
      'make a new version of a key; what is sealed under an old one stays so until its workspace is told',
      'vault key rotate workspace-key --vault demo-vault',
    ),
  ).action(
    act(async (context, given) => {
      const made = await context.client.post<Bundle>(
        `${target(context, given, 'keys', 'key')}/rotate`,
        vaultCall(context),
      );
      context.done(`key '${given.name('key')}'`, 'rotated', made, made.key.kid);
    }),
  );
  for (const [word, enabled, description] of [
    ['disable', false, 'switch a key off: within a minute, nothing that is sealed under it opens any more'],
    ['enable', true, 'switch a key on again'],
  ] as const)
    inVault(namedLeaf(key, word, changing('server'), description, `vault key ${word} workspace-key --vault demo-vault`))
      .option('-v, --version <version>', 'this version (the newest)')
      .action(
        act(async (context, given) => {
          const version = given.text('version');
          const path = target(context, given, 'keys', 'key');
          const { value } = await context.client.settle(
            'PATCH',
            version === undefined ? path : `${path}/${encodeURIComponent(version)}`,
            { ...vaultCall(context), body: { attributes: { enabled } } },
          );
          context.done(`key '${given.name('key')}'`, enabled ? 'enabled' : 'disabled', value);
        }),
      );
  inVault(
    namedLeaf(
      key,
      'delete',
      { at: 'server', asks: true },
      'delete a key with all its versions; it can be recovered until its retention ends',
      'vault key delete workspace-key --vault demo-vault --yes',
    ),
  ).action(
    act(async (context, given) => {
      const [name, path] = [given.name('key'), target(context, given, 'keys', 'key')];
      await context.confirm(`Delete the key '${name}'? What is sealed under it opens no more.`);
      await context.client.send('DELETE', path, vaultCall(context));
      context.note(`The key '${name}' is deleted.`);
    }),
  );
}
