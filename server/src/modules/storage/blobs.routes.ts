// Blobs over HTTP. The operation stands first in the canonical path (surface.ts); what is decided on is the container.

import type { Readable } from 'node:stream';
import { storageActions as actions } from '@strongroom/contract/storage.actions';
import type { Grants } from '#kernel/authority/grant';
import { md5Base64 } from '#kernel/crypto/digest';
import { randomUuid } from '#kernel/crypto/random';
import type { Exchange } from '#kernel/http/exchange';
import { type Answer, accessed, empty, needs, type Params, type Route, route, whole } from '#kernel/http/route';
import { type Accounts, accountIdOf } from './accounts.service.ts';
import { type Blobs, blobBytesMax, type CopySource } from './blobs.service.ts';
import { type Blocks, blockBytesMax } from './blocks.service.ts';
import { judge } from './conditions.rules.ts';
import { blobNameOf } from './names.rules.ts';
import { blobPath } from './operations.rules.ts';
import * as answers from './protocol/answers.wire.ts';
import { copySourceOf } from './protocol/copy.wire.ts';
import { blockReads, putReads, reads as told } from './protocol/reads.wire.ts';
import * as requests from './protocol/requests.wire.ts';
import { blockListBytesMax, readBlockList } from './protocol/xml.wire.ts';
import { boundsOf } from './reading.service.ts';
import type { RequestBlobs } from './reserved.service.ts';
import { type BlobRef, containerScope } from './scopes.rules.ts';
import { storageFailures } from './storage.errors.ts';

/** A range whose MD5 is asked for is gathered first; Azure takes as much. Bytes. */
const rangeMd5Max = 4 * 1024 * 1024;

