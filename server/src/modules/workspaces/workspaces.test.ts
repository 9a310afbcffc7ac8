// The workspace as a resource, on everything it stands on: made whole or resumed, changed by the rules, gone without a trace.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, test } from 'node:test';
import { randomUuid } from '#kernel/crypto/random';
import { closeScanPool } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { type Lab, openLab } from '../../../test/lab/lab.fixture.ts';

after(() => closeScanPool());

const names = ['storageAccount', 'keyVault', 'containerRegistry', 'applicationInsights'] as const;
const put = (lab: Lab, id: string, properties: object, who = lab.owner) =>
  lab.call(who, 'PUT', id, { body: { location: 'local', properties } });
const drained = async (lab: Lab, id: string) => {
  await lab.now().tasks.drain();
  return lab.call(lab.owner, 'GET', id);
};
/** Role assignments of the principal, wherever they are. */
async function rolesOf(lab: Lab, principalId: string): Promise<readonly { scope: string }[]> {
  const list = `${lab.subscription}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01`;
  const { body } = await lab.must(lab.owner, 'GET', list);
  return body.value
    .map(({ properties }: { properties: { principalId: string; scope: string } }) => properties)
    .filter((one: { principalId: string }) => one.principalId === principalId);
}
const files = async (lab: Lab, part: string) =>
  (await readdir(lab.dataDir, { recursive: true })).filter((path) => path.includes(part));

test('a workspace makes what it stands on, its datastores and the roles of its identity', async (t) => {
  const lab = await openLab(t);
  const id = await lab.workspace('Vision');
  const { body } = await lab.must(lab.owner, 'GET', id);
  for (const name of names) assert.equal((await lab.must(lab.owner, 'GET', body.properties[name])).status, 200);
  assert.equal((await lab.must(lab.owner, 'GET', `${id}/datastores`)).body.value.length, 4);
  const scopes = (await rolesOf(lab, body.identity.principalId)).map(({ scope }) => scope.toLowerCase());
  for (const scope of [id, body.properties.storageAccount, body.properties.keyVault, body.properties.containerRegistry])
    assert.ok(scopes.includes(scope.toLowerCase()), scope);
});

test('a workspace takes what it is given, and leaves it when it goes; nothing old is found under its name', async (t) => {
  const lab = await openLab(t);
  const first = await lab.workspace('Giver');
  const given = (await lab.must(lab.owner, 'GET', first)).body.properties;
  const dependents = Object.fromEntries(names.map((name) => [name, given[name]]));
  const id = await lab.workspace('Taker', dependents);
  const made = (await lab.must(lab.owner, 'GET', id)).body;
  for (const name of names) assert.equal(made.properties[name], given[name]);
  const { runs, system, workspaces, resources } = lab.now();
  const leave = async (workspaceId: string) => {
    const experimentId = await runs.ensureExperiment(system, workspaceId, 'Default');
    await runs.createRun(system, workspaceId, { runId: 'train', experimentId });
    return runs.listArtifacts(system, workspaceId, 'train');
  };
  // Two workspaces on one account, and a run of one name in each.
  await leave(first);
  await runs.putArtifact(system, first, 'train', 'theirs.txt', Buffer.from('x'));
  assert.deepEqual((await leave(id)).files, []);
  await runs.putArtifact(system, id, 'train', 'old.txt', Buffer.from('x'));

  const { uniqueId } = await resources.get(system, id);
  assert.equal((await files(lab, uniqueId)).length > 0, true);
  assert.equal((await lab.call(lab.owner, 'DELETE', id)).status, 202);
  assert.equal((await drained(lab, id)).status, 404);
  for (const name of names) assert.equal((await lab.call(lab.owner, 'GET', given[name])).status, 200, name);
  assert.deepEqual(await rolesOf(lab, made.identity.principalId), []);
  assert.deepEqual(
    (await files(lab, uniqueId)).filter((path) => path.startsWith('workspaces')),
    [],
  );
  await assert.rejects(lab.now().dataKeys.open(uniqueId, 'workspace'));

  const again = await lab.workspace('Taker', dependents);
  assert.notEqual((await workspaces.get(system, again)).uniqueId, uniqueId);
  assert.notEqual((await lab.must(lab.owner, 'GET', again)).body.identity.principalId, made.identity.principalId);
  assert.deepEqual((await leave(again)).files, []);
});

