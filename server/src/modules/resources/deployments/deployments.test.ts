// The one template that is served, behind the real door: the workspace that it means is made by its caller and by the rules of
// workspaces, and nothing else can be made through it.

import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { openLab } from '../../../../test/lab/lab.fixture.ts';
import { workspaceIn } from '../../workspaces/template.rules.ts';

after(() => closeScanPool());

const template = {
  $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
  resources: [
    { type: 'Microsoft.Storage/storageAccounts', condition: "[equals(parameters('storageAccountOption'), 'new')]" },
    { type: 'Microsoft.MachineLearningServices/workspaces', properties: { anything: ['at', 'all'] } },
  ],
};
/** As azure-ai-ml 1.35 fills them in. */
const usual = {
  workspaceName: 'Made',
  location: 'local',
  friendlyName: 'Made by a template',
  kind: 'default',
  tagValues: { createdByToolkit: 'sdk' },
  keyVaultOption: 'new',
  keyVaultName: 'madekeyvault1',
  storageAccountOption: 'new',
  storageAccountName: 'madestorage1',
  applicationInsightsOption: 'new',
  containerRegistryOption: 'none',
  containerRegistryName: 'name',
  encryption_status: 'Disabled',
  cmk_keyvault: '',
  resource_cmk_uri: '',
  confidential_data: 'true',
  publicNetworkAccess: 'Enabled',
  privateEndpointType: 'none',
  managedNetwork: {},
  identity: { type: 'SystemAssigned' },
  spark_runtime_version: null,
};
const parametersOf = (more: object = {}) =>
  Object.fromEntries(Object.entries({ ...usual, ...more }).map(([name, value]) => [name, { value }]));

async function openBench(t: TestContext) {
  const lab = await openLab(t);
  const id = `${lab.group}/providers/Microsoft.Resources/deployments/made-1`;
  const deploy = (more: object = {}, who = lab.owner, properties: object = {}) => {
    const sent = lab.call(who, 'PUT', id, {
      body: { properties: { mode: 'Incremental', template, parameters: parametersOf(more), ...properties } },
    });
    return sent;
  };
  const isThere = async (path: string) => (await lab.call(lab.owner, 'GET', path)).status === 200;
  return { lab, id, deploy, isThere, made: lab.workspaceId('Made') };
}

test('the parameters mean a workspace, and it is made', async (t) => {
  const { lab, id, deploy, made } = await openBench(t);
  const deployed = await deploy();
  assert.equal(deployed.status, 201, deployed.bytes.toString());
  assert.equal(deployed.body.properties.provisioningState, 'Succeeded');
  const { body } = await lab.must(lab.owner, 'GET', made);
  assert.deepEqual(
    [body.location, body.tags, body.properties.friendlyName, body.properties.hbiWorkspace],
    ['local', { createdByToolkit: 'sdk' }, 'Made by a template', true],
  );
  assert.equal(body.properties.provisioningState, 'Succeeded');
  const operations = `${lab.group}/deployments/made-1/operations`;
  const { value } = (await lab.must(lab.owner, 'GET', operations)).body;
  assert.deepEqual(value[0].properties.targetResource.id, made);
  assert.equal((await lab.call(await lab.person([]), 'GET', operations)).status, 403);
  assert.equal((await deploy()).status, 200, 'once more changes nothing');
  await lab.must(lab.owner, 'DELETE', id);
  assert.equal((await lab.call(lab.owner, 'GET', made)).status, 200, 'what was made stays');
});

test('what is no parameter of a workspace is neither kept nor shown', async (t) => {
  const { lab, id, deploy } = await openBench(t);
  assert.equal((await deploy({ adminPassword: 'canary-7f3' })).status, 201);
  assert.ok(!(await lab.must(lab.owner, 'GET', id)).bytes.includes('canary-7f3'));
  const { resources, system } = lab.now();
  assert.ok(!JSON.stringify(await resources.get(system, id)).includes('canary-7f3'));
  assert.ok(!JSON.stringify(lab.now().audit).includes('canary-7f3'));
});

test('half a customer key, a vault that is not there: the rules of workspaces, and nothing is made', async (t) => {
  const { lab, id, deploy, isThere, made } = await openBench(t);
  const vault = `${lab.group}/providers/Microsoft.KeyVault/vaults/absent`;
  for (const [more, code] of [
    [{ cmk_keyvault: vault, encryption_status: 'Enabled' }, 'InvalidEncryption'],
    [{ resource_cmk_uri: 'https://absent.vault.localhost:8443/keys/k/1' }, 'InvalidEncryption'],
    [
      {
        cmk_keyvault: vault,
        resource_cmk_uri: 'https://absent.vault.localhost:8443/keys/k/1',
        encryption_status: 'Enabled',
      },
      'KeyVaultNotFound',
    ],
    [{ storageAccountOption: 'existing', storageAccountName: 'absent1' }, 'LinkedResourceNotFound'],
  ] as const) {
    const refused = await deploy(more);
    assert.deepEqual([refused.status, refused.body.error.code], [400, code], JSON.stringify(more));
    assert.equal(await isThere(id), false);
    assert.equal(await isThere(made), false);
  }
});

