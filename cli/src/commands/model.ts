// Registered models: files of a job or of this machine, under a name and a version, that do not change any more.

import type { Command } from 'commander';
import { UsageError } from '../exit.ts';
import { type Act, leaf, namedLeaf, pairs, repeated } from '../given.ts';
import { at } from '../output.ts';
import { sendSnapshot } from '../work.ts';

const types: Readonly<Record<string, string>> = {
  custom_model: 'custom_model',
  mlflow_model: 'mlflow_model',
  triton_model: 'triton_model',
};

export function modelCommands(program: Command, act: Act): void {
  const model = program.command('model').description('registered models');
  namedLeaf(
    model,
    'create',
    'register a model',
    'model create --name iris --version 1 --path azureml://jobs/job-1a2b3c/outputs/artifacts/paths/outputs/model.json',
  )
    .option('-v, --version <version>', 'its version (the next one)')
    .option('-p, --path <path>', 'files of a job (azureml://jobs/… or runs:/…), or a file or folder here')
    .option('-t, --type <type>', 'custom_model, mlflow_model or triton_model (custom_model)')
    .option('--description <text>', 'what it is')
    .option('--tag <key=value>', 'a tag (several times)', repeated)
    .action(
      act(async (context, given) => {
        const { client, workspace } = context;
        const name = given.name('model');
        const path = given.needed('path', '--path PATH');
        const modelType = types[given.text('type') ?? 'custom_model'];
        if (modelType === undefined) throw new UsageError(`--type is one of ${Object.keys(types).join(', ')}.`);
        const version = given.text('version') ?? (await nextVersion(() => client.get(workspace.model(name))));
        const [description, tags] = [given.text('description'), pairs(given.texts('tag'), '--tag')];
        const modelUri = /^(azureml|runs):/.test(path)
          ? path
          : (await context.progress(`sending ${path}`, () => sendSnapshot(client, workspace, path))).uri;
        context.show(
          await context.settle(`registering ${name}:${version}`, 'PUT', workspace.modelVersion(name, version), {
            properties: {
              modelUri,
              modelType,
              ...(description === undefined ? {} : { description }),
              ...(tags === undefined ? {} : { tags }),
            },
          }),
        );
      }),
    );
  namedLeaf(model, 'list', 'list models, or the versions of one', 'model list --name iris').action(
    act(async (context, given) => {
      const name = given.argument ?? given.text('name');
      if (name === undefined)
        return context.list(await context.client.list(context.workspace.models), {
          name: at('name'),
          latest: at('properties.latestVersion'),
          description: at('properties.description'),
        });
      context.list(await context.client.list(context.workspace.modelVersions(name)), {
        name: () => name,
        version: at('name'),
        type: at('properties.modelType'),
        job: at('properties.jobName'),
        created: at('systemData.createdAt'),
      });
    }),
  );
  namedLeaf(model, 'show', 'show a version of a model', 'model show iris --version 1')
    .option('-v, --version <version>', 'its version')
    .action(
      act(async (context, given) =>
        context.show(
          await context.client.get(
            context.workspace.modelVersion(given.name('model'), given.needed('version', '--version VERSION')),
          ),
        ),
      ),
    );
  leaf(model, 'archive', 'hide a version of a model from lists', 'model archive --name iris --version 1')
    .requiredOption('-n, --name <name>', 'its name')
    .requiredOption('-v, --version <version>', 'its version')
    .action(
      act(async (context, given) => {
        const path = context.workspace.modelVersion(
          given.needed('name', '--name NAME'),
          given.needed('version', '--version VERSION'),
        );
        context.show(await context.settle('archiving', 'PATCH', path, { properties: { isArchived: true } }));
      }),
    );
}

async function nextVersion(get: () => Promise<Readonly<Record<string, unknown>>>): Promise<string> {
  try {
    const next = (await get())['properties'] as { readonly nextVersion?: unknown } | undefined;
    if (typeof next?.nextVersion === 'string') return next.nextVersion;
  } catch (thrown) {
    if ((thrown as { readonly status?: number }).status === 404) return '1';
    throw thrown;
  }
  throw new UsageError('The versions of this model are not numbers. Give --version.');
}