test('what a workspace made for itself goes with it, down to the files', async (t) => {
  const lab = await openLab(t);
  const id = await lab.workspace('Gone');
  const { properties } = (await lab.must(lab.owner, 'GET', id)).body;
  const { resources, system, workspaces, blobs } = lab.now();
  const workspace = await workspaces.get(system, id);
  const at = workspaces.container(workspace, 'workspaceblobstore');
  await blobs.put(system, { ...at, name: 'a' }, Buffer.from('content'), { maxBytes: 100 });
  const owners = [workspace.uniqueId, (await resources.get(system, properties.storageAccount)).uniqueId];
  assert.equal((await lab.call(lab.owner, 'DELETE', id)).status, 202);
  assert.equal((await drained(lab, id)).status, 404);
  for (const name of names) assert.equal((await lab.call(lab.owner, 'GET', properties[name])).status, 404, name);
  for (const owner of owners) {
    assert.deepEqual(await files(lab, owner), []);
    await assert.rejects(lab.now().dataKeys.open(owner, 'workspace'));
  }
});

test('who may not make what a workspace needs, or change what it is given, makes nothing at all', async (t) => {
  const lab = await openLab(t);
  const other = await lab.workspace('Other');
  const given = (await lab.must(lab.owner, 'GET', other)).body.properties;
  const scientist = await lab.person(['AzureML Data Scientist', 'Reader']);
  assert.equal((await put(lab, lab.workspaceId('A'.repeat(4)), {}, scientist)).status, 403);
  // May write workspaces alone: neither make the rest, nor take what is somebody else's.
  const subscriptionRoles = `${lab.subscription}/providers/Microsoft.Authorization/roleDefinitions/${randomUuid()}?api-version=2022-04-01`;
  const role = await lab.must(lab.owner, 'PUT', subscriptionRoles, {
    body: {
      properties: {
        roleName: 'Workspaces only',
        permissions: [{ actions: ['Microsoft.MachineLearningServices/*', '*/read'], notActions: [] }],
        assignableScopes: [lab.subscription],
      },
    },
  });
  const narrow = await lab.person(['Reader']);
  await lab.now().access.assign(lab.now().system, {
    scope: lab.group,
    roleDefinitionId: role.body.name,
    principalId: narrow,
    principalType: 'ServicePrincipal',
  });
  const count = async () =>
    Promise.all(
      ['Microsoft.Storage/storageAccounts', 'Microsoft.KeyVault/vaults'].map(
        async (type) => (await lab.must(lab.owner, 'GET', `${lab.group}/providers/${type}`)).body.value.length,
      ),
    );
  const before = await count();
  const id = lab.workspaceId('Mine');
  assert.equal((await put(lab, id, {}, narrow)).status, 403);
  for (const name of names) assert.equal((await put(lab, id, { [name]: given[name] }, narrow)).status, 403, name);
  assert.equal((await drained(lab, id)).status, 404);
  assert.deepEqual(await count(), before);
  for (const [name, value] of [
    ['storageAccount', given.keyVault],
    ['keyVault', `${lab.group}/providers/Microsoft.KeyVault/vaults/none`],
    ['storageAccount', 'not an id'],
  ] as const)
    assert.equal((await put(lab, id, { [name]: value })).status, 400, name);
});

