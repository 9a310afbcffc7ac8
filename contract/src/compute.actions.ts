// Actions of compute beside those derived from the type `…/workspaces/computes`: what an agent may do, at `/agents/{agent}`
// and nowhere else. No role holds them; an agent's token lists them.

import { data } from './action.ts';
import { actionsOfType } from './resources.actions.ts';

export const computesType = 'Microsoft.MachineLearningServices/workspaces/computes';

export const computeActions = {
  listNodes: actionsOfType(computesType).verb('listNodes'),
} as const;

export const agentActions = {
  beginSession: data('Strongroom.Compute/agents/beginSession/action'),
  poll: data('Strongroom.Compute/agents/poll/action'),
  report: data('Strongroom.Compute/agents/report/action'),
  takeCall: data('Strongroom.Compute/agents/takeCall/action'),
  answerCall: data('Strongroom.Compute/agents/answerCall/action'),
  renewToken: data('Strongroom.Compute/agents/renewToken/action'),
} as const;
