// Actions of online endpoints beside those derived from their types, and those that building their images needs.

import { control } from './action.ts';

const endpoints = 'Microsoft.MachineLearningServices/workspaces/onlineEndpoints';

export const endpointsActions = {
  read: control(`${endpoints}/read`),
  score: control(`${endpoints}/score/action`),
  pullImages: control('Microsoft.ContainerRegistry/registries/pull/read'),
  pushImages: control('Microsoft.ContainerRegistry/registries/push/write'),
} as const;
