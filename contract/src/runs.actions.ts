// Actions of experiments, runs, metrics and artifacts, by Azure's names. The metrics action stands alone, so that the role
// Metrics Writer can append points and nothing else. Source: Azure RBAC, Microsoft.MachineLearningServices operations.

import { control } from './action.ts';

const workspaces = 'Microsoft.MachineLearningServices/workspaces';

export const runsActions = {
  readExperiments: control(`${workspaces}/experiments/read`),
  writeExperiments: control(`${workspaces}/experiments/write`),
  deleteExperiments: control(`${workspaces}/experiments/delete`),
  /**
   * For good: what was deleted before, with its artifacts. Azure has none. Named beside the workspace's own actions and not among
   * them, as Azure names the purge of vaults, so that `workspaces/*` covers it for nobody: what a scientist deletes by mistake or
   * by a stolen credential, somebody else can still restore.
   */
  purgeExperiments: control('Microsoft.MachineLearningServices/deletedExperiments/purge/action'),
  readRuns: control(`${workspaces}/experiments/runs/read`),
  writeRuns: control(`${workspaces}/experiments/runs/write`),
  writeMetrics: control(`${workspaces}/metrics/resource/write`),
  readArtifacts: control(`${workspaces}/metadata/artifacts/read`),
  writeArtifacts: control(`${workspaces}/metadata/artifacts/write`),
  deleteArtifacts: control(`${workspaces}/metadata/artifacts/delete`),
} as const;
