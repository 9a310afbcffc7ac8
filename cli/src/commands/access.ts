// Who may do what: role assignments, and why somebody may or may not.

import { randomUUID } from 'node:crypto';
import { ServiceError } from '@strongroom/contract/client';
import { directoryAudience, subscriptionPath } from '@strongroom/contract/client.paths';
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { UsageError } from '../exit.ts';
import { type Act, leaf } from '../given.ts';
import { at } from '../output.ts';

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const provider = 'providers/Microsoft.Authorization';
type Principal = { readonly id: string; readonly type: 'User' | 'ServicePrincipal' | undefined };

export function accessCommands(program: Command, act: Act): void {
  const assignment = program
    .command('role')
    .description('roles')
    .command('assignment')
    .description('who has which role where');
  const scoped = (command: Command) =>
    command
      .option('--scope <id>', 'a resource id (the subscription)')
      .option('--assignee <who>', "an object id, a user's name or an application's name");

  scoped(
    leaf(
      assignment,
      'create',
      'give somebody a role',
      "role assignment create --assignee ada@strongroom.local --role 'AzureML Data Scientist' --scope /subscriptions/…",
    ),
  )
    .option('--role <role>', 'the name of a role, or its id')
    .option('--expires-on <time>', 'when it ends, for example 2031-01-31T18:00:00Z')
    .option('--require-mfa', 'only while signed in with a second factor')
    .action(
      act(async (context, given) => {
        const scope = scopeOf(context, given.text('scope'));
        const role = given.needed('role', '--role ROLE');
        const principal = await principalOf(context, given.needed('assignee', '--assignee WHO'));
        const roleDefinitionId = await roleIdOf(context, scope, role);
        const expiresOn = given.text('expiresOn');
        context.show(
          await context.settle('assigning', 'PUT', `${scope}/${provider}/roleAssignments/${randomUUID()}`, {
            properties: {
              roleDefinitionId,
              principalId: principal.id,
              ...(principal.type === undefined ? {} : { principalType: principal.type }),
              ...(expiresOn === undefined ? {} : { expiresOn }),
              ...(given.flag('requireMfa') ? { requireMfa: true } : {}),
            },
          }),
        );
      }),
    );
  scoped(
    leaf(assignment, 'list', 'list who has which role', 'role assignment list --assignee ada@strongroom.local'),
  ).action(
    act(async (context, given) => {
      const scope = scopeOf(context, given.text('scope'));
      const who = given.text('assignee');
      const $filter = who === undefined ? undefined : `principalId eq '${(await principalOf(context, who)).id}'`;
      const [found, roles] = await Promise.all([
        context.client.list(`${scope}/${provider}/roleAssignments`, { query: { $filter } }),
        context.client.list<{ readonly id: string; readonly properties: { readonly roleName: string } }>(
          `${scope}/${provider}/roleDefinitions`,
        ),
      ]);
      const names = new Map(
        roles.map(({ id, properties }) => [id.split('/').at(-1)?.toLowerCase(), properties.roleName]),
      );
      context.list(found, {
        role: (row) =>
          names.get(String(at('properties.roleDefinitionId')(row)).split('/').at(-1)?.toLowerCase()) ??
          at('properties.roleDefinitionId')(row),
        principal: at('properties.principalId'),
        type: at('properties.principalType'),
        // The table is for people: what is the same in every line is left out.
        scope: (row) => String(at('properties.scope')(row)).replace(`${subscriptionPath(context.subscription)}/`, ''),
        name: at('name'),
      });
    }),
  );
  scoped(
    leaf(assignment, 'delete', 'take a role away', 'role assignment delete --ids /subscriptions/…/roleAssignments/…'),
  )
    .option('--ids <id>', 'the id of the assignment')
    .option('--role <role>', 'with --assignee: which role')
    .action(
      act(async (context, given) => {
        const id =
          given.text('ids') ??
          (await assignmentOf(
            context,
            scopeOf(context, given.text('scope')),
            given.needed('assignee', '--ids ID, or --assignee WHO and --role ROLE'),
            given.needed('role', '--role ROLE'),
          ));
        await context.confirm(`Take this role away (${id})?`);
        await context.settle('deleting', 'DELETE', id);
        context.note('The assignment is deleted, and counts no more from this moment.');
      }),
    );

  const access = program.command('access').description('what somebody may do, and why');
  leaf(
    access,
    'explain',
    'explain why somebody may or may not do something',
    'access explain --assignee ada@strongroom.local --action Microsoft.MachineLearningServices/workspaces/jobs/write',
  )
    .option('--assignee <who>', "an object id, a user's name or an application's name (yourself)")
    .option('--action <action>', 'what, by the name of the action')
    .option('--scope <id>', 'where: a resource id (the subscription)')
    .action(
      act(async (context, given) => {
        const who = given.text('assignee');
        const principalId = who === undefined ? await selfOf(context) : (await principalOf(context, who)).id;
        const action = given.needed('action', '--action ACTION');
        const answer = await context.client.get(
          `${scopeOf(context, given.text('scope'))}/providers/Strongroom.Access/explanations`,
          { query: { principalId, action } },
        );
        context.show(answer);
      }),
    );
}

