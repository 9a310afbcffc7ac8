// Why somebody may or may not do something.

import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { type Act, leaf } from '../given.ts';
import { looking } from '../options.ts';
import { findPrincipal, showNamed } from '../principals.ts';
import { readClaims } from '../session.ts';
import { below, scoped, scopeToRead } from './scopes.ts';

export function accessCommands(access: Command, act: Act): void {
  scoped(
    leaf(
      access,
      'explain',
      looking('workspace'),
      'explain why somebody may or may not do something',
      'access explain --assignee ada@strongroom.local --action Microsoft.MachineLearningServices/workspaces/jobs/write -g team -w research',
    ),
  )
    .option('--assignee <who>', "an object id, a user's name or an application's name (yourself)")
    .option('--action <action>', 'what, by the name of the action')
    .action(
      act(async (context, given) => {
        const scope = scopeToRead(context, given);
        const who = given.text('assignee');
        const action = given.needed('action', '--action ACTION');
        const principalId = who === undefined ? await selfOf(context) : (await findPrincipal(context, who)).id;
        await showNamed(
          context,
          await context.client.get(below(scope, 'providers/Strongroom.Access/explanations'), {
            query: { principalId, action },
          }),
        );
      }),
    );
}

const selfOf = async (context: Context): Promise<string> =>
  String(readClaims(await context.sessions.token(context.url, context.url))['oid']);
