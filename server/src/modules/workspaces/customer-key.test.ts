// A workspace under its customer's key: what the customer turns off is off, what he turns on again is all there.

import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { openCustomer } from '../../../test/lab/customer.fixture.ts';
import { type Lab, openLab } from '../../../test/lab/lab.fixture.ts';

after(() => closeScanPool());

async function openBench(t: TestContext) {
  const lab = await openLab(t);
  return { lab, ...(await openCustomer(lab)) };
}

const search = (lab: Lab, id: string) =>
  lab.call(lab.owner, 'POST', `/mlflow/v1.0${id}/api/2.0/mlflow/experiments/search`, { body: { max_results: 10 } });

test('disabled, everything of the workspace is refused within a minute; enabled, everything is back', async (t) => {
  const { lab, newKey, enable, encryption } = await openBench(t);
  const kid = await newKey();
  const id = await lab.workspace('Locked', encryption(kid));
  const { workspaces, system, blobs } = lab.now();
  const workspace = await workspaces.get(system, id);
  const before = await workspaces.database(system, id);
  const at = workspaces.container(workspace, 'workspaceblobstore');
  await blobs.put(system, { ...at, name: 'a' }, Buffer.from('content'), { maxBytes: 100 });
  assert.equal((await search(lab, id)).status, 200);
  const list = () => lab.call(lab.owner, 'POST', `${id}/datastores/workspaceblobstore/listSecrets`);
  const { sasToken } = (await list()).body;
  const byAddress = () =>
    lab.call('', 'GET', `/${workspace.storageAccount.split('/').at(-1)}/${at.container}/a?${sasToken}`);
  assert.equal((await byAddress()).bytes.toString(), 'content');
  await enable(kid, false);
  await lab.clock.advance(60_000);
  assert.equal((await byAddress()).status, 403);
  assert.equal((await list()).status, 403);
  assert.equal((await search(lab, id)).status, 403);
  assert.equal((await lab.call(lab.owner, 'GET', `${id}/jobs`)).status, 403);
  assert.equal((await lab.call(lab.owner, 'GET', `${id}/datastores/workspaceblobstore`)).status, 403);
  await assert.rejects(workspaces.get(system, id), /disabled/i);
  await assert.rejects(workspaces.database(system, id), /disabled/i);
  await assert.rejects(async () => {
    const { stream } = await blobs.open(system, { ...at, name: 'a' });
    await stream.toArray();
  });
  await assert.rejects(async () => before.write(async () => undefined));
  // The workspace itself is still named, so that its customer can see and mend it.
  assert.equal((await lab.call(lab.owner, 'GET', id)).status, 200);
  await enable(kid, true);
  assert.equal((await search(lab, id)).status, 200);
  assert.equal((await lab.call(lab.owner, 'GET', `${id}/datastores`)).body.value.length, 4);
  assert.equal((await byAddress()).bytes.toString(), 'content');
  const { stream } = await blobs.open(system, { ...at, name: 'a' });
  assert.equal(Buffer.concat(await stream.toArray()).toString(), 'content');
});

test('a new version by PUT takes over: the old one may go, and nothing that was kept is lost', async (t) => {
  const { lab, newKey, enable, encryption } = await openBench(t);
  const [first, second] = [await newKey(), await newKey()];
  const id = await lab.workspace('Turning', encryption(first));
  const put = (properties: object) => lab.call(lab.owner, 'PUT', id, { body: { location: 'local', properties } });
  const turned = await put(encryption(second));
  assert.equal(turned.status, 200, turned.bytes.toString());
  await enable(first, false);
  await lab.clock.advance(60_000);
  assert.equal((await search(lab, id)).status, 200);
  assert.equal((await lab.call(lab.owner, 'GET', `${id}/datastores`)).body.value.length, 4);
  const { workspaces, system, blobs } = lab.now();
  const at = workspaces.container(await workspaces.get(system, id), 'workspaceblobstore');
  await blobs.put(system, { ...at, name: 'b' }, Buffer.from('x'), { maxBytes: 9 });
  await enable(second, false);
  await lab.clock.advance(60_000);
  assert.equal((await search(lab, id)).status, 403);
  await assert.rejects(blobs.put(system, { ...at, name: 'c' }, Buffer.from('x'), { maxBytes: 9 }));
  // What cannot be wrapped with is refused, and changes nothing.
  assert.ok((await put(encryption(first))).status >= 400);
  await enable(second, true);
  await lab.restart();
  assert.equal((await search(lab, id)).status, 200);
});