const scopeOf = (context: Context, scope: string | undefined): string => {
  if (scope !== undefined && !scope.startsWith('/'))
    throw new UsageError(`A scope is a resource id, such as ${subscriptionPath('…')}; '${scope}' is none.`);
  return (scope ?? subscriptionPath(context.subscription)).replace(/\/+$/, '');
};

async function selfOf(context: Context): Promise<string> {
  const { readClaims } = await import('../session.ts');
  return String(readClaims(await context.sessions.token(context.url, context.url))['oid']);
}

async function principalOf(context: Context, who: string): Promise<Principal> {
  if (guid.test(who)) return { id: who, type: undefined };
  const call = { audience: directoryAudience(context.url), apiVersion: null };
  try {
    const user = await context.client.get<{ readonly id: string }>(
      `/msgraph/v1.0/users/${encodeURIComponent(who)}`,
      call,
    );
    return { id: user.id, type: 'User' };
  } catch (thrown) {
    if (!(thrown instanceof ServiceError) || (thrown.status !== 404 && thrown.status !== 400)) throw thrown;
  }
  const found = await context.client.list<{ readonly id: string }>('/msgraph/v1.0/servicePrincipals', {
    ...call,
    query: { $filter: `displayName eq '${who.replaceAll("'", "''")}'` },
  });
  const [only, another] = found;
  if (only === undefined)
    throw new UsageError(`Nobody is called '${who}': no user and no application. Give an object id.`);
  if (another !== undefined) throw new UsageError(`Several applications are called '${who}'. Give an object id.`);
  return { id: only.id, type: 'ServicePrincipal' };
}

async function roleIdOf(context: Context, scope: string, role: string): Promise<string> {
  if (role.startsWith('/')) return role;
  if (guid.test(role)) return `${subscriptionPath(context.subscription)}/${provider}/roleDefinitions/${role}`;
  const [definition] = await context.client.list<{ readonly id: string }>(`${scope}/${provider}/roleDefinitions`, {
    query: { $filter: `roleName eq '${role.replaceAll("'", "''")}'` },
  });
  if (definition === undefined) throw new UsageError(`There is no role '${role}' at ${scope}.`);
  return definition.id;
}

async function assignmentOf(context: Context, scope: string, who: string, role: string): Promise<string> {
  const [{ id: principalId }, roleId] = await Promise.all([principalOf(context, who), roleIdOf(context, scope, role)]);
  const last = (id: string) => id.split('/').at(-1)?.toLowerCase();
  const found = await context.client.list<{
    readonly id: string;
    readonly properties: { readonly roleDefinitionId: string; readonly scope: string };
  }>(`${scope}/${provider}/roleAssignments`, { query: { $filter: `principalId eq '${principalId}'` } });
  const [match] = found.filter(
    ({ properties }) =>
      last(properties.roleDefinitionId) === last(roleId) && properties.scope.toLowerCase() === scope.toLowerCase(),
  );
  if (match === undefined) throw new UsageError(`'${who}' does not have the role '${role}' at ${scope} itself.`);
  return match.id;
}
