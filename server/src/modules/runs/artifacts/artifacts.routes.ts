// Routes of artifacts: the list of a run, and the proxy that clients read and write files through. Every read and write is
// recorded, with its path. Files are always sent as attachments of an opaque type: an artifact is a stranger's bytes, and
// no browser should run them. Multipart and presigned routes answer 501, upon which clients send the file in one piece.

import * as wire from '@strongroom/contract/runs';
import { runsActions } from '@strongroom/contract/runs.actions';
import type { Exchange } from '#kernel/http/exchange';
import {
  type Answer,
  accessed,
  activity,
  each,
  harmless,
  json,
  needs,
  type Route,
  type RouteBounds,
  route,
  type ThingsOf,
} from '#kernel/http/route';
import type { ByteRange } from '#storage';
import { elsewhere } from '../bounds.rules.ts';
import { call, ofRun, runIdOf } from '../call.routes.ts';
import { decodeQuery } from '../decode.rules.ts';
import { type RegisteredFiles, readOnly } from '../registry/registered-files.service.ts';
import { notServed, runsFailures } from '../runs.errors.ts';
import { modelArtifactUri, runArtifactUri } from '../runs.view.ts';
import { mlflowSurface, workspaceIdOf, workspacePath } from '../surface.ts';
import { type ArtifactPage, type Artifacts, artifactBytesMax, type OpenedArtifact } from './artifacts.service.ts';
import { parseProxiedPath, parseRegisteredPath } from './paths.rules.ts';

const { readArtifacts, writeArtifacts, deleteArtifacts } = runsActions;
const proxy = `${workspacePath}/mlflow-artifacts`;
const file = `${proxy}/artifacts/{path+}`;

type Request = Parameters<ThingsOf>[1];
const pathIn = ({ params }: Request): string => params['path'] ?? '';

export function artifactRoutes(artifacts: Artifacts, registered: RegisteredFiles): readonly Route[] {
  /** The run of a path of the proxy, or the one that made its model. Registered versions are no run's. */
  const ofPath = (pathOf: (request: Request) => string): RouteBounds =>
    each((grant, request) => {
      const path = pathOf(request);
      if (path !== '' && parseRegisteredPath(path) !== undefined) return [];
      return artifacts.ownerScope(grant, workspaceIdOf(request.params), parseProxiedPath(path).owner);
    }, elsewhere);
  return [
    call({
      operation: 'ListArtifacts',
      method: 'GET',
      path: '/artifacts/list',
      summary: 'Lists artifacts of a run, right below a path',
      action: readArtifacts,
      audit: accessed('workspaceName', 'run_id', 'path'),
      bounds: ofRun,
      request: wire.listArtifacts,
      response: wire.artifactsPage,
      handle: async (grant, workspaceId, message) => {
        const runId = runIdOf(message);
        const found = await artifacts.list(grant, workspaceId, runId, {
          ...(message.path === undefined ? {} : { path: message.path }),
          ...(message.page_token === undefined ? {} : { pageToken: message.page_token }),
        });
        return shownPage(runArtifactUri(Number(found.experimentId), runId), found);
      },
    }),
    call({
      operation: 'ListLoggedModelArtifacts',
      method: 'GET',
      path: '/logged-models/{modelId}/artifacts/directories',
      summary: 'Lists artifacts of a logged model, right below a path',
      action: readArtifacts,
      audit: accessed('workspaceName', 'modelId', 'artifact_directory_path'),
      bounds: (_message, { grant, workspaceId, params }) =>
        artifacts.ownerScope(grant, workspaceId, { kind: 'model', id: params['modelId'] ?? '' }),
      request: wire.listModelArtifacts,
      response: wire.artifactsPage,
      handle: async (grant, workspaceId, message, { modelId = '' }) => {
        const found = await artifacts.listModel(grant, workspaceId, modelId, {
          ...(message.artifact_directory_path === undefined ? {} : { path: message.artifact_directory_path }),
          ...(message.page_token === undefined ? {} : { pageToken: message.page_token }),
        });
        return shownPage(modelArtifactUri(Number(found.experimentId), modelId), found);
      },
    }),
    route({
      operation: 'MLflow_ListProxiedArtifacts',
      surface: mlflowSurface,
      method: 'GET',
      path: `${proxy}/artifacts`,
      summary: 'Lists files right below a path, by their base names',
      access: needs(
        readArtifacts,
        workspaceIdOf,
        ofPath(({ exchange }) => decodeQuery(wire.listProxied, exchange.target.query.values).path ?? ''),
      ),
      audit: accessed('workspaceName', 'path'),
      responses: { 200: wire.proxiedList },
      handle: async (grant, { params, exchange }) => {
        const { path = '' } = decodeQuery(wire.listProxied, exchange.target.query.values);
        const at = path === '' ? undefined : parseRegisteredPath(path);
        const workspaceId = workspaceIdOf(params);
        const files = await (at ? registered.list(grant, workspaceId, at) : artifacts.listAt(grant, workspaceId, path));
        return json(200, { files });
      },
    }),
    route({
      operation: 'MLflow_DownloadArtifact',
      surface: mlflowSurface,
      method: 'GET',
      path: file,
      summary: 'Reads an artifact, whole or one range of bytes',
      access: needs(readArtifacts, workspaceIdOf, ofPath(pathIn)),
      audit: accessed('workspaceName', 'path'),
      handle: async (grant, { params, exchange }) => {
        const path = params['path'] ?? '';
        const at = parseRegisteredPath(path);
        if (at !== undefined) {
          // A range is ignored, as it may be: the file is verified as a whole.
          const { stream, ...info } = await registered.open(grant, workspaceIdOf(params), at);
          return sent({ info: { ...info, name: path }, stream }, undefined);
        }
        const range = rangeOf(exchange);
        return sent(await artifacts.openAt(grant, workspaceIdOf(params), path, range), range);
      },
    }),
    route({
      operation: 'MLflow_UploadArtifact',
      surface: mlflowSurface,
      method: 'PUT',
      path: file,
      summary: 'Writes an artifact',
      access: needs(
        writeArtifacts,
        workspaceIdOf,
        ofPath((request) => {
          const path = pathIn(request);
          if (parseRegisteredPath(path) !== undefined) throw readOnly();
          return path;
        }),
      ),
      audit: accessed('workspaceName', 'path'),
      body: { kind: 'stream', maxBytes: artifactBytesMax },
      responses: { 200: wire.nothing },
      handle: async (grant, { params, body }) => {
        try {
          const path = params['path'] ?? '';
          if (parseRegisteredPath(path) !== undefined) throw readOnly();
          await artifacts.putAt(grant, workspaceIdOf(params), path, body);
        } catch (thrown) {
          // A refusal before the first byte leaves a stream that nobody reads.
          body.destroy();
          throw thrown;
        }
        return json(200, {});
      },
    }),
    route({
      operation: 'MLflow_DeleteArtifact',
      surface: mlflowSurface,
      method: 'DELETE',
      path: file,
      summary: 'Removes an artifact or a folder of them',
      access: needs(deleteArtifacts, workspaceIdOf, ofPath(pathIn)),
      audit: activity('workspaceName', 'path'),
      responses: { 200: wire.nothing },
      handle: async (grant, { params }) => {
        const path = params['path'] ?? '';
        if (parseRegisteredPath(path) !== undefined) throw readOnly();
        await artifacts.removeAt(grant, workspaceIdOf(params), path);
        return json(200, {});
      },
    }),
    ...(['create', 'complete', 'abort'] as const).map((verb) =>
      unserved('POST', `MultipartArtifact_${verb}`, `/mpu/${verb}/{path+}`, writeArtifacts),
    ),
    unserved('GET', 'PresignArtifact', '/presigned/{path+}', readArtifacts),
  ];
}

