// Registered models: files of a job or of this machine, under a name and a version, that do not change any more.

import type { Command } from 'commander';
import { defined, modelFields } from '../documents/references.ts';
import type { Act } from '../given.ts';
import { modelContent, sendSnapshot } from '../work.ts';
import { assetCommands, placeIn, typeIn } from './assets.ts';

const types = ['custom_model', 'mlflow_model', 'triton_model'];

export function modelCommands(model: Command, act: Act): void {
  assetCommands(model, act, {
    plural: 'models',
    noun: 'model',
    called: 'a model',
    what: { type: 'properties.modelType', job: 'properties.jobName' },
    create: {
      example:
        'model create --name iris --version 1 --path azureml://jobs/job-1a2b3c/outputs/artifacts/paths/outputs/model.json',
      options: (command) =>
        command
          .option('-p, --path <path>', 'files of a job (azureml://jobs/… or runs:/…), or a file or folder here')
          .option('-t, --type <type>', `${types.join(', ')} (custom_model)`),
      fields: modelFields,
      properties(given, file) {
        const [place, modelType] = [placeIn(given, file), typeIn(given, types)];
        return async ({ client, workspace, progress }) => {
          const snapshot = async (each: string) => (await sendSnapshot(client, workspace, each)).uri;
          const content = await progress(`sending ${place}`, () =>
            modelContent(place, file?.properties ?? {}, snapshot),
          );
          return { modelType: 'custom_model', ...content, ...defined({ modelType }) };
        };
      },
    },
  });
}
