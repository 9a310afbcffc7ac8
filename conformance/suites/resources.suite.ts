// @azure/arm-resources: groups and resources of whatever kind.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { all, bootstrap, makeGroup, resources } from '../harness/bootstrap.ts';

const vaults = 'Microsoft.KeyVault';
const vaultBody = (tags: Record<string, string> = {}) => ({
  location: bootstrap.location,
  tags,
  properties: { tenantId: bootstrap.tenantId, sku: { family: 'A', name: 'standard' }, enableRbacAuthorization: true },
});

describe('@azure/arm-resources', () => {
  it('a resource group is made, found, listed, retagged and deleted', async () => {
    const name = 'resources-groups';
    assert.equal((await resources.resourceGroups.checkExistence(name)).body, false);
    const made = await resources.resourceGroups.createOrUpdate(name, {
      location: bootstrap.location,
      tags: { team: 'a' },
    });
    assert.equal(made.name, name);
    assert.equal(made.location, bootstrap.location);
    assert.equal(made.properties?.provisioningState, 'Succeeded');
    assert.equal((await resources.resourceGroups.checkExistence(name)).body, true);
    assert.deepEqual((await resources.resourceGroups.get(name)).tags, { team: 'a' });
    assert.deepEqual((await resources.resourceGroups.update(name, { tags: { team: 'b' } })).tags, { team: 'b' });
    assert.ok((await all(resources.resourceGroups.list())).some((group) => group.name === name));
    await resources.resourceGroups.beginDeleteAndWait(name);
    await assert.rejects(resources.resourceGroups.get(name), { statusCode: 404, code: 'ResourceGroupNotFound' });
  });

  it('a resource is made, read, listed and deleted by id, whatever its kind', async () => {
    const group = await makeGroup('resources-generic');
    const id = `${group}/providers/${vaults}/vaults/generic-by-id`;
    const made = await resources.resources.beginCreateOrUpdateByIdAndWait(id, '2023-07-01', vaultBody({ a: '1' }));
    assert.equal(made.id?.toLowerCase(), id.toLowerCase());
    assert.equal((await resources.resources.getById(id, '2023-07-01')).tags?.['a'], '1');
    const listed = await all(resources.resources.listByResourceGroup('resources-generic'));
    assert.deepEqual(
      listed.map((item) => item.name),
      ['generic-by-id'],
    );
    await resources.resources.beginDeleteByIdAndWait(id, '2023-07-01');
    await assert.rejects(resources.resources.getById(id, '2023-07-01'), { statusCode: 404, code: 'ResourceNotFound' });
  });

  it('the tags of a resource are set and merged through the tags API', async () => {
    const group = await makeGroup('resources-tags');
    const id = `${group}/providers/${vaults}/vaults/generic-tags`;
    await resources.resources.beginCreateOrUpdateByIdAndWait(id, '2023-07-01', vaultBody());
    await resources.resources.beginUpdateByIdAndWait(id, '2023-07-01', { tags: { stage: 'prod' } });
    assert.deepEqual((await resources.resources.getById(id, '2023-07-01')).tags, { stage: 'prod' });
  });

  it('providers are listed with their resource types', async () => {
    const providers = await all(resources.providers.list());
    const learning = providers.find((provider) => provider.namespace === 'Microsoft.MachineLearningServices');
    assert.ok(learning?.resourceTypes?.some((type) => type.resourceType === 'workspaces'));
  });

  it('deleting a group deletes what is in it', async () => {
    const group = await makeGroup('resources-cascade');
    const id = `${group}/providers/${vaults}/vaults/generic-cascade`;
    await resources.resources.beginCreateOrUpdateByIdAndWait(id, '2023-07-01', vaultBody());
    await resources.resourceGroups.beginDeleteAndWait('resources-cascade');
    await assert.rejects(resources.resources.getById(id, '2023-07-01'), { statusCode: 404 });
  });

  it('a group name that Azure refuses is refused with a reason', async () => {
    await assert.rejects(
      resources.resourceGroups.createOrUpdate('ends-with-a-dot.', { location: bootstrap.location }),
      (error: { statusCode?: number; message?: string }) =>
        error.statusCode === 400 && (error.message ?? '').length > 20,
    );
  });
});