test('a creation that a crash cut short, at any step, is resumed by the next server', async (t) => {
  const lab = await openLab(t);
  const steps = [
    'put vaults/',
    'put storageAccounts/',
    'put registries/',
    'put components/',
    'assign',
    'container azureml',
    'put datastores/',
  ];
  for (const [index, wanted] of steps.entries()) {
    const id = lab.workspaceId(`Cut-${index}`);
    const died = Promise.withResolvers<void>();
    const never = new Promise<never>(() => {});
    let cut = false;
    lab.seam.before = async (step) => {
      if (!cut && !step.startsWith(wanted)) return;
      cut = true;
      died.resolve();
      await never;
    };
    assert.equal((await put(lab, id, {})).status, 201);
    await died.promise;
    const { body } = await lab.call(lab.owner, 'GET', id);
    assert.equal(body.properties.provisioningState, 'Creating', wanted);
    lab.seam.before = async () => {};
    await lab.abandon();
    const whole = await drained(lab, id);
    assert.equal(whole.body.properties.provisioningState, 'Succeeded', wanted);
    for (const name of names) assert.equal((await lab.call(lab.owner, 'GET', whole.body.properties[name])).status, 200);
    assert.equal((await lab.must(lab.owner, 'GET', `${id}/datastores`)).body.value.length, 4);
  }
});

test('a creation that fails for good can be sent again, and removed', async (t) => {
  const lab = await openLab(t);
  const id = lab.workspaceId('Broken');
  lab.seam.before = async (step) => {
    if (step === 'assign') throw new Failure({ kind: 'conflict', code: 'Test', message: 'no more roles' });
  };
  assert.equal((await put(lab, id, {})).status, 201);
  assert.equal((await drained(lab, id)).body.properties.provisioningState, 'Failed');
  lab.seam.before = async () => {};
  assert.ok((await put(lab, id, {})).status < 300);
  assert.equal((await drained(lab, id)).body.properties.provisioningState, 'Succeeded');
  lab.seam.before = async (step) => {
    if (step === 'assign') throw new Failure({ kind: 'conflict', code: 'Test', message: 'no more roles' });
  };
  const other = lab.workspaceId('Broken2');
  await put(lab, other, {});
  await lab.now().tasks.drain();
  assert.equal((await lab.call(lab.owner, 'DELETE', other)).status, 202);
  assert.equal((await drained(lab, other)).status, 404);
});

test('what is set at creation stays; the rest changes', async (t) => {
  const lab = await openLab(t);
  const id = await lab.workspace('Rules', { hbiWorkspace: true });
  const other = (await lab.must(lab.owner, 'GET', await lab.workspace('Others'))).body.properties;
  for (const properties of [
    { hbiWorkspace: false },
    { keyVault: other.keyVault },
    { storageAccount: other.storageAccount },
    { containerRegistry: other.containerRegistry },
    { applicationInsights: other.applicationInsights },
  ]) {
    const refused = await put(lab, id, properties);
    assert.deepEqual(
      [refused.status, refused.body.error.code],
      [400, 'PropertyChangeNotAllowed'],
      JSON.stringify(properties),
    );
  }
  assert.equal((await put(lab, id, { friendlyName: 'Friendly', description: 'd' })).status, 200);
  // As clients do: what was read is sent back.
  const { body } = await lab.must(lab.owner, 'GET', id);
  assert.equal(body.properties.friendlyName, 'Friendly');
  assert.equal(body.properties.hbiWorkspace, true);
  const back = await lab.call(lab.owner, 'PUT', id, { body });
  assert.equal(back.status, 200, back.bytes.toString());
  assert.equal((await put(lab, lab.workspaceId('x'), {})).status, 400);
  const elsewhere = { location: 'local', identity: { type: 'None' }, properties: {} };
  assert.equal((await lab.call(lab.owner, 'PUT', lab.workspaceId('NoIdentity'), { body: elsewhere })).status, 400);
});

