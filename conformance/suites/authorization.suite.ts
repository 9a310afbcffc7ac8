// @azure/arm-authorization: role definitions and assignments, and that an assignment is what opens and shuts a door.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { AuthorizationManagementClient } from '@azure/arm-authorization';
import { ResourceManagementClient } from '@azure/arm-resources';
import { ClientSecretCredential } from '@azure/identity';
import {
  all,
  authority,
  bootstrap,
  credential,
  makeGroup,
  resources,
  subscriptionScope,
} from '../harness/bootstrap.ts';
import { registerApplication } from '../harness/graph.ts';

const authorization = new AuthorizationManagementClient(credential, bootstrap.subscriptionId, {
  endpoint: bootstrap.url,
});
const roleId = async (name: string) => {
  const [found] = await all(authorization.roleDefinitions.list(subscriptionScope, { filter: `roleName eq '${name}'` }));
  assert.ok(found?.id, `the built-in role ${name}`);
  return found.id;
};

describe('@azure/arm-authorization', () => {
  let group = '';
  before(async () => {
    group = await makeGroup('authorization');
  });

  it("the article's roles are built in and found by name", async () => {
    for (const name of ['Owner', 'Contributor', 'Reader', 'AzureML Data Scientist', 'AzureML Compute Operator'])
      assert.match(await roleId(name), /roleDefinitions\/[0-9a-f-]{36}$/);
    const owner = await authorization.roleDefinitions.getById(await roleId('Owner'));
    assert.deepEqual(owner.permissions?.[0]?.actions, ['*']);
    assert.equal(owner.roleType, 'BuiltInRole');
  });

  it('a custom role is created, replaced, read and deleted', async () => {
    const name = randomUUID();
    const role = {
      roleName: 'Conformance reader',
      description: 'Reads groups.',
      roleType: 'CustomRole',
      permissions: [{ actions: ['Microsoft.Resources/subscriptions/resourceGroups/read'], notActions: [] }],
      assignableScopes: [subscriptionScope],
    };
    const made = await authorization.roleDefinitions.createOrUpdate(subscriptionScope, name, role);
    assert.equal(made.name, name);
    const replaced = await authorization.roleDefinitions.createOrUpdate(subscriptionScope, name, {
      ...role,
      description: 'Reads groups only.',
    });
    assert.equal(replaced.description, 'Reads groups only.');
    const read = await authorization.roleDefinitions.get(subscriptionScope, name);
    assert.deepEqual(read.permissions?.[0]?.actions, role.permissions[0]?.actions);
    await authorization.roleDefinitions.delete(subscriptionScope, name);
    await assert.rejects(authorization.roleDefinitions.get(subscriptionScope, name), { statusCode: 404 });
  });

  it('assigning Reader opens exactly reading, and removing the assignment shuts it', async () => {
    const application = await registerApplication('conformance-reader');
    const theirs = new ClientSecretCredential(
      bootstrap.tenantId,
      application.clientId,
      application.clientSecret,
      authority,
    );
    const asThem = new ResourceManagementClient(theirs, bootstrap.subscriptionId, { endpoint: bootstrap.url });

    await assert.rejects(asThem.resourceGroups.get('authorization'), { statusCode: 403, code: 'AuthorizationFailed' });
    const name = randomUUID();
    const made = await authorization.roleAssignments.create(group, name, {
      roleDefinitionId: await roleId('Reader'),
      principalId: application.objectId,
      principalType: 'ServicePrincipal',
    });
    assert.equal(made.principalId, application.objectId);
    assert.equal((await asThem.resourceGroups.get('authorization')).name, 'authorization');
    assert.deepEqual(
      (await all(asThem.resourceGroups.list())).map((item) => item.name),
      ['authorization'],
    );
    await assert.rejects(asThem.resourceGroups.createOrUpdate('authorization', { location: bootstrap.location }), {
      statusCode: 403,
    });

    const filter = `principalId eq '${application.objectId}'`;
    const listed = await all(authorization.roleAssignments.listForScope(group, { filter }));
    assert.deepEqual(
      listed.map((item) => item.name),
      [name],
    );
    assert.equal((await authorization.roleAssignments.getById(made.id ?? '')).scope, group);
    await authorization.roleAssignments.delete(group, name);
    await assert.rejects(asThem.resourceGroups.get('authorization'), { statusCode: 403 });
  });

  it('assignments are listed for the subscription, a group and a resource', async () => {
    assert.ok((await all(authorization.roleAssignments.listForSubscription())).length > 0);
    const atGroup = await all(
      authorization.roleAssignments.listForResourceGroup('authorization', { filter: 'atScope()' }),
    );
    assert.ok(atGroup.some((item) => item.scope === subscriptionScope));
    const vault = `${group}/providers/Microsoft.KeyVault/vaults/conformance-roles`;
    await resources.resources.beginCreateOrUpdateByIdAndWait(vault, '2023-07-01', {
      location: bootstrap.location,
      properties: { tenantId: bootstrap.tenantId, sku: { family: 'A', name: 'standard' } },
    });
    const atVault = await all(
      authorization.roleAssignments.listForResource(
        'authorization',
        'Microsoft.KeyVault',
        'vaults',
        'conformance-roles',
      ),
    );
    assert.ok(atVault.some((item) => item.scope === subscriptionScope));
  });

  it('permissions tell what the caller may do in a group and on a resource', async () => {
    const inGroup = await all(authorization.permissions.listForResourceGroup('authorization'));
    assert.ok(inGroup.some((permission) => permission.actions?.includes('*')));
  });

  it('the operations of a provider are described', async () => {
    const described = await authorization.providerOperationsMetadataOperations.get('Microsoft.KeyVault');
    assert.ok((described.resourceTypes ?? []).length > 0 || (described.operations ?? []).length > 0);
  });

  it('a role that does not exist cannot be assigned', async () => {
    await assert.rejects(
      authorization.roleAssignments.create(group, randomUUID(), {
        roleDefinitionId: `${subscriptionScope}/providers/Microsoft.Authorization/roleDefinitions/${randomUUID()}`,
        principalId: bootstrap.application.objectId,
        principalType: 'ServicePrincipal',
      }),
      { code: 'RoleDefinitionDoesNotExist' },
    );
  });
});
