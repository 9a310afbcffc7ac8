// Blobs and uploads over HTTP. Source: OCI distribution specification 1.1, "Pulling blobs", "Pushing blobs", "Deleting blobs".

import type { Readable } from 'node:stream';
import { registryLimits } from '@strongroom/contract/registry';
import { registryActions as actions } from '@strongroom/contract/registry.actions';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { Exchange } from '#kernel/http/exchange';
import { type Answer, accessed, empty, needs, type Params, type Route, route, whole } from '#kernel/http/route';
import type { Content, Range } from './content.service.ts';
import { isName } from './names.rules.ts';
import type { Registries } from './registries.service.ts';
import { registryFailures } from './registry.errors.ts';
import { addressOf, refOf, registryIdOf, scopeOf } from './requests.wire.ts';
import { type RepositoryRef, repositoryScope } from './scopes.rules.ts';
import { type ChunkRange, rangeOf, type Upload, type Uploads } from './uploads.service.ts';

export function blobRoutes(deps: {
  readonly registries: Registries;
  readonly content: Content;
  readonly uploads: Uploads;
  readonly grants: Grants;
}): readonly Route[] {
  const { registries, content, uploads, grants } = deps;
  const scope = scopeOf(registries);
  const common = { surface: 'oci', audit: accessed('registry', 'repository', 'digest') } as const;
  const pulls = { ...common, access: needs(actions.pull, scope, whole) };
  const pushes = { ...common, access: needs(actions.push, scope, whole) };
  const stream = { kind: 'stream', maxBytes: registryLimits.blobBytes } as const;
  const blob = '/blobs/{registry}/{repository}/{digest}';
  const upload = '/uploads/{registry}/{repository}/{upload}';

  async function download(grant: Grant, params: Params, exchange: Exchange): Promise<Answer> {
    const range = byteRangeOf(exchange);
    const digest = params['digest'] ?? '';
    const opened = await content.open(grant, refOf(registries, params), digest, range);
    const { bounds } = opened;
    const length = bounds ? bounds.end - bounds.start + 1 : 0;
    const headers = { ...blobHeaders(digest), 'content-length': String(length) };
    if (range === undefined || bounds === undefined) return { status: 200, headers, body: opened.stream };
    const part = { ...headers, 'content-range': `bytes ${bounds.start}-${bounds.end}/${opened.size}` };
    return { status: 206, headers: part, body: opened.stream };
  }

  async function begin(grant: Grant, params: Params, exchange: Exchange, body: Readable): Promise<Answer> {
    const ref = refOf(registries, params);
    const { query } = exchange.target;
    const digest = query.get('digest');
    if (digest !== undefined) return created(params, (await content.push(grant, ref, body, digest)).digest);
    body.resume();
    const mounted = query.get('mount');
    const from = query.get('from');
    if (mounted !== undefined && from !== undefined && (await mount(grant, ref, from, mounted)))
      return created(params, mounted);
    return accepted(202, params, await uploads.begin(grant, ref));
  }

  /** A source that the caller may not pull is one that does not hold the blob: he sends it himself then. */
  async function mount(push: Grant, to: RepositoryRef, from: string, digest: string): Promise<boolean> {
    const [registry = '', ...rest] = from.split('/');
    if (!isName([registry, ...rest])) throw registryFailures.NAME_INVALID();
    const source = { registry: registryIdOf(registries, registry), repository: rest.join('/') };
    const sourceScope = repositoryScope(source);
    if (registries.byPath(registry) === undefined) return false;
    if (!grants.mayAlso(push, actions.pull, sourceScope)) return false;
    return await content.mount({ push, pull: grants.also(push, actions.pull, sourceScope) }, source, to, digest);
  }

  return [
    route({
      ...pulls,
      operation: 'Oci_GetBlob',
      method: 'GET',
      path: blob,
      summary: 'The content of a blob, or a range of it.',
      handle: (grant, { params, exchange }) => download(grant, params, exchange),
    }),
    route({
      ...pulls,
      operation: 'Oci_HeadBlob',
      method: 'HEAD',
      path: blob,
      summary: 'Whether the repository holds a blob, and its size.',
      async handle(grant, { params }) {
        const digest = params['digest'] ?? '';
        const found = await content.find(grant, refOf(registries, params), digest);
        if (found === undefined) throw registryFailures.BLOB_UNKNOWN();
        const headers = { ...blobHeaders(digest), 'content-length': String(found.size) };
        return { status: 200, headers: { ...headers, 'content-type': 'application/octet-stream' } };
      },
    }),
    route({
      ...common,
      access: needs(actions.deleteArtifacts, scope, whole),
      operation: 'Oci_DeleteBlob',
      method: 'DELETE',
      path: blob,
      summary: 'Takes a blob out of the repository.',
      async handle(grant, { params }) {
        await content.remove(grant, refOf(registries, params), params['digest'] ?? '');
        return empty(202);
      },
    }),
    route({
      ...pushes,
      audit: accessed('registry', 'repository', 'digest', 'mount', 'from'),
      operation: 'Oci_BeginUpload',
      reads: ['?digest', '?mount', '?from'],
      method: 'POST',
      path: '/uploads/{registry}/{repository}',
      summary: 'Begins an upload, takes a whole blob, or mounts one of another repository.',
      body: stream,
      handle: (grant, { params, exchange, body }) => begin(grant, params, exchange, body),
    }),
    route({
      ...pushes,
      operation: 'Oci_GetUpload',
      method: 'GET',
      path: upload,
      summary: 'How much of an upload has arrived.',
      handle: async (grant, { params }) =>
        accepted(204, params, await uploads.status(grant, refOf(registries, params), params['upload'] ?? '')),
    }),
    route({
      ...pushes,
      operation: 'Oci_AppendUpload',
      method: 'PATCH',
      path: upload,
      summary: 'Sends the next piece of an upload.',
      body: stream,
      async handle(grant, { params, exchange, body }) {
        const ref = refOf(registries, params);
        const range = reading(body, () => chunkRangeOf(exchange));
        return accepted(202, params, await uploads.append(grant, ref, params['upload'] ?? '', body, range));
      },
    }),
    route({
      ...pushes,
      operation: 'Oci_FinishUpload',
      reads: ['?digest'],
      method: 'PUT',
      path: upload,
      summary: 'Sends the last piece of an upload, if any, and its digest.',
      body: stream,
      async handle(grant, { params, exchange, body }) {
        const ref = refOf(registries, params);
        const range = reading(body, () => chunkRangeOf(exchange));
        const digest = exchange.target.query.get('digest') ?? '';
        return created(params, (await uploads.finish(grant, ref, params['upload'] ?? '', body, digest, range)).digest);
      },
    }),
    route({
      ...pushes,
      operation: 'Oci_CancelUpload',
      method: 'DELETE',
      path: upload,
      summary: 'Throws an upload away.',
      async handle(grant, { params }) {
        await uploads.cancel(grant, refOf(registries, params), params['upload'] ?? '');
        return empty(204);
      },
    }),
  ];
}

