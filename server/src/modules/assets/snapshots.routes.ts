// Routes of snapshots, on the resource manager's surface: a folder is sent as a tar archive, and files are read singly
// (by people, and by a run that was given the snapshot as its input).

import { snapshotAnswer } from '@strongroom/contract/assets';
import { assetsActions } from '@strongroom/contract/assets.actions';
import { Type } from '@strongroom/contract/schema';
import { accessed, activity, json, needs, type Params, type Route, route, whole } from '#kernel/http/route';
import { itemId, itemPath } from '#resources';
import { workspaceType } from '#workspaces';
import { codeLimits } from './limits.rules.ts';
import { type Snapshots, uriOf } from './snapshots.service.ts';

const path = itemPath(workspaceType);
const workspaceOf = (params: Params) => itemId(workspaceType, params);

export function snapshotRoutes(snapshots: Snapshots): readonly Route[] {
  return [
    route({
      operation: 'Snapshots_Create',
      surface: 'arm',
      method: 'POST',
      path: `${path}/snapshots`,
      summary: 'Takes a folder, sent as a tar archive (gzip allowed), and keeps it by the digest of its content.',
      access: needs(assetsActions.writeSnapshot, workspaceOf, whole),
      audit: activity('workspaceName', 'allowCredentials'),
      query: Type.Object({
        allowCredentials: Type.Optional(Type.Union([Type.Literal('true'), Type.Literal('false')])),
      }),
      body: { kind: 'stream', maxBytes: codeLimits.bytes + 16 * 1024 * 1024 },
      responses: { 201: snapshotAnswer },
      handle: async (grant, { params, query, body }) => {
        const taken = await snapshots.take(grant, workspaceOf(params), body, {
          allowCredentials: query.allowCredentials === 'true',
        });
        return json(201, { snapshotId: taken.digest, uri: taken.uri, files: taken.files.length, bytes: taken.bytes });
      },
    }),
    route({
      operation: 'Snapshots_Get',
      surface: 'arm',
      method: 'GET',
      path: `${path}/snapshots/{digest}`,
      summary: 'How many files and bytes a snapshot has; a node asks with the token of a job whether that may read it.',
      access: needs(assetsActions.readSnapshot, (p) => `${workspaceOf(p)}/snapshots/${p['digest']}`, whole),
      audit: accessed('workspaceName', 'digest'),
      responses: { 200: snapshotAnswer },
      handle: async (grant, { params }) => {
        const kept = await snapshots.get(grant, workspaceOf(params), uriOf(params['digest'] ?? ''));
        return json(200, { snapshotId: kept.digest, uri: kept.uri, files: kept.files.length, bytes: kept.bytes });
      },
    }),
    route({
      operation: 'Snapshots_GetFile',
      surface: 'arm',
      method: 'GET',
      path: `${path}/snapshots/{digest}/files/{path+}`,
      summary: 'Reads one file of a snapshot.',
      access: needs(assetsActions.readSnapshot, (p) => `${workspaceOf(p)}/snapshots/${p['digest']}`, whole),
      audit: accessed('workspaceName', 'digest'),
      handle: async (grant, { params }) => {
        const { file, stream } = await snapshots.openFile(
          grant,
          workspaceOf(params),
          params['digest'] ?? '',
          params['path'] ?? '',
        );
        return {
          status: 200,
          body: stream,
          headers: { 'content-length': String(file.size), etag: `"${file.sha256}"` },
        };
      },
    }),
  ];
}
