// Connections: what a workspace knows of services outside. Their credentials are printed by one command alone.

import type { Command } from 'commander';
import { readDocument } from '../document.reader.ts';
import { connectionBody } from '../documents/connection.ts';
import { type Act, leaf, namedLeaf, repeated } from '../given.ts';
import { changing, listing, looking, removing } from '../options.ts';
import { at } from '../output.ts';
import { showNamed } from '../principals.ts';

export function connectionCommands(connection: Command, act: Act): void {
  namedLeaf(
    connection,
    'create',
    changing('workspace'),
    'keep a connection, or change one; without credentials it keeps its own while it goes where it went',
    'connection create -f connection.yml',
  )
    .requiredOption('-f, --file <file>', 'the connection, in the schema of connections')
    .option('--set <path=value>', 'change a field of the file (several times)', repeated)
    .action(
      act(async (context, given) => {
        const read = connectionBody(await readDocument(given.needed('file', '-f FILE'), given.texts('set')));
        const name = given.nameIfAny ?? read.name ?? given.name('connection');
        const made = await context.settle(`making ${name}`, 'PUT', context.workspace.connection(name), read.body);
        context.done(`connection '${name}'`, 'kept', made);
      }),
    );
  namedLeaf(
    connection,
    'show',
    looking('workspace'),
    'show a connection, without its credentials',
    'connection show team_git',
  ).action(
    act(async (context, given) =>
      showNamed(context, await context.client.get(context.workspace.connection(given.name('connection')))),
    ),
  );
  leaf(connection, 'list', listing('workspace'), 'list the connections of a workspace', 'connection list').action(
    act(async (context) =>
      context.list(
        await context.client.list(context.workspace.connections),
        {
          name: at('name'),
          category: at('properties.category'),
          target: at('properties.target'),
          'signs in by': at('properties.authType'),
        },
        { more: { id: at('id') } },
      ),
    ),
  );
  namedLeaf(
    connection,
    'list-secrets',
    changing('workspace'),
    'print a connection with its credentials',
    'connection list-secrets team_git --query properties.credentials -o json',
  ).action(
    act(async (context, given) =>
      context.show(await context.client.post(`${context.workspace.connection(given.name('connection'))}/listSecrets`)),
    ),
  );
  namedLeaf(
    connection,
    'delete',
    removing('workspace'),
    'remove a connection and its credentials',
    'connection delete team_git --yes',
  ).action(
    act(async (context, given) => {
      const name = given.name('connection');
      await context.confirm(`Delete the connection '${name}'?`);
      await context.settle(`deleting ${name}`, 'DELETE', context.workspace.connection(name));
      context.over(`connection '${name}'`, 'deleted');
    }),
  );
}
