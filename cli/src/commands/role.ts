// Role assignments: who has which role where. The place is said, never assumed, and printed in full.

import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { NotThere, UsageError } from '../exit.ts';
import { type Act, leaf } from '../given.ts';
import { meant } from '../nearest.ts';
import { changing, listing } from '../options.ts';
import { at } from '../output.ts';
import { findPrincipal, isGuid, kindOf, nameOf, readPrincipals } from '../principals.ts';
import { type Definition, definitionCommands, definitionsAt, idOfDefinition } from './role.definition.ts';
import { below, provider, scoped, scopeToChange, scopeToRead } from './scopes.ts';

type Assignment = {
  readonly id: string;
  readonly properties: {
    readonly roleDefinitionId: string;
    readonly principalId: string;
    readonly scope: string;
    readonly expiresOn?: string;
  };
};

export function roleCommands(role: Command, act: Act): void {
  const assignment = role.command('assignment').description('who has which role where');
  definitionCommands(role, act);
  leaf(
    role,
    'elevate',
    { at: 'server' },
    'as the administrator of the first start: become User Access Administrator at /, where nobody has a role at first',
    'role elevate',
  ).action(
    act(async (context) => {
      await context.client.send('POST', `/${provider}/elevateAccess?api-version=2016-07-01`);
      context.note(
        "You are User Access Administrator at / from this moment. Take it back with 'strongroom role assignment delete --scope /' when you are done.",
      );
    }),
  );
  const ofWhom = (command: Command) =>
    scoped(command).option('--assignee <who>', "an object id, a user's name or an application's name");

  ofWhom(
    leaf(
      assignment,
      'create',
      changing('workspace'),
      'give somebody a role',
      "role assignment create --assignee ada@strongroom.local --role 'AzureML Data Scientist' -g team -w research",
    ),
  )
    .option('--role <role>', 'the name of a role, or its id')
    .option('--expires-on <time>', 'when it ends, for example 2031-01-31T18:00:00Z')
    .option('--require-mfa', 'only while signed in with a second factor')
    .action(
      act(async (context, given) => {
        const scope = scopeToChange(context, given);
        const role = given.needed('role', '--role ROLE');
        const principal = await findPrincipal(context, given.needed('assignee', '--assignee WHO'));
        const roleDefinitionId = await roleIdOf(context, scope, role);
        const expiresOn = given.text('expiresOn');
        const made = await context.settle(
          'assigning',
          'PUT',
          below(scope, `${provider}/roleAssignments/${randomUUID()}`),
          {
            properties: {
              roleDefinitionId,
              principalId: principal.id,
              ...(principal.type === undefined ? {} : { principalType: principal.type }),
              ...(expiresOn === undefined ? {} : { expiresOn }),
              ...(given.flag('requireMfa') ? { requireMfa: true } : {}),
            },
          },
        );
        context.say(`${principal.name} has the role '${role}' at ${scope}`, made);
      }),
    );

  ofWhom(
    leaf(
      assignment,
      'list',
      listing('workspace'),
      'list who has which role at a place, above it and below it',
      'role assignment list --assignee ada@strongroom.local',
    ),
  ).action(
    act(async (context, given) => {
      const scope = scopeToRead(context, given);
      const who = given.text('assignee');
      const $filter = who === undefined ? undefined : `principalId eq '${(await findPrincipal(context, who)).id}'`;
      const found = await context.client.list<Assignment>(below(scope, `${provider}/roleAssignments`), {
        query: { $filter },
      });
      const shown = context.printsColumns;
      const principals = await readPrincipals(
        context,
        shown ? found.map(({ properties }) => properties.principalId) : [],
      );
      const roles = new Map(
        (shown ? await definitionsAt(context, scope) : []).map(({ id, properties }) => [
          lastOf(id),
          properties.roleName,
        ]),
      );
      const [roleId, principalId] = [at('properties.roleDefinitionId'), at('properties.principalId')];
      const whoIn = (row: object) => nameOf(principals, principalId(row));
      // What workspaces were given for their own work stands last, so that it does not bury the people.
      const order = ['user', 'application', 'gone', 'managed identity'];
      const rank = (row: object) => order.indexOf(kindOf(principals, principalId(row)));
      context.list(
        shown ? found.toSorted((a, b) => rank(a) - rank(b) || whoIn(a).localeCompare(whoIn(b))) : found,
        {
          role: (row) => roles.get(lastOf(String(roleId(row)))) ?? roleId(row),
          who: whoIn,
          type: (row) => kindOf(principals, principalId(row)),
          until: at('properties.expiresOn'),
          scope: at('properties.scope'),
        },
        { more: { 'object id': principalId, assignment: at('id') }, whole: ['scope'] },
      );
    }),
  );

  ofWhom(
    leaf(
      assignment,
      'delete',
      { at: 'workspace', asks: true },
      'take a role away',
      "role assignment delete --assignee ada@strongroom.local --role 'AzureML Data Scientist' -g team -w research",
    ),
  )
    .option('--ids <id>', 'the id of the assignment, instead of who, which and where')
    .option('--role <role>', 'with --assignee: which role')
    .action(
      act(async (context, given) => {
        const id = given.text('ids');
        const [who, role] = [given.text('assignee'), given.text('role')];
        if (id !== undefined) {
          const others = ['scope', 'subscriptionWide', 'resourceGroup', 'workspace', 'subscription'];
          if (who !== undefined || role !== undefined || others.some((name) => given.text(name) ?? given.flag(name)))
            throw new UsageError(
              '--ids says already which assignment: leave out --assignee, --role, --scope, --subscription-wide, --subscription, -g and -w.',
            );
          await context.confirm(`Take this role away (${id})?`);
          await context.client.settle('DELETE', id);
        } else {
          const whom = given.needed('assignee', '--ids ID, or --assignee WHO and --role ROLE');
          const which = given.needed('role', '--role ROLE');
          const scope = scopeToChange(context, given);
          const found = await assignmentOf(context, scope, whom, which);
          await context.confirm(`Take the role '${which}' at ${scope} away from '${whom}'?`);
          await context.client.settle('DELETE', found);
        }
        context.note('The assignment is deleted, and counts no more from this moment.');
      }),
    );
}

