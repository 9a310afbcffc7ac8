// Environments: images that jobs and deployments run in, and packages that are put on the node's own Python.

import type { Command } from 'commander';
import { defined, environmentFields } from '../documents/references.ts';
import type { Act } from '../given.ts';
import { assetCommands } from './assets.ts';

export function environmentCommands(environment: Command, act: Act): void {
  assetCommands(environment, act, {
    plural: 'environments',
    noun: 'environment',
    called: 'an environment',
    what: { image: 'properties.image' },
    create: {
      example: 'environment create scoring --image scoring-base:1',
      options: (command) =>
        command.option('--image <image>', "repository and tag or digest in the workspace's registry"),
      fields: environmentFields,
      properties: (given, file) => async () => ({
        osType: 'Linux',
        ...file?.properties,
        ...defined({ image: given.text('image') }),
      }),
    },
  });
}