const shownPage = (root_uri: string, { files, nextPageToken }: ArtifactPage) => ({
  root_uri,
  ...(files.length === 0 ? {} : { files }),
  ...(nextPageToken === undefined ? {} : { next_page_token: nextPageToken }),
});

/** Known to the protocol and not served: the caller's right is checked all the same. */
function unserved(method: 'GET' | 'POST', operation: string, path: string, action: typeof readArtifacts): Route {
  return route({
    operation: `MLflow_${operation}`,
    surface: mlflowSurface,
    method,
    path: `${proxy}${path}`,
    summary: 'Not served: the file is sent in one piece',
    access: needs(action, workspaceIdOf, harmless('it is answered that this is not served, and nothing else')),
    goesOnWhenLow: 'it does nothing but refuse',
    audit: accessed('workspaceName', 'path'),
    handle: () => {
      throw notServed('Multipart and presigned transfers are not served here. Send or fetch the file in one piece.');
    },
  });
}

/** One range of `bytes=`; several, or a suffix, are ignored as RFC 9110 allows, and the whole file is sent. */
function rangeOf(exchange: Exchange): ByteRange | undefined {
  const found = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(exchange.header('range')?.trim() ?? '');
  if (found === null) return undefined;
  const start = Number(found[1]);
  if (found[2] === '') return { start };
  const end = Number(found[2]);
  if (end < start) {
    throw runsFailures.rangeReversed();
  }
  return { start, end };
}

type Sent = {
  readonly info: Pick<OpenedArtifact['info'], 'name' | 'size' | 'etag'>;
  readonly stream: OpenedArtifact['stream'];
};

function sent({ info, stream }: Sent, range: ByteRange | undefined): Answer {
  const last = range === undefined ? info.size - 1 : Math.min(range.end ?? info.size - 1, info.size - 1);
  const start = range?.start ?? 0;
  const base = info.name.slice(info.name.lastIndexOf('/') + 1);
  return {
    status: range === undefined ? 200 : 206,
    contentType: 'application/octet-stream',
    headers: {
      'content-length': String(last - start + 1),
      'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(base).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)}`,
      'content-security-policy': "default-src 'none'; sandbox",
      'accept-ranges': 'bytes',
      etag: info.etag,
      ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${last}/${info.size}` }),
    },
    body: stream,
  };
}