const lastOf = (id: string) => id.split('/').at(-1)?.toLowerCase();

/** By its name as it is spelled, or an id. */
async function roleIdOf(context: Context, scope: string, role: string): Promise<string> {
  if (role.startsWith('/')) return role;
  if (isGuid(role)) return idOfDefinition(context, role);
  const roles = await definitionsAt(context, scope);
  const same = ({ properties }: Definition) => properties.roleName.toLowerCase() === role.toLowerCase();
  const found = roles.find(same);
  if (found !== undefined) return found.id;
  const names = roles.map(({ properties }) => properties.roleName);
  throw new NotThere(
    `There is no role '${role}' at ${scope}. ${meant(role, names)}'strongroom role definition list' shows all.`,
  );
}

async function assignmentOf(context: Context, scope: string, who: string, role: string): Promise<string> {
  const [{ id: principalId }, roleId] = await Promise.all([
    findPrincipal(context, who),
    roleIdOf(context, scope, role),
  ]);
  const found = await context.client.list<Assignment>(below(scope, `${provider}/roleAssignments`), {
    query: { $filter: `principalId eq '${principalId}'` },
  });
  const ofRole = found.filter(({ properties }) => lastOf(properties.roleDefinitionId) === lastOf(roleId));
  const match = ofRole.find(({ properties }) => properties.scope.toLowerCase() === scope.toLowerCase());
  if (match !== undefined) return match.id;
  const elsewhere = ofRole.map(({ properties }) => properties.scope).slice(0, 5);
  throw new NotThere(
    `'${who}' does not have the role '${role}' at ${scope} itself${elsewhere.length === 0 ? '' : `, but at ${elsewhere.join(', ')}`}.`,
  );
}
