// Actions of jobs beside those derived from the type.

import { control } from './action.ts';

export const jobsType = 'Microsoft.MachineLearningServices/workspaces/jobs';

export const jobsActions = {
  read: control('Microsoft.MachineLearningServices/workspaces/jobs/read'),
  write: control('Microsoft.MachineLearningServices/workspaces/jobs/write'),
  cancel: control('Microsoft.MachineLearningServices/workspaces/jobs/cancel/action'),
  /** Asking for packages and sending the result: what the token of a build holds, and nobody by a role. */
  buildEnvironment: control('Microsoft.MachineLearningServices/workspaces/environments/build/action'),
  /** Asking for packages while a command runs: taken from the token of that run alone, whatever roles say. */
  installPackages: control('Microsoft.MachineLearningServices/workspaces/jobs/installPackages/action'),
  /** Writing outputs to the places that their job names: taken from the token of a run alone, whatever roles say. */
  writeOutputs: control('Microsoft.MachineLearningServices/workspaces/jobs/outputs/write'),
} as const;
