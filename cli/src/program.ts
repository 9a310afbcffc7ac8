// All commands, and how one is run: parse, do, explain what went wrong, answer the exit code.

import { Command, CommanderError, Option } from 'commander';
import { accessCommands } from './commands/access.ts';
import { accountCommands } from './commands/account.ts';
import { auditCommands } from './commands/audit.ts';
import { deploymentCommands, endpointCommands } from './commands/endpoint.ts';
import { groupCommands } from './commands/group.ts';
import { jobCommands } from './commands/job.ts';
import { modelCommands } from './commands/model.ts';
import { serverCommands } from './commands/server.ts';
import { storageCommands } from './commands/storage.ts';
import { vaultCommands } from './commands/vault.ts';
import { computeCommands, workspaceCommands } from './commands/workspace.ts';
import { describeFailure, exitCodeOf } from './exit.ts';
import { actIn } from './given.ts';
import type { Shell } from './shell.ts';

const nouns = [
  serverCommands,
  accountCommands,
  groupCommands,
  vaultCommands,
  workspaceCommands,
  computeCommands,
  jobCommands,
  modelCommands,
  endpointCommands,
  deploymentCommands,
  accessCommands,
  auditCommands,
  storageCommands,
];

export function createProgram(shell: Shell, ended: (code: number) => void = () => undefined): Command {
  const program = new Command('strongroom')
    .description('A self-hosted machine-learning platform whose security can be verified.')
    .option('--url <address>', 'the server (https://localhost:8443)')
    .option('--ca-file <file>', 'the certificate authority of the server, in PEM')
    .option('--subscription <id>', 'the subscription')
    .option('-g, --resource-group <name>', 'the resource group')
    .option('-w, --workspace <name>', 'the workspace')
    .addOption(new Option('-o, --output <format>', 'how results are printed').choices(['table', 'json']))
    .option('-y, --yes', 'do not ask before something is lost')
    .option('--verbose', 'say what is sent, and where a failure came from')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: shell.out, writeErr: shell.err })
    .showHelpAfterError('(--help shows what there is)')
    .addHelpText(
      'after',
      '\nExample:\n  strongroom server start --data-dir ./strongroom-data --bootstrap-file ./bootstrap.json\n  strongroom login --bootstrap-file ./bootstrap.json\n\nExit codes: 0 ok, 1 failed, 2 wrong usage, 3 not signed in, 4 refused, 5 not found, 6 conflict',
    )
    .exitOverride();
  const act = actIn(shell, ended);
  for (const noun of nouns) noun(program, act);
  for (const command of everyCommand(program)) command.exitOverride().configureHelp({ showGlobalOptions: true });
  return program;
}

export function everyCommand(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

/** Answers the exit code. @param words what stands behind `strongroom` on the command line */
export async function runCommand(words: readonly string[], shell: Shell): Promise<number> {
  let code = 0;
  const program = createProgram(shell, (ends) => {
    code = ends;
  });
  try {
    await program.parseAsync([...words], { from: 'user' });
    return code;
  } catch (thrown) {
    // Commander has said its own already.
    if (!(thrown instanceof CommanderError))
      shell.err(`${describeFailure(thrown, program.opts()['verbose'] === true)}\n`);
    return exitCodeOf(thrown);
  }
}
