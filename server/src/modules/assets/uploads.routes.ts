// Where clients of Azure ask for a place to send the files of a code version to. Needs the right to register that version.

import { pendingUploadAnswer, pendingUploadRequest } from '@strongroom/contract/assets';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import { activity, json, needs, type Route, route, whole } from '#kernel/http/route';
import { itemId, itemPath } from '#resources';
import { workspaceType } from '#workspaces';
import type { Uploads } from './uploads.service.ts';

const type = `${workspaceType}/codes/versions`;

export function uploadRoutes(uploads: Uploads): readonly Route[] {
  return [
    route({
      operation: 'CodeVersions_StartPendingUpload',
      surface: 'arm',
      method: 'POST',
      path: `${itemPath(type)}/startPendingUpload`,
      summary: 'Makes a container for the files of a code version, and answers an address that opens it for an hour.',
      access: needs(actionsOfType(type).write, (params) => itemId(type, params), whole),
      audit: activity('workspaceName', 'codeName', 'versionName'),
      body: { kind: 'json', schema: pendingUploadRequest, maxBytes: 4096, optional: true },
      responses: { 200: pendingUploadAnswer },
      handle: async (grant, { exchange }) => {
        const { uploadId, account, uri, signedUri } = await uploads.begin(grant, grant.scope, exchange.target.origin);
        return json(200, {
          pendingUploadId: uploadId,
          pendingUploadType: 'TemporaryBlobReference',
          blobReferenceForConsumption: {
            blobUri: uri,
            storageAccountArmId: account,
            credential: { credentialType: 'SAS', sasUri: signedUri },
          },
        });
      },
    }),
  ];
}
