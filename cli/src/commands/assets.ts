// What models, data and environments have in common: versions under a name, listed, shown (the latest unless said otherwise), hidden.

import type { Command } from 'commander';
import type { Versioned } from '../documents/references.ts';
import { type Act, namedLeaf } from '../given.ts';
import { changing, listing, looking } from '../options.ts';
import { at } from '../output.ts';
import { nameOf, readPrincipals, showNamed } from '../principals.ts';
import { latestVersion } from '../work.ts';

export function assetCommands(
  parent: Command,
  act: Act,
  kind: {
    readonly plural: Versioned;
    /** The command. */
    readonly noun: string;
    /** With its article, for sentences: `a model`. */
    readonly called: string;
    /** Columns of a list of versions, by the path of what stands in them. */
    readonly what: Readonly<Record<string, string>>;
  },
): void {
  const { plural, noun, called } = kind;
  const what = Object.fromEntries(Object.entries(kind.what).map(([title, path]) => [title, at(path)]));

  namedLeaf(
    parent,
    'list',
    listing('workspace'),
    `list ${plural}, or the versions of one`,
    `${noun} list --name iris`,
  ).action(
    act(async (context, given) => {
      const name = given.nameIfAny;
      if (name === undefined)
        return context.list(
          await context.client.list(context.workspace.assets(plural)),
          {
            name: at('name'),
            latest: at('properties.latestVersion'),
            description: at('properties.description'),
          },
          { more: { id: at('id') } },
        );
      const versions = await context.client.list(context.workspace.assetVersions(plural, name));
      const by = at('systemData.createdBy');
      const people = await readPrincipals(context, context.printsColumns ? versions.map(by) : []);
      context.list(
        versions,
        {
          name: () => name,
          version: at('name'),
          ...what,
          created: at('systemData.createdAt'),
          by: (row) => nameOf(people, by(row)),
        },
        { more: { id: at('id') } },
      );
    }),
  );
  namedLeaf(parent, 'show', looking('workspace'), `show a version of ${called}`, `${noun} show iris --version 1`)
    .option('-v, --version <version>', 'its version (the latest)')
    .action(
      act(async (context, given) => {
        const { client, workspace } = context;
        const name = given.name(called.replace(/^an? /, ''));
        const version = given.text('version') ?? (await latestVersion(client, workspace, plural, name));
        await showNamed(context, await client.get(workspace.assetVersion(plural, name, version)));
      }),
    );
  for (const [word, isArchived, description] of [
    ['archive', true, `hide a version of ${called} from lists`],
    ['restore', false, 'show in lists again what was hidden'],
  ] as const)
    namedLeaf(parent, word, changing('workspace'), description, `${noun} ${word} --name iris --version 1`)
      .requiredOption('-v, --version <version>', 'its version')
      .action(
        act(async (context, given) => {
          const [name, version] = [
            given.name(called.replace(/^an? /, '')),
            given.needed('version', '--version VERSION'),
          ];
          const path = context.workspace.assetVersion(plural, name, version);
          const changed = await context.settle('changing', 'PATCH', path, { properties: { isArchived } });
          context.done(
            `${called.replace(/^an? /, '')} '${name}:${version}'`,
            isArchived ? 'hidden from lists' : 'shown in lists again',
            changed,
          );
        }),
      );
}
