// Registered models: files of a job or of this machine, under a name and a version, that do not change any more.

import type { Command } from 'commander';
import { type Document, documentIfGiven, readerOf } from '../document.reader.ts';
import { modelFields } from '../documents/references.ts';
import { UsageError } from '../exit.ts';
import { type Act, namedLeaf, pairs, repeated } from '../given.ts';
import { changing } from '../options.ts';
import { modelContent, nextVersion, sendSnapshot } from '../work.ts';
import { assetCommands } from './assets.ts';

const types = ['custom_model', 'mlflow_model', 'triton_model'];

export function modelCommands(model: Command, act: Act): void {
  namedLeaf(
    model,
    'create',
    changing('workspace'),
    'register a model',
    'model create --name iris --version 1 --path azureml://jobs/job-1a2b3c/outputs/artifacts/paths/outputs/model.json',
  )
    .option('-f, --file <file>', 'the model, in the schema of models; options here win over it')
    .option('--set <path=value>', 'change a field of the file (several times)', repeated)
    .option('-v, --version <version>', 'its version (the next one)')
    .option('-p, --path <path>', 'files of a job (azureml://jobs/… or runs:/…), or a file or folder here')
    .option('-t, --type <type>', `${types.join(', ')} (custom_model)`)
    .option('--description <text>', 'what it is')
    .option('--tag <key=value>', 'a tag (several times)', repeated)
    .action(
      act(async (context, given) => {
        const { client, workspace } = context;
        const document = await documentIfGiven(given.text('file'), given.texts('set'));
        const read = document && fieldsOf(document);
        const name = given.nameIfAny ?? read?.name ?? given.name('model');
        const place = given.text('path') ?? read?.place ?? given.needed('path', '--path PATH, or -f FILE');
        const type = given.text('type');
        if (type !== undefined && !types.includes(type)) throw new UsageError(`--type is one of ${types.join(', ')}.`);
        const version =
          given.text('version') ?? read?.version ?? (await nextVersion(client, workspace, 'models', name));
        const [description, tags] = [given.text('description'), pairs(given.texts('tag'), '--tag')];
        const content = await context.progress(`sending ${place}`, () =>
          modelContent(
            place,
            read?.properties ?? {},
            async (each) => (await sendSnapshot(client, workspace, each)).uri,
          ),
        );
        const made = await context.settle(
          `registering ${name}:${version}`,
          'PUT',
          workspace.modelVersion(name, version),
          {
            properties: {
              modelType: 'custom_model',
              ...content,
              ...(type === undefined ? {} : { modelType: type }),
              ...(description === undefined ? {} : { description }),
              ...(tags === undefined ? {} : { tags }),
            },
          },
        );
        context.done(`model '${name}:${version}'`, 'registered', made);
      }),
    );
  assetCommands(model, act, {
    plural: 'models',
    noun: 'model',
    called: 'a model',
    what: { type: 'properties.modelType', job: 'properties.jobName' },
  });
}

function fieldsOf(document: Document) {
  const read = readerOf(document);
  const fields = modelFields(read, document);
  read.finish();
  return fields;
}