test('resyncing gives back roles that were taken away, and touches nothing else', async (t) => {
  const lab = await openLab(t);
  const id = await lab.workspace('Sync');
  const { identity, properties } = (await lab.must(lab.owner, 'GET', id)).body;
  const before = await rolesOf(lab, identity.principalId);
  const account = (await lab.must(lab.owner, 'GET', properties.storageAccount)).body;
  await lab.must(lab.owner, 'PUT', properties.storageAccount, { body: { ...account, tags: { cost: 'lab' } } });
  const { access, system, workspaces } = lab.now();
  await access.unassignPrincipal(system, identity.principalId);
  const workspace = await workspaces.get(system, id);
  const action = {
    name: 'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read',
    plane: 'data',
  } as const;
  const asIdentity = () => workspaces.asIdentity(workspace, action, workspace.storageAccount, 'test');
  assert.throws(asIdentity, /does not have authorization/);
  assert.equal((await lab.call(await lab.person(['Reader']), 'POST', `${id}/resyncKeys`)).status, 403);
  await lab.must(lab.owner, 'POST', `${id}/resyncKeys`);
  asIdentity();
  assert.equal((await rolesOf(lab, identity.principalId)).length, before.length);
  assert.deepEqual((await lab.must(lab.owner, 'GET', properties.storageAccount)).body.tags, { cost: 'lab' });
});

test('resyncing leaves what people wrote on the four datastores', async (t) => {
  const lab = await openLab(t);
  const id = await lab.workspace('Said');
  const datastore = `${id}/datastores/workspaceblobstore`;
  const { properties } = (await lab.must(lab.owner, 'GET', datastore)).body;
  const said = { description: 'ours', tags: { cost: 'lab' }, properties: { since: 'May' } };
  const { datastoreType, accountName, containerName } = properties;
  await lab.must(lab.owner, 'PUT', datastore, {
    body: { properties: { datastoreType, accountName, containerName, ...said } },
  });
  const before = (await lab.must(lab.owner, 'GET', datastore)).body;
  await lab.must(lab.owner, 'POST', `${id}/resyncKeys`);
  assert.deepEqual((await lab.must(lab.owner, 'GET', datastore)).body, before);
});

test('a datastore that came with a workspace goes with it and not before; one that somebody made goes when he says so', async (t) => {
  const lab = await openLab(t);
  const id = await lab.workspace('Kept');
  const { value } = (await lab.must(lab.owner, 'GET', `${id}/datastores`)).body;
  assert.equal(value.length, 4);
  for (const { id: datastore, name } of value) {
    const refused = await lab.call(lab.owner, 'DELETE', datastore);
    assert.deepEqual([refused.status, refused.body.error.code], [409, 'DatastoreOfWorkspace']);
    assert.match(refused.body.error.message, new RegExp(`'${name}' came with its workspace .* Delete what lies in it`));
    assert.equal((await lab.call(lab.owner, 'GET', datastore)).status, 200);
  }
  const { datastoreType, accountName, containerName } = value[0].properties;
  const own = `${id}/datastores/own`;
  const properties = { datastoreType, accountName, containerName };
  // What azure-ai-ml sends with each; and that it is to be tried, which it is not.
  assert.equal((await lab.call(lab.owner, 'PUT', `${own}?skipValidation=false`, { body: { properties } })).status, 400);
  assert.equal((await lab.call(lab.owner, 'GET', own)).status, 404);
  await lab.must(lab.owner, 'PUT', `${own}?skipValidation=true`, { body: { properties } });
  await lab.must(lab.owner, 'DELETE', own);
  assert.equal((await lab.call(lab.owner, 'GET', own)).status, 404);
  assert.equal((await lab.call(lab.owner, 'DELETE', id)).status, 202);
  await lab.now().tasks.drain();
  assert.equal((await lab.call(lab.owner, 'GET', id)).status, 404);
});

