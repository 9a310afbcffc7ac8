// Where things are, as paths below the origin: resource ids of Resource Manager, hosts of vaults and storage accounts, and
// the protocols beside it. Names are escaped here, so that no caller builds a path by hand.

export type WorkspacePaths = ReturnType<typeof workspacePaths>;

const part = encodeURIComponent;

export const subscriptionPath = (subscriptionId: string): string => `/subscriptions/${part(subscriptionId)}`;
export const groupPath = (subscriptionId: string, group: string): string =>
  `${subscriptionPath(subscriptionId)}/resourceGroups/${part(group)}`;

/** `providers/{type}/{name}` below a resource group. */
export const resourcePath = (subscriptionId: string, group: string, type: string, name: string): string =>
  `${groupPath(subscriptionId, group)}/providers/${type}/${part(name)}`;

export const vaultType = 'Microsoft.KeyVault/vaults';
export const workspaceType = 'Microsoft.MachineLearningServices/workspaces';

/** Paths of what a workspace holds. `id` is the workspace's ARM id. */
export function workspacePaths(id: string) {
  const below = (...parts: readonly string[]) => `${id}/${parts.map(part).join('/')}`;
  return {
    id,
    snapshots: below('snapshots'),
    computes: below('computes'),
    compute: (name: string) => below('computes', name),
    jobs: below('jobs'),
    job: (name: string) => below('jobs', name),
    schedules: below('schedules'),
    schedule: (name: string) => below('schedules', name),
    jobLog: (name: string) => below('jobs', name, 'log'),
    /** Models, environments and codes: names, with versions below them. */
    assets: (plural: string) => below(plural),
    asset: (plural: string, name: string) => below(plural, name),
    assetVersions: (plural: string, name: string) => below(plural, name, 'versions'),
    assetVersion: (plural: string, name: string, version: string) => below(plural, name, 'versions', version),
    connections: below('connections'),
    connection: (name: string) => below('connections', name),
    datastores: below('datastores'),
    datastore: (name: string) => below('datastores', name),
    codeVersion: (name: string, version: string) => below('codes', name, 'versions', version),
    models: below('models'),
    model: (name: string) => below('models', name),
    modelVersions: (name: string) => below('models', name, 'versions'),
    modelVersion: (name: string, version: string) => below('models', name, 'versions', version),
    environmentVersion: (name: string, version: string) => below('environments', name, 'versions', version),
    pythons: below('pythons'),
    endpoints: below('onlineEndpoints'),
    endpoint: (name: string) => below('onlineEndpoints', name),
    deployments: (endpoint: string) => below('onlineEndpoints', endpoint, 'deployments'),
    deployment: (endpoint: string, name: string) => below('onlineEndpoints', endpoint, 'deployments', name),
    /** MLflow's tracking URI of the workspace, without the origin. */
    mlflow: `/mlflow/v1.0${id}/api/2.0/mlflow`,
  };
}

/** Origin of a vault's data plane, beside the server's own: `https://{vault}.vault.localhost:8443`. */
export function vaultOrigin(origin: string, vault: string): string {
  const { protocol, host } = new URL(origin);
  return `${protocol}//${part(vault).toLowerCase()}.vault.${host}`;
}
/** What tokens for vaults are asked for. */
export const vaultAudience = (origin: string): string => {
  const { protocol, host } = new URL(origin);
  return `${protocol}//vault.${host}`;
};
export const vaultVersion = '7.4';

/** Origin of a storage account's blobs, and what tokens for them are asked for. */
export function blobOrigin(origin: string, account: string): string {
  const { protocol, host } = new URL(origin);
  return `${protocol}//${part(account).toLowerCase()}.blob.storage.${host}`;
}
export const blobAudience = 'https://storage.azure.com';
export const blobVersion = '2021-12-02';

export const directoryAudience = (origin: string): string => `${origin}/msgraph`;
export const auditPath = (
  subscriptionId: string,
  leaf: 'records' | 'checkpoints' | 'verify' | 'segments' | `segments/${number}-${number}/${'archive' | 'drop'}`,
): string => `${subscriptionPath(subscriptionId)}/providers/Strongroom.Audit/${leaf}`;
