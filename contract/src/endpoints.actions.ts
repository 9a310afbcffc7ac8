// Actions of online endpoints beside those derived from their types.

import { control } from './action.ts';

const endpoints = 'Microsoft.MachineLearningServices/workspaces/onlineEndpoints';

export const endpointsActions = {
  read: control(`${endpoints}/read`),
  score: control(`${endpoints}/score/action`),
} as const;
