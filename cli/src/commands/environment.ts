// Environments: images that deployments are built upon.

import type { Command } from 'commander';
import { type Document, documentIfGiven, readerOf } from '../document.reader.ts';
import { environmentFields } from '../documents/references.ts';
import { type Act, namedLeaf, pairs, repeated } from '../given.ts';
import { changing } from '../options.ts';
import { nextVersion } from '../work.ts';
import { assetCommands } from './assets.ts';

export function environmentCommands(environment: Command, act: Act): void {
  namedLeaf(
    environment,
    'create',
    changing('workspace'),
    'register an environment',
    'environment create scoring --image scoring-base:1',
  )
    .option('-f, --file <file>', 'the environment, in the schema of environments; options here win over it')
    .option('--set <path=value>', 'change a field of the file (several times)', repeated)
    .option('-v, --version <version>', 'its version (the next one)')
    .option('--image <image>', "repository and tag or digest in the workspace's registry")
    .option('--description <text>', 'what it is')
    .option('--tag <key=value>', 'a tag (several times)', repeated)
    .action(
      act(async (context, given) => {
        const { client, workspace } = context;
        const document = await documentIfGiven(given.text('file'), given.texts('set'));
        const read = document && fieldsOf(document);
        const name = given.nameIfAny ?? read?.name ?? given.name('environment');
        const version =
          given.text('version') ?? read?.version ?? (await nextVersion(client, workspace, 'environments', name));
        const [image, description] = [given.text('image'), given.text('description')];
        const tags = pairs(given.texts('tag'), '--tag');
        const made = await context.settle(
          `registering ${name}:${version}`,
          'PUT',
          workspace.environmentVersion(name, version),
          {
            properties: {
              osType: 'Linux',
              ...read?.properties,
              ...(image === undefined ? {} : { image }),
              ...(description === undefined ? {} : { description }),
              ...(tags === undefined ? {} : { tags }),
            },
          },
        );
        context.done(`environment '${name}:${version}'`, 'registered', made);
      }),
    );
  assetCommands(environment, act, {
    plural: 'environments',
    noun: 'environment',
    called: 'an environment',
    what: { image: 'properties.image' },
  });
}

function fieldsOf(document: Document) {
  const read = readerOf(document);
  const fields = environmentFields(read, document);
  read.finish();
  return fields;
}
