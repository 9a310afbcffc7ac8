// Data assets: files of the workspace under a name and a version.

import type { Command } from 'commander';
import { type Document, documentIfGiven, readerOf } from '../document.reader.ts';
import { dataFields, dataTypes, isAddress } from '../documents/references.ts';
import { UsageError } from '../exit.ts';
import { type Act, namedLeaf, pairs, repeated } from '../given.ts';
import { changing } from '../options.ts';
import { nextVersion, sendSnapshot } from '../work.ts';
import { assetCommands } from './assets.ts';

export function dataCommands(data: Command, act: Act): void {
  namedLeaf(
    data,
    'create',
    changing('workspace'),
    'register data',
    'data create --name iris --path iris.csv --type uri_file',
  )
    .option('-f, --file <file>', 'the data asset, in the schema of data; options here win over it')
    .option('--set <path=value>', 'change a field of the file (several times)', repeated)
    .option('-v, --version <version>', 'its version (the next one)')
    .option('-p, --path <path>', 'files of a datastore or a job (azureml://…), or a file or folder here')
    .option('-t, --type <type>', `${dataTypes.join(', ')} (uri_folder)`)
    .option('--description <text>', 'what it is')
    .option('--tag <key=value>', 'a tag (several times)', repeated)
    .action(
      act(async (context, given) => {
        const { client, workspace } = context;
        const document = await documentIfGiven(given.text('file'), given.texts('set'));
        const read = document && fieldsOf(document);
        const name = given.nameIfAny ?? read?.name ?? given.name('data asset');
        const place = given.text('path') ?? read?.place ?? given.needed('path', '--path PATH, or -f FILE');
        const type = given.text('type');
        if (type !== undefined && !dataTypes.includes(type))
          throw new UsageError(`--type is one of ${dataTypes.join(', ')}.`);
        const version = given.text('version') ?? read?.version ?? (await nextVersion(client, workspace, 'data', name));
        const [description, tags] = [given.text('description'), pairs(given.texts('tag'), '--tag')];
        const dataUri = isAddress(place)
          ? place
          : await context.progress(`sending ${place}`, async () => (await sendSnapshot(client, workspace, place)).uri);
        const made = await context.settle(
          `registering ${name}:${version}`,
          'PUT',
          workspace.dataVersion(name, version),
          {
            properties: {
              dataType: 'uri_folder',
              ...read?.properties,
              dataUri,
              ...(type === undefined ? {} : { dataType: type }),
              ...(description === undefined ? {} : { description }),
              ...(tags === undefined ? {} : { tags }),
            },
          },
        );
        context.done(`data asset '${name}:${version}'`, 'registered', made);
      }),
    );
  assetCommands(data, act, {
    plural: 'data',
    noun: 'data',
    called: 'a data asset',
    what: { type: 'properties.dataType' },
  });
}

function fieldsOf(document: Document) {
  const read = readerOf(document);
  const fields = dataFields(read, document);
  read.finish();
  return fields;
}
