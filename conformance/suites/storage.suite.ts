// @azure/storage-blob, path style, with a token: containers, blobs, blocks, ranges, conditions.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { all, bootstrap, credential, makeGroup, resources } from '../harness/bootstrap.ts';
import { assign } from '../harness/roles.ts';

const account = 'conformanceblobs';

describe('@azure/storage-blob', () => {
  const service = new BlobServiceClient(`${bootstrap.url}/${account}`, credential);
  let accountId = '';

  before(async () => {
    accountId = `${await makeGroup('storage')}/providers/Microsoft.Storage/storageAccounts/${account}`;
    await resources.resources.beginCreateOrUpdateByIdAndWait(accountId, '2023-05-01', {
      location: bootstrap.location,
      kind: 'StorageV2',
      sku: { name: 'Standard_LRS' },
      properties: {},
    });
  });

  it('the owner of the subscription may not read blobs until a role of the account says so', async () => {
    await service.getContainerClient('papers').create();
    const blob = service.getContainerClient('papers').getBlockBlobClient('first');
    await assert.rejects(blob.upload('a', 1), { statusCode: 403 });
    await assign(accountId, 'Storage Blob Data Contributor');
    await blob.upload('a', 1);
    await blob.delete();
    await assert.rejects(service.getContainerClient('papers').create(), {
      statusCode: 409,
      code: 'ContainerAlreadyExists',
    });
    assert.ok((await all(service.listContainers())).some((container) => container.name === 'papers'));
    assert.equal(await service.getContainerClient('nowhere').exists(), false);
  });

  it('a blob is written, read whole and in part, described, listed and deleted', async () => {
    const container = service.getContainerClient('papers');
    const blob = container.getBlockBlobClient('folder/ein Blatt+ü.txt');
    const content = Buffer.from('0123456789');
    const written = await blob.upload(content, content.length, {
      blobHTTPHeaders: { blobContentType: 'text/plain' },
      metadata: { author: 'somebody' },
    });
    assert.ok(written.etag);
    assert.deepEqual(await blob.downloadToBuffer(), content);
    assert.deepEqual(await blob.downloadToBuffer(3, 4), Buffer.from('3456'));
    const properties = await blob.getProperties();
    assert.equal(properties.contentLength, 10);
    assert.equal(properties.contentType, 'text/plain');
    assert.deepEqual(properties.metadata, { author: 'somebody' });
    await blob.setMetadata({ author: 'another' });
    assert.deepEqual((await blob.getProperties()).metadata, { author: 'another' });
    const flat = await all(container.listBlobsFlat({ prefix: 'folder/', includeMetadata: true }));
    assert.deepEqual(
      flat.map((item) => item.name),
      ['folder/ein Blatt+ü.txt'],
    );
    const folders = await all(container.listBlobsByHierarchy('/'));
    assert.deepEqual(
      folders.map((item) => [item.kind, item.name]),
      [['prefix', 'folder/']],
    );
    await blob.delete();
    assert.equal(await blob.exists(), false);
    await assert.rejects(blob.download(), { statusCode: 404, code: 'BlobNotFound' });
  });

  it('a large upload goes in blocks and comes back the same', async () => {
    const blob = service.getContainerClient('papers').getBlockBlobClient('large');
    const content = randomBytes(9 * 1024 * 1024 + 17);
    await blob.uploadData(content, { blockSize: 1024 * 1024, maxSingleShotSize: 1024, concurrency: 3 });
    assert.ok(content.equals(await blob.downloadToBuffer()));
    const { committedBlocks } = await blob.getBlockList('committed');
    assert.equal(committedBlocks?.length, 10);
  });

  it('pages of a listing join up', async () => {
    const container = service.getContainerClient('paged');
    await container.create();
    for (let index = 0; index < 7; index++) await container.getBlockBlobClient(`b${index}`).upload('x', 1);
    const names: string[] = [];
    for await (const page of container.listBlobsFlat().byPage({ maxPageSize: 3 }))
      names.push(...page.segment.blobItems.map((item) => item.name));
    assert.deepEqual(names, ['b0', 'b1', 'b2', 'b3', 'b4', 'b5', 'b6']);
    await container.delete();
    assert.equal(await container.exists(), false);
  });

  it('conditions hold: create only if absent, replace only what was seen', async () => {
    const blob = service.getContainerClient('papers').getBlockBlobClient('conditional');
    const { etag } = await blob.upload('a', 1, { conditions: { ifNoneMatch: '*' } });
    await assert.rejects(blob.upload('b', 1, { conditions: { ifNoneMatch: '*' } }), {
      statusCode: 409,
      code: 'BlobAlreadyExists',
    });
    await blob.upload('b', 1, { conditions: { ifMatch: etag ?? '' } });
    await assert.rejects(blob.upload('c', 1, { conditions: { ifMatch: etag ?? '' } }), {
      statusCode: 412,
      code: 'ConditionNotMet',
    });
  });

  it('a shared key is refused: accounts have none', async () => {
    const key = new StorageSharedKeyCredential(account, randomBytes(64).toString('base64'));
    const withKey = new BlobServiceClient(`${bootstrap.url}/${account}`, key);
    await assert.rejects(withKey.getContainerClient('papers').getProperties(), { statusCode: 401 });
  });
});