test('it makes for nobody what he may not make himself', async (t) => {
  const { lab, deploy, isThere, made } = await openBench(t);
  for (const role of ['Reader', 'AzureML Data Scientist', 'Storage Blob Data Contributor'])
    assert.equal((await deploy({}, await lab.person([role]))).status, 403, role);
  // Who may make it elsewhere, and not here.
  const elsewhere = `${lab.subscription}/resourceGroups/Elsewhere`;
  await lab.must(lab.owner, 'PUT', elsewhere, { body: { location: 'local' } });
  assert.equal((await deploy({}, await lab.person(['Contributor'], elsewhere))).status, 403);
  assert.equal(await isThere(made), false);
});

test('other templates, names that are ids, and parameters that ask for more are refused', async (t) => {
  const { deploy, isThere, id } = await openBench(t);
  for (const properties of [
    { template: {} },
    { template: 'text' },
    { template: { resources: 'x' } },
    { template: { resources: [{ type: 'Microsoft.Compute/virtualMachines' }] } },
    { template: { resources: [null, 7, { type: ['x'] }] } },
  ])
    assert.equal((await deploy({}, undefined, properties)).body.error.code, 'TemplateNotServed');
  for (const workspaceName of ['a/computes/b', '../x', 'a b', '', 7, { a: 1 }])
    assert.equal((await deploy({ workspaceName })).status, 400, JSON.stringify(workspaceName));
  const closed = /Network switches of a workspace are not served/;
  for (const [more, says] of [
    [{ kind: 'hub' }, /^Workspaces of the kind 'hub'/],
    [{ publicNetworkAccess: 'Disabled', associatedResourcePNA: 'Disabled' }, closed],
    [{ publicNetworkAccess: 'Disabled' }, /^properties.publicNetworkAccess is not served/],
    [{ associatedResourcePNA: 'Disabled' }, closed],
    [{ privateEndpointType: 'AutoApproval' }, closed],
    // As azure-ai-ml asks for it: the switch that it adds by itself is not what the answer is about.
    [
      { managedNetwork: { isolationMode: 'AllowOnlyApprovedOutbound' }, associatedResourcePNA: 'Disabled' },
      /^properties.managedNetwork is not served/,
    ],
    [{ provisionNetworkNow: 'true' }, closed],
    [{ enable_data_isolation: 'true' }, /^properties.enableDataIsolation is not served/],
    [{ imageBuildCompute: '../cpu' }, /imageBuildCompute/],
    [{ primaryUserAssignedIdentity: '/some/identity' }, /user-assigned ones are not served/],
    [{ identity: { type: 'user_assigned' } }, /user-assigned identities are not served/],
  ] as const) {
    const { status, body } = await deploy(more);
    assert.equal(status, 400, JSON.stringify(more));
    assert.match(body.error.message, says);
  }
  assert.equal(await isThere(id), false);
});

test('a value that is not understood is refused: it may have asked for protection', async (t) => {
  const { lab, deploy, isThere, id, made } = await openBench(t);
  for (const [more, says] of [
    [{ confidential_data: 'yes' }, /^confidential_data is not served as asked. It must be 'true' or 'false'/],
    [{ confidential_data: 1 }, /^confidential_data/],
    [{ allowRoleAssignmentOnRG: 'no' }, /^allowRoleAssignmentOnRG/],
    [{ encryption_status: 'On' }, /^encryption_status .* It must be Enabled or Disabled/],
    [{ cmk_keyvault: ['/vault'] }, /^cmk_keyvault .* It must be text/],
    [{ storageAccountOption: 'given', storageAccountName: 'absent1' }, /^storageAccountOption/],
    [{ storageAccountOption: 'Existing', storageAccountName: 'absent1' }, /^There is no resource with the id/],
    [{ publicNetworkAccess: false }, /^publicNetworkAccess .* It must be text/],
    [{ storageAccountBehindVNet: 'true' }, /^storageAccountBehindVNet .*Network switches/],
    [{ encryption_cosmosdb_resourceid: '/some/account' }, /^properties.encryption.cosmosDbResourceId is not served/],
    [{ serverless_compute_settings: { serverlessComputeNoPublicIP: true } }, /serverlessComputeSettings is not served/],
    [{ workspace_hub: '/some/hub' }, /^properties.hubResourceId is not served/],
  ] as const) {
    const { status, body } = await deploy(more);
    assert.equal(status, 400, JSON.stringify(more));
    assert.match(body.error.message, says);
  }
  const byReference = await deploy({}, undefined, {
    parameters: { ...parametersOf(), cmk_keyvault: { reference: { keyVault: { id: '/v' }, secretName: 's' } } },
  });
  assert.match(byReference.body.error.message, /^cmk_keyvault .* given by reference/);
  assert.equal((await isThere(id)) || (await isThere(made)), false);
  for (const confidential_data of [true, 'True']) {
    assert.ok((await deploy({ confidential_data })).status < 300);
    assert.equal((await lab.must(lab.owner, 'GET', made)).body.properties.hbiWorkspace, true);
  }
});

test('parameters of every shape are read without failing', () => {
  const at = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Resources/deployments/d';
  for (const odd of [null, 7, 'x', [], {}, { value: null }, { value: [] }, { value: { value: 1 } }]) {
    const names = ['workspaceName', 'location', 'tagValues', 'identity', 'cmk_keyvault', 'storageAccountOption'];
    const { draft } = workspaceIn(Object.fromEntries(names.map((name) => [name, odd])), at);
    assert.deepEqual([draft.location, draft.tags, draft.properties], [undefined, {}, {}], JSON.stringify(odd));
  }
});
