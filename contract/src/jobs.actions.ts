// Actions of jobs beside those derived from the type.

import { control } from './action.ts';

export const jobsType = 'Microsoft.MachineLearningServices/workspaces/jobs';

export const jobsActions = {
  read: control('Microsoft.MachineLearningServices/workspaces/jobs/read'),
  write: control('Microsoft.MachineLearningServices/workspaces/jobs/write'),
  cancel: control('Microsoft.MachineLearningServices/workspaces/jobs/cancel/action'),
} as const;
