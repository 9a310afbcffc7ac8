// People in the directory. A password is typed or read from a file, and is never printed.

import type { GraphUser } from '@strongroom/contract/graph';
import { type Command, Option } from 'commander';
import type { Context } from '../context.ts';
import { UsageError } from '../exit.ts';
import { readSecretFile } from '../files.ts';
import { type Act, type Given, leaf, namedLeaf } from '../given.ts';
import { changing, listing, looking } from '../options.ts';
import { at } from '../output.ts';
import { directoryCall, directoryPath } from '../principals.ts';

const users = `${directoryPath}/users`;
const pathOf = (given: Given) => `${users}/${encodeURIComponent(given.name('user'))}`;
const withPassword = (command: Command) =>
  command.option('--password-file <file>', 'a file with the password (typed without echo)');
async function passwordOf(context: Context, given: Given): Promise<string> {
  const file = given.text('passwordFile');
  return file === undefined ? await context.shell.askSecret('Password: ') : readSecretFile(file);
}

const flags = ['true', 'false'] as const;
const flagOf = (given: Given, name: string): boolean | undefined => {
  const text = given.text(name);
  return text === undefined ? undefined : text === 'true';
};

export function userCommands(user: Command, act: Act): void {
  leaf(user, 'list', listing('server'), 'list the users of the directory', 'user list').action(
    act(async (context) => {
      const found: GraphUser[] = [];
      for (let next: string | undefined = users; next !== undefined; ) {
        const page: { readonly value: readonly GraphUser[]; readonly '@odata.nextLink'?: string } =
          await context.client.get(next, directoryCall(context));
        found.push(...page.value);
        next = page['@odata.nextLink'];
      }
      context.list(
        found,
        { user: at('userPrincipalName'), name: at('displayName'), enabled: at('accountEnabled') },
        { more: { 'object id': at('id') } },
      );
    }),
  );
  namedLeaf(user, 'show', looking('server'), 'show a user', 'user show ada@strongroom.local').action(
    act(async (context, given) => context.show(await context.client.get(pathOf(given), directoryCall(context)))),
  );
  withPassword(
    namedLeaf(
      user,
      'create',
      changing('server'),
      'make a user, who can do nothing before a role is given',
      "user create ada@strongroom.local --display-name 'Ada Lovelace' --password-file ada.txt",
    ),
  )
    .option('--display-name <text>', 'how he is called (as he signs in)')
    .action(
      act(async (context, given) => {
        const userPrincipalName = given.name('user');
        const displayName = given.text('displayName') ?? userPrincipalName;
        const password = await passwordOf(context, given);
        const made = await context.client.post(users, {
          ...directoryCall(context),
          body: { userPrincipalName, displayName, passwordProfile: { password } },
        });
        context.done(`user '${userPrincipalName}'`, 'made', made);
      }),
    );
  namedLeaf(
    user,
    'update',
    changing('server'),
    'change how a user is called, whether he may sign in, or his password',
    "user update ada@strongroom.local --display-name 'Ada King' --enabled true",
  )
    .option('--display-name <text>', 'how he is called')
    .addOption(new Option('--enabled <flag>', 'whether he may sign in; false ends his sessions').choices([...flags]))
    .option('--password-file <file>', 'a file with a new password; his sessions end')
    .addOption(
      new Option(
        '--change-password <flag>',
        'whether he must change it when he signs in next (true with a new password)',
      ).choices([...flags]),
    )
    .action(
      act(async (context, given) => {
        const displayName = given.text('displayName');
        const accountEnabled = flagOf(given, 'enabled');
        const file = given.text('passwordFile');
        const password = file === undefined ? undefined : readSecretFile(file);
        const force = flagOf(given, 'changePassword');
        const passwordProfile = {
          ...(password === undefined ? {} : { password }),
          ...(force === undefined ? {} : { forceChangePasswordNextSignIn: force }),
        };
        const change = {
          ...(displayName === undefined ? {} : { displayName }),
          ...(accountEnabled === undefined ? {} : { accountEnabled }),
          ...(Object.keys(passwordProfile).length === 0 ? {} : { passwordProfile }),
        };
        if (Object.keys(change).length === 0)
          throw new UsageError(
            'What is to change? Give --display-name, --enabled, --password-file or --change-password.',
          );
        const path = pathOf(given);
        await context.client.send('PATCH', path, { ...directoryCall(context), body: change });
        context.done(`user '${given.name('user')}'`, 'changed', await context.client.get(path, directoryCall(context)));
      }),
    );
  withPassword(
    namedLeaf(
      user,
      'reset-password',
      { at: 'server' },
      'give a user a new password; his sessions end',
      'user reset-password ada@strongroom.local --password-file ada.txt',
    ),
  ).action(
    act(async (context, given) => {
      const path = pathOf(given);
      const password = await passwordOf(context, given);
      await context.client.send('PATCH', path, { ...directoryCall(context), body: { passwordProfile: { password } } });
      context.note(`The user '${given.name('user')}' has a new password.`);
    }),
  );
  for (const [word, accountEnabled, description] of [
    ['disable', false, 'keep a user from signing in; his sessions end, his roles stay'],
    ['enable', true, 'let a user sign in again'],
  ] as const)
    namedLeaf(user, word, { at: 'server' }, description, `user ${word} ada@strongroom.local`).action(
      act(async (context, given) => {
        await context.client.send('PATCH', pathOf(given), { ...directoryCall(context), body: { accountEnabled } });
        context.note(`The user '${given.name('user')}' is ${word}d.`);
      }),
    );
  namedLeaf(
    user,
    'delete',
    { at: 'server', asks: true },
    'remove a user, and his roles with him',
    'user delete ada@strongroom.local --yes',
  ).action(
    act(async (context, given) => {
      const [name, path] = [given.name('user'), pathOf(given)];
      await context.confirm(`Remove the user '${name}' with his roles?`);
      await context.client.send('DELETE', path, directoryCall(context));
      context.note(`The user '${name}' is removed.`);
    }),
  );
}