test('a workspace that is to be deleted so that it can be recovered is not deleted, and told what it takes', async (t) => {
  const lab = await openLab(t);
  const id = await lab.workspace('Precious');
  const refused = await lab.call(lab.owner, 'DELETE', `${id}?forceToPurge=false`);
  assert.deepEqual([refused.status, refused.body.error.code], [400, 'SoftDeleteNotServed']);
  assert.match(refused.body.error.message, /was not deleted.*permanently_delete=True/);
  assert.equal((await lab.call(lab.owner, 'DELETE', `${id}?forceToPurge=maybe`)).status, 400);
  await lab.now().tasks.drain();
  assert.equal((await lab.must(lab.owner, 'GET', id)).body.properties.provisioningState, 'Succeeded');
  assert.equal((await lab.call(lab.owner, 'DELETE', `${id}?forceToPurge=true`)).status, 202);
  // Asked again, however: it is going already.
  assert.equal((await lab.call(lab.owner, 'DELETE', `${id}?forceToPurge=false`)).status, 202);
  await lab.now().tasks.drain();
  assert.equal((await lab.call(lab.owner, 'GET', id)).status, 404);
  assert.equal((await lab.call(lab.owner, 'DELETE', `${id}?forceToPurge=false`)).status, 204);
});

test('what a workspace had made and somebody removed is made again only by who may make it', async (t) => {
  const lab = await openLab(t);
  const id = await lab.workspace('Lost');
  const { applicationInsights } = (await lab.must(lab.owner, 'GET', id)).body.properties;
  await lab.must(lab.owner, 'DELETE', applicationInsights);
  const refused = await lab.call(await lab.person(['AzureML Data Scientist']), 'POST', `${id}/resyncKeys`);
  assert.deepEqual([refused.status, refused.body.error.code], [403, 'AuthorizationFailed']);
  assert.match(refused.body.error.message, /components\/write/);
  assert.equal((await lab.call(lab.owner, 'GET', applicationInsights)).status, 404);
  await lab.must(lab.owner, 'POST', `${id}/resyncKeys`);
  assert.equal((await lab.call(lab.owner, 'GET', applicationInsights)).status, 200);
});

