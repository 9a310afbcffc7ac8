// @azure/container-registry against the registry: an access token for a refresh token for a token of what is asked, and Azure's
// own view of repositories, tags and manifests.

import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import {
  type ArtifactTagProperties,
  ContainerRegistryClient,
  ContainerRegistryContentClient,
} from '@azure/container-registry';
import { all, bootstrap, credential, makeGroup, resources } from '../harness/bootstrap.ts';

const name = 'conformanceclients';
const repositoryName = `${name}/team/app`;
const audience = 'https://containerregistry.azure.net';

describe('@azure/container-registry', () => {
  const client = new ContainerRegistryClient(bootstrap.url, credential, { audience });
  const content = new ContainerRegistryContentClient(bootstrap.url, repositoryName, credential, { audience });
  const repository = client.getRepository(repositoryName);
  let digest = '';

  before(async () => {
    const id = `${await makeGroup('image-clients')}/providers/Microsoft.ContainerRegistry/registries/${name}`;
    await resources.resources.beginCreateOrUpdateByIdAndWait(id, '2023-07-01', {
      location: bootstrap.location,
      sku: { name: 'Premium' },
      properties: {},
    });
  });

  it('pushes layers and a manifest, and pulls them', async () => {
    const config = Buffer.from('{"os":"linux","architecture":"amd64"}');
    const layer = Buffer.from('a layer');
    const { digest: configDigest } = await content.uploadBlob(config);
    const { digest: layerDigest } = await content.uploadBlob(layer);
    const manifest = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        digest: configDigest,
        size: config.length,
      },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: layerDigest, size: layer.length }],
    };
    ({ digest } = await content.setManifest(manifest, { tag: 'v1' }));
    await content.setManifest(manifest, { tag: 'latest' });
    assert.equal((await content.getManifest('v1')).digest, digest);
    const { content: pulled } = await content.downloadBlob(layerDigest);
    const chunks: Buffer[] = [];
    for await (const chunk of pulled) chunks.push(Buffer.from(chunk));
    assert.equal(Buffer.concat(chunks).toString(), 'a layer');
  });

  it('lists repositories and tells what one holds', async () => {
    assert.ok((await all(client.listRepositoryNames())).includes(repositoryName));
    const told = await repository.getProperties();
    assert.deepEqual([told.name, told.manifestCount, told.tagCount], [repositoryName, 1, 2]);
    assert.ok(told.createdOn <= told.lastUpdatedOn);
  });

  it('lists manifests and tags, also in small pages by time', async () => {
    const manifests = await all(repository.listManifestProperties({ order: 'LastUpdatedOnDescending' }));
    assert.deepEqual(
      manifests.map((one) => [one.digest, one.tags]),
      [[digest, ['latest', 'v1']]],
    );
    const artifact = repository.getArtifact(digest);
    const tags: ArtifactTagProperties[] = [];
    const pages = artifact.listTagProperties({ order: 'LastUpdatedOnAscending' }).byPage({ maxPageSize: 1 });
    for await (const page of pages) tags.push(...page);
    assert.deepEqual(
      tags.map((tag) => tag.name),
      ['v1', 'latest'],
    );
    assert.equal((await artifact.getTagProperties('v1')).digest, digest);
    assert.equal((await artifact.getManifestProperties()).sizeInBytes, 44);
  });

  it('is told that nothing is locked here', async () => {
    const artifact = repository.getArtifact(digest);
    await assert.rejects(artifact.updateTagProperties('v1', { canWrite: false }), /cannot be locked/);
  });

  it('deletes a tag, and then the repository', async () => {
    await repository.getArtifact(digest).deleteTag('latest');
    assert.equal((await repository.getProperties()).tagCount, 1);
    await repository.delete();
    await assert.rejects(repository.getProperties(), { statusCode: 404 });
  });
});
