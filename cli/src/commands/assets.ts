// What models, data and environments have in common: versions under a name, registered, listed, shown (the latest unless said
// otherwise), hidden.

import type { JsonObject } from '@strongroom/contract/client';
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { type Document, documentIfGiven, type Reader, readerOf } from '../document.reader.ts';
import { type Described, defined, type Versioned } from '../documents/references.ts';
import { UsageError } from '../exit.ts';
import { type Act, type Given, namedLeaf, pairs, repeated } from '../given.ts';
import { changing, listing, looking } from '../options.ts';
import { at } from '../output.ts';
import { nameOf, readPrincipals, showNamed } from '../principals.ts';
import { latestVersion, nextVersion } from '../work.ts';

export type VersionedKind = {
  readonly plural: Versioned;
  /** The command. */
  readonly noun: string;
  /** With its article, for sentences: `a model`. */
  readonly called: string;
  /** Columns of a list of versions, by the path of what stands in them. */
  readonly what: Readonly<Record<string, string>>;
};

export function assetCommands<F extends Described>(
  parent: Command,
  act: Act,
  kind: VersionedKind & {
    readonly create: {
      readonly example: string;
      /** Those of its own. */
      readonly options: (command: Command) => void;
      readonly fields: (read: Reader, document: Document) => F;
      /** What it is registered with, the options over the file; nothing is sent before all of them are known to be right. */
      readonly properties: (given: Given, file: F | undefined) => (context: Context) => Promise<JsonObject>;
    };
  },
): void {
  const { plural, called, create } = kind;
  const bare = called.replace(/^an? /, '');

  const creating = namedLeaf(parent, 'create', changing('workspace'), `register ${called}`, create.example)
    .option('-f, --file <file>', `the ${bare}, in the schema of ${plural}; options here win over it`)
    .option('--set <path=value>', 'change a field of the file (several times)', repeated)
    .option('-v, --version <version>', 'its version (the next one)');
  create.options(creating);
  creating
    .option('--description <text>', 'what it is')
    .option('--tag <key=value>', 'a tag (several times)', repeated)
    .action(
      act(async (context, given) => {
        const { client, workspace } = context;
        const document = await documentIfGiven(given.text('file'), given.texts('set'));
        const file = document && fieldsOf(document, create.fields);
        const name = given.nameIfAny ?? file?.name ?? given.name(bare);
        const properties = create.properties(given, file);
        const said = { description: given.text('description'), tags: pairs(given.texts('tag'), '--tag') };
        const version = given.text('version') ?? file?.version ?? (await nextVersion(client, workspace, plural, name));
        const made = await context.settle(
          `registering ${name}:${version}`,
          'PUT',
          workspace.assetVersion(plural, name, version),
          { properties: { ...(await properties(context)), ...defined(said) } },
        );
        context.done(`${bare} '${name}:${version}'`, 'registered', made);
      }),
    );
  versionCommands(parent, act, kind);
}

/** What is done with versions that are there, however they were made. */
export function versionCommands(
  parent: Command,
  act: Act,
  { plural, noun, called, what: columns }: VersionedKind,
): void {
  const bare = called.replace(/^an? /, '');
  const what = Object.fromEntries(Object.entries(columns).map(([title, path]) => [title, at(path)]));
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
        const name = given.name(bare);
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
          const [name, version] = [given.name(bare), given.needed('version', '--version VERSION')];
          const path = context.workspace.assetVersion(plural, name, version);
          const changed = await context.settle('changing', 'PATCH', path, { properties: { isArchived } });
          context.done(
            `${bare} '${name}:${version}'`,
            isArchived ? 'hidden from lists' : 'shown in lists again',
            changed,
          );
        }),
      );
}

function fieldsOf<F>(document: Document, fields: (read: Reader, document: Document) => F): F {
  const read = readerOf(document);
  const found = fields(read, document);
  read.finish();
  return found;
}

/** Where the files of a version are: an address of the workspace, or a file or folder here. */
export const placeIn = (given: Given, file: { readonly place: string } | undefined): string =>
  given.text('path') ?? file?.place ?? given.needed('path', '--path PATH, or -f FILE');

export function typeIn(given: Given, types: readonly string[]): string | undefined {
  const type = given.text('type');
  if (type !== undefined && !types.includes(type)) throw new UsageError(`--type is one of ${types.join(', ')}.`);
  return type;
}
