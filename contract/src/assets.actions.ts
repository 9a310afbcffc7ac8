// Actions of snapshots. Those of codes, models and environments are derived from their types.

import { control } from './action.ts';

const workspace = 'Microsoft.MachineLearningServices/workspaces';

export const assetsActions = {
  readSnapshot: control(`${workspace}/metadata/snapshots/read`),
  writeSnapshot: control(`${workspace}/metadata/snapshots/write`),
} as const;