const blobHeaders = (digest: string) => ({
  'docker-content-digest': digest,
  etag: `"${digest}"`,
  'accept-ranges': 'bytes',
});

const created = (params: Params, digest: string): Answer =>
  empty(201, { location: addressOf(params, `blobs/${digest}`), 'docker-content-digest': digest });

const accepted = (status: 202 | 204, params: Params, { id, size }: Upload): Answer =>
  empty(status, {
    location: addressOf(params, `blobs/uploads/${id}`),
    range: rangeOf(size),
    'docker-upload-uuid': id,
  });

/** Lets go of the body when what stands beside it is refused. */
function reading<R>(body: Readable, read: () => R): R {
  try {
    return read();
  } catch (thrown) {
    body.destroy();
    throw thrown;
  }
}

/** One range of bytes. Other units, several ranges and those that count from the end are sent whole, as RFC 9110 allows. */
function byteRangeOf(exchange: Exchange): Range | undefined {
  const found = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(exchange.header('range') ?? '');
  if (found === null) return undefined;
  const [, start = '', end = ''] = found;
  if (end !== '' && Number(end) < Number(start)) return undefined;
  return { start: Number(start), ...(end === '' ? {} : { end: Number(end) }) };
}

/** `{start}-{end}`, without a unit; some clients send the form of RFC 9110. */
function chunkRangeOf(exchange: Exchange): ChunkRange | undefined {
  const header = exchange.header('content-range');
  if (header === undefined) return undefined;
  const found = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/.exec(header);
  const [start, end] = [Number(found?.[1]), Number(found?.[2])];
  if (found === null || end < start) throw registryFailures.chunkRange();
  return { start, end };
}
