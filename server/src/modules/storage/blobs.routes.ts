// Blobs over HTTP. The operation stands first in the canonical path (surface.ts); what is decided on is the container.

import { storageActions as actions } from '@strongroom/contract/storage.actions';
import type { Grants } from '#kernel/authority/grant';
import { md5Base64 } from '#kernel/crypto/digest';
import { randomUuid } from '#kernel/crypto/random';
import type { Exchange } from '#kernel/http/exchange';
import { type Answer, accessed, empty, needs, type Params, type Route, route } from '#kernel/http/route';
import type { Accounts } from './accounts.ts';
import { type Blobs, blobBytesMax, boundsOf } from './blobs.service.ts';
import { type Blocks, blockBytesMax } from './blocks.service.ts';
import { judge } from './conditions.ts';
import { failure } from './errors.ts';
import * as answers from './protocol/answers.ts';
import { copySourceOf } from './protocol/copy.ts';
import * as requests from './protocol/requests.ts';
import { blockListBytesMax, readBlockList } from './protocol/xml.ts';
import { type BlobRef, containerScope } from './scopes.ts';

/** A range whose MD5 is asked for is gathered first; Azure takes as much. Bytes. */
const rangeMd5Max = 4 * 1024 * 1024;

/** The id of an account by its name; for a name that there is not, an id that nothing was granted at. */
export const accountIdOf = (accounts: Accounts, params: Params): string =>
  accounts.byName(params['account'] ?? '')?.id ??
  `/providers/Microsoft.Storage/storageAccounts/${params['account'] ?? ''}`;