test('a removal that comes while a workspace is resynced waits for it, and leaves nothing of it', async (t) => {
  const lab = await openLab(t);
  const id = await lab.workspace('Both');
  const { identity, properties } = (await lab.must(lab.owner, 'GET', id)).body;
  const { access, system } = lab.now();
  await access.unassignPrincipal(system, identity.principalId);
  const [isThere, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  lab.seam.before = async (step) => {
    if (step !== 'assign') return;
    isThere.resolve();
    await goOn.promise;
  };
  const resync = lab.call(lab.owner, 'POST', `${id}/resyncKeys`);
  await isThere.promise;
  const removal = lab.call(lab.owner, 'DELETE', id);
  // Answered while the other is at it, it would have marked the row by now.
  assert.equal((await lab.must(lab.owner, 'GET', id)).body.properties.provisioningState, 'Succeeded');
  goOn.resolve();
  assert.equal((await resync).status, 200);
  assert.equal((await removal).status, 202);
  assert.equal((await drained(lab, id)).status, 404);
  assert.deepEqual(await rolesOf(lab, identity.principalId), []);
  assert.equal((await lab.call(lab.owner, 'GET', properties.storageAccount)).status, 404);
});

test('a role that somebody took away is given back only by who may grant it where it is missing', async (t) => {
  const lab = await openLab(t);
  const id = await lab.workspace('Sync');
  const { identity, properties } = (await lab.must(lab.owner, 'GET', id)).body;
  const [contributor, scientist] = [await lab.person(['Contributor']), await lab.person(['AzureML Data Scientist'])];
  const before = await rolesOf(lab, identity.principalId);
  // Nothing is missing: whoever may ask may.
  await lab.must(scientist, 'POST', `${id}/resyncKeys`);
  const list = `${properties.storageAccount}/providers/Microsoft.Authorization/roleAssignments?$filter=${encodeURIComponent(`principalId eq '${identity.principalId}' and atScope()`)}`;
  const own = (await lab.must(lab.owner, 'GET', list)).body.value.find((one: { id: string }) =>
    one.id.toLowerCase().startsWith(properties.storageAccount.toLowerCase()),
  );
  await lab.must(lab.owner, 'DELETE', own.id);
  for (const who of [scientist, contributor]) {
    const refused = await lab.call(who, 'POST', `${id}/resyncKeys`);
    assert.deepEqual([refused.status, refused.body.error.code], [403, 'AuthorizationFailed']);
    assert.match(refused.body.error.message, /roleAssignments\/write/);
  }
  assert.equal((await rolesOf(lab, identity.principalId)).length, before.length - 1);
  await lab.must(lab.owner, 'POST', `${id}/resyncKeys`);
  assert.equal((await rolesOf(lab, identity.principalId)).length, before.length);
});

test('a workspace that is being made or removed takes no resync, so that nothing of it comes back', async (t) => {
  const lab = await openLab(t);
  const id = lab.workspaceId('Going');
  const resync = async () => {
    const { status, body } = await lab.call(lab.owner, 'POST', `${id}/resyncKeys`);
    return [status, body.error.code];
  };
  assert.equal((await put(lab, id, {})).status, 201);
  assert.deepEqual(await resync(), [409, 'AnotherOperationInProgress']);
  await lab.now().tasks.drain();
  assert.equal((await lab.call(lab.owner, 'DELETE', id)).status, 202);
  assert.deepEqual(await resync(), [409, 'AnotherOperationInProgress']);
  assert.equal((await drained(lab, id)).status, 404);
});

test('a workspace is not put on what is being removed', async (t) => {
  const lab = await openLab(t);
  const account = (await lab.must(lab.owner, 'GET', await lab.workspace('Early'))).body.properties.storageAccount;
  // Accepted, and waiting for the workspace that stands on it.
  assert.equal((await lab.call(lab.owner, 'DELETE', account)).status, 202);
  const refused = await put(lab, lab.workspaceId('Late'), { storageAccount: account });
  assert.deepEqual([refused.status, refused.body.error.code], [400, 'LinkedResourceNotFound']);
});

test('a group goes with its workspaces and all that they stand on, in whatever order', async (t) => {
  const lab = await openLab(t);
  const given = (await lab.must(lab.owner, 'GET', await lab.workspace('Alpha'))).body.properties;
  await lab.workspace('Zeta', { storageAccount: given.storageAccount });
  assert.equal((await lab.call(lab.owner, 'DELETE', lab.group)).status, 202);
  assert.equal((await drained(lab, lab.group)).status, 404);
  assert.deepEqual(await files(lab, '.db'), []);
  await lab.must(lab.owner, 'PUT', lab.group, { body: { location: 'local' } });
  const again = await lab.workspace('Alpha');
  assert.equal((await lab.must(lab.owner, 'GET', `${again}/jobs`)).body.value.length, 0);
});

test('a grant that decided nothing, or about something else, reaches no workspace', async (t) => {
  const lab = await openLab(t);
  const id = await lab.workspace('Reach');
  const other = await lab.workspace('Reachless');
  const { workspaces, grant } = lab.now();
  const read = 'Microsoft.MachineLearningServices/workspaces/read';
  assert.equal((await workspaces.get(grant(lab.owner, read, id), id)).name, 'Reach');
  assert.equal((await workspaces.get(grant(lab.owner, read, lab.group), id)).name, 'Reach');
  await assert.rejects(workspaces.get(grant(lab.owner, read, id), other), /does not reach/);
  await assert.rejects(workspaces.database(grant(lab.owner, read, id), other), /does not reach/);
  const { authorizer } = lab.now().access;
  const asking = { actor: lab.now().system.actor, requestId: 'r', address: undefined };
  await assert.rejects(workspaces.get(authorizer.open(asking, 'test'), id), /does not reach/);
});
