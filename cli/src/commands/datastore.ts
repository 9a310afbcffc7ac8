// Datastores: names for containers of storage accounts. They hold no credentials.

import type { Command } from 'commander';
import { readDocument } from '../document.reader.ts';
import { datastoreBody } from '../documents/resources.ts';
import { type Act, leaf, namedLeaf, repeated } from '../given.ts';
import { changing, listing, looking } from '../options.ts';
import { at } from '../output.ts';
import { showNamed } from '../principals.ts';

export function datastoreCommands(datastore: Command, act: Act): void {
  namedLeaf(datastore, 'create', changing('workspace'), 'name a container', 'datastore create -f datastore.yml')
    .requiredOption('-f, --file <file>', 'the datastore, in the schema of blob datastores')
    .option('--set <path=value>', 'change a field of the file (several times)', repeated)
    .action(
      act(async (context, given) => {
        const read = datastoreBody(await readDocument(given.needed('file', '-f FILE'), given.texts('set')));
        const name = given.nameIfAny ?? read.name ?? given.name('datastore');
        const made = await context.settle(`making ${name}`, 'PUT', context.workspace.datastore(name), read.body);
        context.done(`datastore '${name}'`, 'made', made);
      }),
    );
  namedLeaf(datastore, 'show', looking('workspace'), 'show a datastore', 'datastore show workspaceblobstore').action(
    act(async (context, given) =>
      showNamed(context, await context.client.get(context.workspace.datastore(given.name('datastore')))),
    ),
  );
  leaf(datastore, 'list', listing('workspace'), 'list the datastores of a workspace', 'datastore list').action(
    act(async (context) =>
      context.list(
        await context.client.list(context.workspace.datastores),
        {
          name: at('name'),
          type: at('properties.datastoreType'),
          account: at('properties.accountName'),
          container: (row) => at('properties.containerName')(row) ?? at('properties.fileShareName')(row),
          default: at('properties.isDefault'),
        },
        { more: { id: at('id') } },
      ),
    ),
  );
}
