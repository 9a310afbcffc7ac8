// The command about itself: its version, and its completion for shells.

import type { Command } from 'commander';
import { type Act, leaf } from '../given.ts';
import { version } from '../version.ts';

/** @param whole answers the tree of all commands, which are not all loaded */
export function aboutCommands(program: Command, act: Act, whole: () => Promise<Command>): void {
  leaf(program, 'version', { at: 'nowhere', prints: true }, 'print the version', 'version -o json').action(
    act((context) => context.say(`strongroom ${version}`, { version, node: process.versions.node })),
  );
  leaf(
    program,
    'completion',
    { at: 'nowhere' },
    'print what makes a shell complete commands and options',
    'completion bash',
  )
    .argument('<shell>', 'bash, zsh or fish')
    .action(
      act(async (context, given) => {
        const { completionScript } = await import('../completing.ts');
        context.shell.out(completionScript(await whole(), given.argument ?? ''));
      }),
    );
}
