// Actions of jobs beside those derived from the type.

import { control } from './action.ts';

export const jobsType = 'Microsoft.MachineLearningServices/workspaces/jobs';

export const jobsActions = {
  read: control('Microsoft.MachineLearningServices/workspaces/jobs/read'),
  write: control('Microsoft.MachineLearningServices/workspaces/jobs/write'),
  cancel: control('Microsoft.MachineLearningServices/workspaces/jobs/cancel/action'),
  /** Asking for packages and sending the result: what the token of a build holds, and nobody by a role. */
  buildEnvironment: control('Microsoft.MachineLearningServices/workspaces/environments/build/action'),
} as const;