export function blobRoutes(deps: {
  readonly accounts: Accounts;
  readonly blobs: Blobs;
  readonly blocks: Blocks;
  readonly grants: Grants;
  readonly domain: string;
}): readonly Route[] {
  const { accounts, blobs, blocks, grants, domain } = deps;
  const refOf = (params: Params): BlobRef => ({
    account: accountIdOf(accounts, params),
    container: params['container'] ?? '',
    name: params['blob'] ?? '',
  });
  const scopeOf = (params: Params) => containerScope(refOf(params));
  const at = (operation: string) => `/${operation}/{account}/{container}/{blob+}`;
  const common = { surface: 'blob', audit: accessed('account', 'container', 'blob') } as const;
  const reads = { ...common, access: needs(actions.readBlobs, scopeOf) };
  const writes = { ...common, access: needs(actions.writeBlobs, scopeOf) };

  async function download(grant: Parameters<Blobs['open']>[0], ref: BlobRef, exchange: Exchange): Promise<Answer> {
    const conditions = requests.conditionsOf(exchange);
    const range = requests.rangeOf(exchange);
    const { info, stream } = await blobs.open(grant, ref, range);
    const verdict = judge(conditions, info);
    if (verdict !== 'met') stream.destroy();
    if (verdict === 'unmet') throw failure('ConditionNotMet');
    if (verdict === 'unchanged') return answers.notModified(info);
    const { 'content-md5': wholeMd5, ...headers } = answers.blobHeaders(info);
    const contentType = info.contentType;
    const bounds = range === undefined ? undefined : boundsOf(range, info.size);
    if (bounds === undefined) {
      const md5 = wholeMd5 === undefined ? {} : { 'content-md5': wholeMd5 };
      return { status: 200, headers: { ...headers, ...md5 }, contentType, body: stream };
    }
    const length = bounds.end - bounds.start + 1;
    const ranged = {
      ...headers,
      'content-length': String(length),
      'content-range': `bytes ${bounds.start}-${bounds.end}/${info.size}`,
      ...(wholeMd5 === undefined ? {} : { 'x-ms-blob-content-md5': wholeMd5 }),
    };
    if (exchange.header('x-ms-range-get-content-md5') !== 'true')
      return { status: 206, headers: ranged, contentType, body: stream };
    if (length > rangeMd5Max) {
      stream.destroy();
      throw failure('InvalidHeaderValue', { target: 'x-ms-range-get-content-md5' });
    }
    const body = Buffer.concat(await stream.toArray());
    return { status: 206, headers: { ...ranged, 'content-md5': md5Base64(body) }, contentType, body };
  }

  return [
    route({
      ...writes,
      operation: 'Blob_Put',
      method: 'PUT',
      path: at('blob'),
      summary: 'Upload a block blob in one request, or copy one of the same account',
      body: { kind: 'stream', maxBytes: blobBytesMax },
      handle: async (grant, { params, body, exchange }) => {
        const ref = refOf(params);
        const conditions = requests.conditionsOf(exchange);
        const source = exchange.header('x-ms-copy-source');
        if (source !== undefined) {
          const from = copySourceOf(source, params['account'] ?? '', accounts, domain);
          const read = grants.also(grant, actions.readBlobs, containerScope(from));
          const metadata = requests.metadataOf(exchange);
          const given =
            Object.keys(metadata).length > 0 ? { ...(await describeCopy(read, from)), metadata } : undefined;
          const info = await blobs.copy({ read, write: grant }, from, ref, { content: given, conditions });
          return empty(202, {
            ...answers.versionHeaders(info),
            'x-ms-copy-id': randomUuid(),
            'x-ms-copy-status': 'success',
          });
        }
        requests.requireLength(exchange);
        if (exchange.header('x-ms-blob-type') !== 'BlockBlob') throw failure('InvalidBlobType');
        const content = { ...requests.contentOf(exchange, true), ...requests.md5Of(exchange) };
        return answers.written(
          201,
          await blobs.put(grant, ref, body, { ...content, conditions, maxBytes: blobBytesMax }),
        );
      },
    }),
    route({
      ...reads,
      operation: 'Blob_Get',
      method: 'GET',
      path: at('blob'),
      summary: 'Download a blob or a range of it',
      handle: (grant, { params, exchange }) => download(grant, refOf(params), exchange),
    }),
    route({
      ...reads,
      operation: 'Blob_GetProperties',
      method: 'HEAD',
      path: at('blob'),
      summary: 'Size, type, digests and metadata of a blob',
      handle: (grant, { params, exchange }) => properties(grant, refOf(params), exchange),
    }),
    route({
      ...reads,
      operation: 'Blob_GetMetadata',
      method: 'GET',
      path: at('metadata'),
      summary: 'Metadata of a blob',
      handle: async (grant, { params }) => {
        const info = await blobs.head(grant, refOf(params));
        return empty(200, { ...answers.versionHeaders(info), ...answers.metadataHeaders(info.metadata) });
      },
    }),
    route({
      ...reads,
      operation: 'Blob_HeadMetadata',
      method: 'HEAD',
      path: at('metadata'),
      summary: 'Metadata of a blob',
      handle: (grant, { params, exchange }) => properties(grant, refOf(params), exchange),
    }),
    route({
      ...writes,
      operation: 'Blob_SetMetadata',
      method: 'PUT',
      path: at('metadata'),
      summary: 'Replace the metadata of a blob',
      handle: async (grant, { params, exchange }) => {
        const content = { metadata: requests.metadataOf(exchange) };
        return answers.written(
          200,
          await blobs.describe(grant, refOf(params), content, requests.conditionsOf(exchange)),
        );
      },
    }),
    route({
      ...writes,
      operation: 'Blob_SetProperties',
      method: 'PUT',
      path: at('properties'),
      summary: 'Replace the content headers of a blob',
      handle: async (grant, { params, exchange }) => {
        const { metadata: _, ...content } = requests.contentOf(exchange, false);
        return answers.written(
          200,
          await blobs.describe(grant, refOf(params), content, requests.conditionsOf(exchange)),
        );
      },
    }),
    route({
      ...common,
      access: needs(actions.deleteBlobs, scopeOf),
      operation: 'Blob_Delete',
      method: 'DELETE',
      path: at('blob'),
      summary: 'Delete a blob',
      handle: async (grant, { params, exchange }) => {
        await blobs.remove(grant, refOf(params), requests.conditionsOf(exchange));
        return empty(202, { 'x-ms-delete-type-permanent': 'true' });
      },
    }),
    route({
      ...writes,
      operation: 'Blob_StageBlock',
      method: 'PUT',
      path: at('block'),
      summary: 'Upload one block of a blob',
      body: { kind: 'stream', maxBytes: blockBytesMax },
      handle: async (grant, { params, body, exchange }) => {
        requests.requireLength(exchange);
        const blockId = exchange.target.query.get('blockid') ?? '';
        const { md5 } = await blocks.stage(grant, refOf(params), {
          blockId,
          source: body,
          ...requests.md5Of(exchange),
        });
        return empty(201, {
          'x-ms-request-server-encrypted': 'true',
          ...(md5 === undefined ? {} : { 'content-md5': md5 }),
        });
      },
    }),
    route({
      ...writes,
      operation: 'Blob_CommitBlockList',
      method: 'PUT',
      path: at('blocklist'),
      summary: 'Make a blob of staged blocks',
      body: { kind: 'bytes', maxBytes: blockListBytesMax },
      handle: async (grant, { params, body, exchange }) => {
        const sent = exchange.header('content-md5');
        if (sent !== undefined && sent !== md5Base64(body)) throw failure('Md5Mismatch');
        const content = requests.contentOf(exchange, false);
        const list = readBlockList(body);
        return answers.written(
          201,
          await blocks.commit(grant, refOf(params), list, content, requests.conditionsOf(exchange)),
        );
      },
    }),
    route({
      ...reads,
      operation: 'Blob_GetBlockList',
      method: 'GET',
      path: at('blocklist'),
      summary: 'Blocks of a blob, committed and waiting',
      handle: async (grant, { params, exchange }) => {
        const { info, committed, uncommitted } = await blocks.listBlocks(grant, refOf(params));
        const kind = exchange.target.query.get('blocklisttype') ?? 'committed';
        if (!['committed', 'uncommitted', 'all'].includes(kind))
          throw failure('InvalidQueryParameterValue', { target: 'blocklisttype' });
        return answers.blockList(
          info,
          kind === 'uncommitted' ? undefined : committed,
          kind === 'committed' ? undefined : uncommitted,
        );
      },
    }),
  ];

  async function properties(grant: Parameters<Blobs['head']>[0], ref: BlobRef, exchange: Exchange): Promise<Answer> {
    const info = await blobs.head(grant, ref);
    const verdict = judge(requests.conditionsOf(exchange), info);
    if (verdict === 'unmet') throw failure('ConditionNotMet');
    return verdict === 'unchanged' ? answers.notModified(info) : empty(200, answers.blobHeaders(info));
  }

  /** A copy with new metadata keeps the other headers of its source. */
  async function describeCopy(grant: Parameters<Blobs['head']>[0], from: BlobRef) {
    const { contentType, contentHeaders } = await blobs.head(grant, from);
    return { contentType, contentHeaders };
  }
}
