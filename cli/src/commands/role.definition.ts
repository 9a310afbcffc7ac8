// Role definitions: what each role holds. Built-in ones are listed and shown; custom ones are made from a file in Azure's shape.

import { randomUUID } from 'node:crypto';
import type { JsonObject } from '@strongroom/contract/client';
import { subscriptionPath } from '@strongroom/contract/client.paths';
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { readDocument } from '../document.reader.ts';
import { definitionBody } from '../documents/resources.ts';
import { NotThere } from '../exit.ts';
import { type Act, leaf, namedLeaf } from '../given.ts';
import { meant } from '../nearest.ts';
import { changing, listing, looking } from '../options.ts';
import { at } from '../output.ts';
import { isGuid, showNamed } from '../principals.ts';
import { below, provider } from './scopes.ts';

export type Definition = JsonObject & {
  readonly id: string;
  readonly name: string;
  readonly properties: JsonObject & { readonly roleName: string; readonly type: string };
};

const path = (context: Context) => `${subscriptionPath(context.subscription)}/${provider}/roleDefinitions`;
export const idOfDefinition = (context: Context, guid: string): string => `${path(context)}/${guid}`;
export const definitionsAt = async (context: Context, scope: string): Promise<readonly Definition[]> =>
  await context.client.list<Definition>(below(scope, `${provider}/roleDefinitions`));

/** By name or id, among those of the subscription. */
async function find(context: Context, role: string): Promise<Definition> {
  const roles = await definitionsAt(context, subscriptionPath(context.subscription));
  const isIt = ({ name, properties }: Definition) =>
    (isGuid(role) ? name : properties.roleName).toLowerCase() === role.toLowerCase();
  const found = roles.find(isIt);
  if (found !== undefined) return found;
  const names = roles.map(({ properties }) => properties.roleName);
  throw new NotThere(`There is no role '${role}'. ${meant(role, names)}'strongroom role definition list' shows all.`);
}

export function definitionCommands(role: Command, act: Act): void {
  const definition = role.command('definition').description('what roles hold');
  leaf(definition, 'list', listing('subscription'), 'list roles', 'role definition list --custom')
    .option('--custom', 'only those that were made here')
    .action(
      act(async (context, given) => {
        const all = await definitionsAt(context, subscriptionPath(context.subscription));
        const custom = given.flag('custom');
        context.list(
          all.filter(({ properties }) => !custom || properties.type === 'CustomRole'),
          {
            role: at('properties.roleName'),
            type: (row) => (at('properties.type')(row) === 'CustomRole' ? 'custom' : 'built-in'),
            description: at('properties.description'),
          },
          { more: { id: at('id') } },
        );
      }),
    );
  namedLeaf(
    definition,
    'show',
    looking('subscription'),
    'show what a role holds',
    "role definition show 'AzureML Data Scientist'",
  ).action(act(async (context, given) => showNamed(context, await find(context, given.name('role')))));
  leaf(
    definition,
    'create',
    changing('subscription'),
    'make a custom role from a file, or replace the one of that name',
    'role definition create -f role.json',
  )
    .requiredOption('-f, --file <file>', "JSON or YAML with Name, Actions, … as 'az role definition create' takes it")
    .action(
      act(async (context, given) => {
        const document = await readDocument(given.needed('file', '-f FILE'));
        const { name, body } = definitionBody(document, subscriptionPath(context.subscription));
        const before = (await definitionsAt(context, subscriptionPath(context.subscription))).find(
          ({ properties }) => properties.roleName.toLowerCase() === name.toLowerCase(),
        );
        const made = await context.settle(
          `making ${name}`,
          'PUT',
          idOfDefinition(context, before?.name ?? randomUUID()),
          body,
        );
        context.done(`role '${name}'`, before === undefined ? 'made' : 'replaced', made);
      }),
    );
  namedLeaf(
    definition,
    'delete',
    { at: 'subscription', asks: true },
    'delete a custom role that nobody has',
    "role definition delete 'Model reader' --yes",
  ).action(
    act(async (context, given) => {
      const { id, properties } = await find(context, given.name('role'));
      await context.confirm(`Delete the role '${properties.roleName}'?`);
      await context.client.settle('DELETE', id);
      context.note(`The role '${properties.roleName}' is deleted.`);
    }),
  );
}
