// What can be permitted over blobs, by Azure's names. Containers are of the control plane, their content of the data plane.
// The actions of storage accounts themselves are derived by the resource manager from the type.

import { control, data } from './action.ts';

const containers = 'Microsoft.Storage/storageAccounts/blobServices/containers';

export const storageActions = {
  checkName: control('Microsoft.Storage/checknameavailability/read'),
  readContainers: control(`${containers}/read`),
  writeContainers: control(`${containers}/write`),
  deleteContainers: control(`${containers}/delete`),
  readBlobs: data(`${containers}/blobs/read`),
  writeBlobs: data(`${containers}/blobs/write`),
  deleteBlobs: data(`${containers}/blobs/delete`),
} as const;
