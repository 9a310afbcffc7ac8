import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { openLab } from './lab.fixture.ts';

after(() => closeScanPool());

test('a workspace makes what it stands on, and its datastores', async (t) => {
  const lab = await openLab(t);
  const id = await lab.workspace('Vision');
  const { body } = await lab.must(lab.owner, 'GET', id);
  for (const name of ['storageAccount', 'keyVault', 'containerRegistry', 'applicationInsights'])
    assert.equal((await lab.must(lab.owner, 'GET', body.properties[name])).status, 200);
  const stores = await lab.must(lab.owner, 'GET', `${id}/datastores`);
  assert.equal(stores.body.value.length, 4);
});
