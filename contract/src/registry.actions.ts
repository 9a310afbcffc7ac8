// What can be permitted over images, by the names that Azure's roles AcrPull and AcrPush hold. The actions of registries
// themselves are derived by the resource manager from the type.

import { control } from './action.ts';

const registries = 'Microsoft.ContainerRegistry/registries';

export const registryActions = {
  pull: control(`${registries}/pull/read`),
  push: control(`${registries}/push/write`),
  deleteArtifacts: control(`${registries}/artifacts/delete`),
} as const;
