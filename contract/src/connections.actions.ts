// Actions of connections beside those derived from their type.

import { control } from './action.ts';

export const connectionsType = 'Microsoft.MachineLearningServices/workspaces/connections';

export const connectionsActions = {
  /** A secret of its own: no `read` covers it. */
  listSecrets: control(`${connectionsType}/listsecrets/action`),
} as const;
