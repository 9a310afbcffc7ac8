// Actions of schedules beside those derived from the type.

import { control } from './action.ts';

export const schedulesType = 'Microsoft.MachineLearningServices/workspaces/schedules';

export const schedulesActions = {
  read: control('Microsoft.MachineLearningServices/workspaces/schedules/read'),
  write: control('Microsoft.MachineLearningServices/workspaces/schedules/write'),
} as const;