export function blobRoutes(deps: {
  readonly accounts: Accounts;
  readonly blobs: RequestBlobs;
  readonly blocks: Blocks;
  readonly grants: Grants;
  readonly domain: string;
}): readonly Route[] {
  const { accounts, blobs, blocks, grants, domain } = deps;
  const refOf = (params: Params): BlobRef => ({
    account: accountIdOf(accounts, params['account'] ?? ''),
    container: params['container'] ?? '',
    name: blobNameOf(params['blob'] ?? ''),
  });
  const scopeOf = (params: Params) => containerScope(refOf(params));
  const common = { surface: 'blob', audit: accessed('account', 'container', 'blob') } as const;
  const reads = { ...common, access: needs(actions.readBlobs, scopeOf, whole) };
  const writes = { ...common, access: needs(actions.writeBlobs, scopeOf, whole) };

  /** The range that was asked for, or the whole where it was asked of another version. */
  async function openMeant(grant: Parameters<Blobs['open']>[0], ref: BlobRef, exchange: Exchange) {
    const range = requests.rangeOf(exchange);
    const opened = await blobs.open(grant, ref, range);
    if (range === undefined || requests.isRangeMeant(exchange, opened.info)) return { ...opened, range };
    opened.stream.destroy();
    return { ...(await blobs.open(grant, ref)), range: undefined };
  }

  /** Where a copy comes from, and the right to read it: its own, of whoever asks. */
  function sourceOf(grant: Parameters<Blobs['open']>[0], url: string, exchange: Exchange) {
    requests.requireNoBody(exchange);
    const ref = copySourceOf(url, accounts, domain);
    const from: CopySource = { ref, conditions: requests.conditionsOf(exchange, 'x-ms-source-') };
    return { from, read: grants.also(grant, actions.readBlobs, containerScope(ref)) };
  }

  async function copy(grant: Parameters<Blobs['open']>[0], ref: BlobRef, url: string, exchange: Exchange) {
    const { from, read } = sourceOf(grant, url, exchange);
    const isPut = exchange.header('x-ms-blob-type') !== undefined;
    if (isPut && exchange.header('x-ms-blob-type') !== 'BlockBlob') throw storageFailures.InvalidBlobType();
    const metadata = requests.metadataOf(exchange);
    const described = isPut ? describedCopy(exchange) : {};
    const sourceMd5 = requests.md5Of(exchange, 'x-ms-source-content-md5');
    const info = await blobs.copy({ read, write: grant }, from, ref, {
      ...sourceMd5,
      conditions: requests.conditionsOf(exchange),
      content: {
        ...described,
        ...requests.tierOf(exchange),
        ...(Object.keys(metadata).length > 0 ? { metadata } : {}),
      },
    });
    if (isPut) return answers.written(201, info);
    requests.flagOf(exchange, 'x-ms-requires-sync'); // every copy here is done when it is answered
    return empty(202, {
      ...answers.versionHeaders(info),
      'x-ms-copy-id': randomUuid(),
      'x-ms-copy-status': 'success',
      ...(sourceMd5.contentMd5 === undefined ? {} : { 'content-md5': sourceMd5.contentMd5 }),
    });
  }

  /** What Put Blob From URL says of the new blob: each header by itself, the rest as at the source, or not at all. */
  function describedCopy(exchange: Exchange) {
    const { contentType, contentHeaders = {} } = requests.contentOf(exchange, false);
    const toldMd5 = requests.toldMd5Of(exchange);
    if (requests.flagOf(exchange, 'x-ms-copy-source-blob-properties') === false)
      return { contentType: contentType ?? '', contentHeaders, metadata: {}, toldMd5: '', ...toldMd5 };
    return {
      ...requests.withoutUndefined({ contentType }),
      ...(Object.keys(contentHeaders).length > 0 ? { contentHeaders } : {}),
      ...toldMd5,
    };
  }

  async function download(grant: Parameters<Blobs['open']>[0], ref: BlobRef, exchange: Exchange): Promise<Answer> {
    const conditions = requests.readConditionsOf(exchange);
    const { info, stream, range } = await openMeant(grant, ref, exchange);
    const verdict = judge(conditions, info);
    if (verdict !== 'met') stream.destroy();
    if (verdict === 'unmet') throw storageFailures.ConditionNotMet();
    if (verdict === 'unchanged') return answers.notModified(info);
    const { 'content-md5': wholeMd5, ...described } = answers.blobHeaders(info);
    const headers = { ...described, ...(wholeMd5 === undefined ? {} : { 'x-ms-blob-content-md5': wholeMd5 }) };
    const contentType = info.contentType === '' ? 'application/octet-stream' : info.contentType;
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
    };
    if (!requests.flagOf(exchange, 'x-ms-range-get-content-md5'))
      return { status: 206, headers: ranged, contentType, body: stream };
    if (length > rangeMd5Max) {
      stream.destroy();
      throw storageFailures.InvalidHeaderValue({ target: 'x-ms-range-get-content-md5' });
    }
    const body = Buffer.concat(await stream.toArray());
    return { status: 206, headers: { ...ranged, 'content-md5': md5Base64(body) }, contentType, body };
  }

  return [
    route({
      ...writes,
      operation: 'Blob_Put',
      method: 'PUT',
      path: blobPath('blob'),
      summary: 'Upload a block blob in one request, or copy one of this server',
      reads: putReads,
      body: { kind: 'stream', maxBytes: blobBytesMax },
      handle: async (grant, { params, body, exchange }) => {
        const ref = refOf(params);
        const source = exchange.header('x-ms-copy-source');
        if (source !== undefined) return await copy(grant, ref, source, exchange);
        const conditions = requests.conditionsOf(exchange);
        requests.requireLength(exchange);
        if (exchange.header('x-ms-blob-type') !== 'BlockBlob') throw storageFailures.InvalidBlobType();
        const md5 = requests.md5Of(exchange, 'x-ms-blob-content-md5', 'content-md5');
        const content = { ...requests.contentOf(exchange, true), ...md5 };
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
      path: blobPath('blob'),
      summary: 'Download a blob or a range of it',
      reads: told.getBlob,
      handle: (grant, { params, exchange }) => download(grant, refOf(params), exchange),
    }),
    route({
      ...reads,
      operation: 'Blob_GetProperties',
      method: 'HEAD',
      path: blobPath('blob'),
      summary: 'Size, type, digests and metadata of a blob',
      reads: told.getProperties,
      handle: (grant, { params, exchange }) => described(grant, refOf(params), exchange, answers.blobHeaders),
    }),
    route({
      ...reads,
      operation: 'Blob_GetMetadata',
      method: 'GET',
      path: blobPath('metadata'),
      summary: 'Metadata of a blob',
      reads: told.getProperties,
      handle: (grant, { params, exchange }) =>
        described(grant, refOf(params), exchange, (info) => ({
          ...answers.versionHeaders(info),
          ...answers.metadataHeaders(info.metadata),
        })),
    }),
    route({
      ...reads,
      operation: 'Blob_HeadMetadata',
      method: 'HEAD',
      path: blobPath('metadata'),
      summary: 'Metadata of a blob',
      reads: told.getProperties,
      handle: (grant, { params, exchange }) => described(grant, refOf(params), exchange, answers.blobHeaders),
    }),
    route({
      ...writes,
      operation: 'Blob_SetMetadata',
      method: 'PUT',
      path: blobPath('metadata'),
      summary: 'Replace the metadata of a blob',
      reads: told.setMetadata,
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
      path: blobPath('properties'),
      summary: 'Replace the content headers of a blob',
      reads: told.setProperties,
      handle: async (grant, { params, exchange }) => {
        // What the request does not name is taken away: that is the protocol's rule for this operation.
        const { contentType = '', contentHeaders = {} } = requests.contentOf(exchange, false);
        const content = { contentType, contentHeaders, toldMd5: '', ...requests.toldMd5Of(exchange) };
        return answers.written(
          200,
          await blobs.describe(grant, refOf(params), content, requests.conditionsOf(exchange)),
        );
      },
    }),
    route({
      ...writes,
      operation: 'Blob_SetTier',
      method: 'PUT',
      path: blobPath('tier'),
      summary: 'Keep an access tier with a blob; it is stored as before',
      goesOnWhenLow: 'it changes what is there',
      reads: told.setTier,
      handle: async (grant, { params, exchange }) => {
        const { accessTier } = requests.tierOf(exchange);
        if (accessTier === undefined) throw storageFailures.MissingRequiredHeader({ target: 'x-ms-access-tier' });
        await blobs.setTier(grant, refOf(params), accessTier);
        return empty(200);
      },
    }),
    route({
      ...common,
      access: needs(actions.deleteBlobs, scopeOf, whole),
      operation: 'Blob_Delete',
      method: 'DELETE',
      path: blobPath('blob'),
      summary: 'Delete a blob',
      reads: told.deleteBlob,
      handle: async (grant, { params, exchange }) => {
        const snapshots = exchange.header('x-ms-delete-snapshots');
        // `only` keeps the blob: there are no snapshots, and the blob is not what was meant.
        if (snapshots !== undefined && snapshots !== 'include')
          throw storageFailures.InvalidHeaderValue({
            target: 'x-ms-delete-snapshots',
            message:
              'Snapshots are not kept, so there are none to delete alone. Send include, or leave the header out.',
          });
        await blobs.remove(grant, refOf(params), requests.deleteConditionsOf(exchange));
        return empty(202, { 'x-ms-delete-type-permanent': 'true' });
      },
    }),
    route({
      ...writes,
      operation: 'Blob_StageBlock',
      method: 'PUT',
      path: blobPath('block'),
      summary: 'Upload one block of a blob, or copy it from a blob of this server',
      reads: blockReads,
      body: { kind: 'stream', maxBytes: blockBytesMax },
      handle: async (grant, { params, body, exchange }) => {
        const blockId = exchange.target.query.get('blockid') ?? '';
        const url = exchange.header('x-ms-copy-source');
        if (url === undefined) requests.requireLength(exchange);
        const source = url === undefined ? body : await openBlock(grant, url, exchange);
        const md5Header = url === undefined ? 'content-md5' : 'x-ms-source-content-md5';
        const block = { blockId, source, ...requests.md5Of(exchange, md5Header) };
        const { md5 } = await blocks.stage(grant, refOf(params), block);
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
      path: blobPath('blocklist'),
      summary: 'Make a blob of staged blocks',
      reads: told.putBlockList,
      body: { kind: 'bytes', maxBytes: blockListBytesMax },
      handle: async (grant, { params, body, exchange }) => {
        const sent = exchange.header('content-md5');
        if (sent !== undefined && sent !== md5Base64(body)) throw storageFailures.Md5Mismatch();
        const content = { ...requests.contentOf(exchange, false), ...requests.toldMd5Of(exchange) };
        const list = await readBlockList(body);
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
      path: blobPath('blocklist'),
      summary: 'Blocks of a blob, committed and waiting',
      reads: told.getBlockList,
      handle: async (grant, { params, exchange }) => {
        const { info, committed, uncommitted } = await blocks.listBlocks(grant, refOf(params));
        const kind = exchange.target.query.get('blocklisttype') ?? 'committed';
        if (!['committed', 'uncommitted', 'all'].includes(kind))
          throw storageFailures.InvalidQueryParameterValue({ target: 'blocklisttype' });
        return await answers.blockList(
          info,
          kind === 'uncommitted' ? undefined : committed,
          kind === 'committed' ? undefined : uncommitted,
        );
      },
    }),
  ];

  async function described(
    grant: Parameters<Blobs['head']>[0],
    ref: BlobRef,
    exchange: Exchange,
    headersOf: (info: Awaited<ReturnType<Blobs['head']>>) => Readonly<Record<string, string>>,
  ): Promise<Answer> {
    const conditions = requests.readConditionsOf(exchange);
    const info = await blobs.head(grant, ref);
    const verdict = judge(conditions, info);
    if (verdict === 'unmet') throw storageFailures.ConditionNotMet();
    return verdict === 'unchanged' ? answers.notModified(info) : empty(200, headersOf(info));
  }

  async function openBlock(grant: Parameters<Blobs['open']>[0], url: string, exchange: Exchange): Promise<Readable> {
    const { from, read } = sourceOf(grant, url, exchange);
    const range = requests.rangeOf(exchange, 'x-ms-source-range');
    const { stream } = await blobs.openSource(read, range === undefined ? from : { ...from, range });
    return stream;
  }
}
