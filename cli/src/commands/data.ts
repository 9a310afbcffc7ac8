// Data assets: files of the workspace under a name and a version.

import type { Command } from 'commander';
import { dataFields, dataTypes, defined, isAddress } from '../documents/references.ts';
import type { Act } from '../given.ts';
import { sendSnapshot } from '../work.ts';
import { assetCommands, placeIn, typeIn } from './assets.ts';

export function dataCommands(data: Command, act: Act): void {
  assetCommands(data, act, {
    plural: 'data',
    noun: 'data',
    called: 'a data asset',
    what: { type: 'properties.dataType' },
    create: {
      example: 'data create --name iris --path iris.csv --type uri_file',
      options: (command) =>
        command
          .option('-p, --path <path>', 'files of a datastore or a job (azureml://…), or a file or folder here')
          .option('-t, --type <type>', `${dataTypes.join(', ')} (uri_folder)`),
      fields: dataFields,
      properties(given, file) {
        const [place, dataType] = [placeIn(given, file), typeIn(given, dataTypes)];
        return async ({ client, workspace, progress }) => {
          const dataUri = isAddress(place)
            ? place
            : await progress(`sending ${place}`, async () => (await sendSnapshot(client, workspace, place)).uri);
          return { dataType: 'uri_folder', ...file?.properties, dataUri, ...defined({ dataType }) };
        };
      },
    },
  });
}
