// Actions of workspaces and datastores beside those derived from their types.

import { control } from './action.ts';

const type = 'Microsoft.MachineLearningServices/workspaces';

export const workspacesActions = {
  read: control(`${type}/read`),
  write: control(`${type}/write`),
  delete: control(`${type}/delete`),
  listDatastoreSecrets: control(`${type}/datastores/listsecrets/action`),
  resyncKeys: control(`${type}/resynckeys/action`),
} as const;
