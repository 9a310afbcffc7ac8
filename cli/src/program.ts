// All commands, and how one is run: load what it needs, parse, do, explain what went wrong, answer the exit code. Only the file of the
// noun that was asked for is loaded: whoever lists jobs does not wait for the rest.

import { Command, CommanderError } from 'commander';
import { aboutCommands } from './commands/about.ts';
import { accountCommands } from './commands/account.ts';
import { serverCommands } from './commands/server.ts';
import { describeFailure, exitCodeOf, exitCodesInWords } from './exit.ts';
import { type Act, actIn } from './given.ts';
import { addCommonOptions, type Options } from './options.ts';
import type { Shell } from './shell.ts';
import { version } from './version.ts';

type Noun = readonly [name: string, description: string, load: () => Promise<(noun: Command, act: Act) => void>];

const nouns: readonly Noun[] = [
  ['group', 'resource groups', async () => (await import('./commands/group.ts')).groupCommands],
  ['vault', 'key vaults, keys and secrets', async () => (await import('./commands/vault.ts')).vaultCommands],
  ['workspace', 'machine-learning workspaces', async () => (await import('./commands/workspace.ts')).workspaceCommands],
  [
    'quota',
    'how much accounts, registries and workspaces may hold',
    async () => (await import('./commands/quota.ts')).quotaCommands,
  ],
  ['compute', 'clusters that jobs run on', async () => (await import('./commands/compute.ts')).computeCommands],
  ['job', 'training jobs', async () => (await import('./commands/job.ts')).jobCommands],
  [
    'schedule',
    'jobs that are made when it is time',
    async () => (await import('./commands/schedule.ts')).scheduleCommands,
  ],
  ['mlflow', "for MLflow's client", async () => (await import('./commands/mlflow.ts')).mlflowCommands],
  ['data', 'data assets', async () => (await import('./commands/data.ts')).dataCommands],
  ['model', 'registered models', async () => (await import('./commands/model.ts')).modelCommands],
  [
    'environment',
    'images that deployments are built upon',
    async () => (await import('./commands/environment.ts')).environmentCommands,
  ],
  [
    'component',
    'what steps of pipelines are made of',
    async () => (await import('./commands/component.ts')).componentCommands,
  ],
  [
    'connection',
    'what a workspace knows of services outside',
    async () => (await import('./commands/connection.ts')).connectionCommands,
  ],
  [
    'datastore',
    'names for containers of storage accounts',
    async () => (await import('./commands/datastore.ts')).datastoreCommands,
  ],
  [
    'online-endpoint',
    'web services: one address, one or more deployments',
    async () => (await import('./commands/endpoint.ts')).endpointCommands,
  ],
  [
    'online-deployment',
    'what an endpoint runs: an image with code and a model',
    async () => (await import('./commands/endpoint.ts')).deploymentCommands,
  ],
  ['user', 'people who can sign in', async () => (await import('./commands/user.ts')).userCommands],
  ['role', 'roles', async () => (await import('./commands/role.ts')).roleCommands],
  ['access', 'what somebody may do, and why', async () => (await import('./commands/access.ts')).accessCommands],
  [
    'audit',
    'who did what, when, and whether it worked',
    async () => (await import('./commands/audit.ts')).auditCommands,
  ],
  ['storage', 'storage accounts', async () => (await import('./commands/storage.ts')).storageCommands],
];

export type Ended = (code: number, options: Options) => void;

/**
 * @param words of the command line: the nouns among them are loaded, the others are there by name alone. Absent: all
 */
export async function createProgram(
  shell: Shell,
  ended: Ended = () => undefined,
  words?: readonly string[],
): Promise<Command> {
  const program = new Command('strongroom')
    .description('A self-hosted machine-learning platform whose security can be verified.')
    .version(`strongroom ${version}`, '-V, --version', 'print the version')
    .configureOutput({ writeOut: shell.out, writeErr: shell.err })
    .showHelpAfterError('(--help shows what there is)')
    .addHelpText(
      'after',
      `\nExample:\n  strongroom server start --data-dir ./strongroom-data --bootstrap-file ./bootstrap.json\n  strongroom login --bootstrap-file ./bootstrap.json\n\nExit codes: ${exitCodesInWords}`,
    )
    // What stands behind a command is its own: `model show iris --version 1` asks for no version of this program.
    .enablePositionalOptions()
    .exitOverride();
  const act = actIn(shell, ended);
  serverCommands(program, act);
  accountCommands(program, act);
  aboutCommands(program, act, () => createProgram(shell));
  const unloaded = new Set<Command>();
  for (const [name, description, load] of nouns) {
    const noun = program.command(name).description(description);
    if (words === undefined || words.includes(name)) (await load())(noun, act);
    else unloaded.add(noun);
  }
  for (const command of everyCommand(program)) {
    command.exitOverride();
    if (!unloaded.has(command)) addCommonOptions(command);
  }
  return program;
}

export function everyCommand(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

/**
 * Answers the exit code.
 * @param words what stands behind `strongroom` on the command line
 * @param looked told of the options that the command looked at, for the test that none is shown and ignored
 */
export async function runCommand(
  words: readonly string[],
  shell: Shell,
  looked: (options: Options) => void = () => undefined,
): Promise<number> {
  let code = 0;
  let isVerbose = false;
  const ended: Ended = (ends, options) => {
    code = ends;
    isVerbose = options.flag('verbose');
    looked(options);
  };
  try {
    const program = await createProgram(shell, ended, words);
    await program.parseAsync([...words], { from: 'user' });
    return code;
  } catch (thrown) {
    // Commander has said its own already.
    if (!(thrown instanceof CommanderError)) shell.err(`${describeFailure(thrown, isVerbose)}\n`);
    return exitCodeOf(thrown);
  }
}