test('all rules of customer keys are checked before anything is made', async (t) => {
  const { lab, vaultId, newKey, enable, encryption } = await openBench(t);
  const kid = await newKey();
  const plain = lab.id('Microsoft.KeyVault/vaults', 'plain1');
  await lab.must(lab.owner, 'PUT', plain, { body: { location: 'local', properties: {} } });
  await lab.now().tasks.drain();
  const id = lab.workspaceId('Never');
  const put = (properties: object, who = lab.owner) =>
    lab.call(who, 'PUT', id, { body: { location: 'local', properties } });
  const named = (keyVaultProperties: object) => ({ encryption: { status: 'Enabled', keyVaultProperties } });
  for (const properties of [
    named({ keyVaultArmId: vaultId }),
    named({ keyIdentifier: kid }),
    named({ keyVaultArmId: vaultId, keyIdentifier: kid.replace(/\/[^/]+$/, '') }),
    named({ keyVaultArmId: vaultId, keyIdentifier: kid.replace('cmk', 'none') }),
    named({ keyVaultArmId: plain, keyIdentifier: kid }),
    named({ keyVaultArmId: vaultId.replace('customer1', 'nothere'), keyIdentifier: kid }),
    named({ keyVaultArmId: vaultId, keyIdentifier: kid.replace('localhost:8443', 'evil.example') }),
  ]) {
    const refused = await put(properties);
    assert.ok(refused.status >= 400 && refused.status < 500, JSON.stringify(properties) + refused.bytes.toString());
  }
  await enable(kid, false);
  assert.equal((await put(encryption(kid))).status, 400);
  await enable(kid, true);
  // A Contributor may make the workspace, and may not give its identity a role at the vault.
  assert.equal((await put(encryption(kid), await lab.person(['Contributor']))).status, 403);
  assert.equal((await lab.call(lab.owner, 'GET', id)).status, 404);
  const listed = await lab.must(lab.owner, 'GET', `${lab.group}/providers/Microsoft.Storage/storageAccounts`);
  assert.equal(listed.body.value.length, 0);
});

test('encryption is chosen once: on and off, and another vault, are refused', async (t) => {
  const { lab, newKey, encryption } = await openBench(t);
  const kid = await newKey();
  const id = await lab.workspace('Chosen', encryption(kid));
  const open = await lab.workspace('Open');
  const put = (at: string, properties: object) =>
    lab.call(lab.owner, 'PUT', at, { body: { location: 'local', properties } });
  assert.equal((await put(id, { encryption: { status: 'Disabled' } })).body.error.code, 'PropertyChangeNotAllowed');
  assert.equal((await put(open, encryption(kid))).body.error.code, 'PropertyChangeNotAllowed');
  assert.equal((await put(id, {})).status, 200);
  assert.equal((await put(id, encryption(kid))).status, 200);
});

test('a workspace whose key is refused can be deleted, and its key goes with it', async (t) => {
  const { lab, newKey, enable, encryption } = await openBench(t);
  const kid = await newKey();
  const id = await lab.workspace('Sealed', encryption(kid));
  const { uniqueId } = await lab.now().resources.get(lab.now().system, id);
  await enable(kid, false);
  await lab.clock.advance(60_000);
  // As clients send it that were told nothing: Azure keeps none under a customer's key either.
  assert.equal((await lab.call(lab.owner, 'DELETE', `${id}?forceToPurge=false`)).status, 202);
  await lab.now().tasks.drain();
  assert.equal((await lab.call(lab.owner, 'GET', id)).status, 404);
  await enable(kid, true);
  await assert.rejects(lab.now().dataKeys.open(uniqueId, 'workspace'), /gone|no data key|destroyed/i);
});
