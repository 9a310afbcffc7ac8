// Gives the caller of a suite a role, by the client under test. Owner may manage a vault and an account but not read what is
// in them: whoever wants that asks for a role of the data plane, here as in Azure.

import { randomUUID } from 'node:crypto';
import { AuthorizationManagementClient } from '@azure/arm-authorization';
import { all, bootstrap, credential, subscriptionScope } from './bootstrap.ts';

export const authorization = new AuthorizationManagementClient(credential, bootstrap.subscriptionId, {
  endpoint: bootstrap.url,
});

/** The id of a role by its name. */
export async function roleNamed(name: string): Promise<string> {
  const filter = `roleName eq '${name}'`;
  const [found] = await all(authorization.roleDefinitions.list(subscriptionScope, { filter }));
  if (found?.id === undefined) throw new Error(`there is no role ${name}`);
  return found.id;
}

/** Assigns a role to the caller, or to another principal. */
export async function assign(scope: string, role: string, principalId = bootstrap.application.objectId): Promise<void> {
  await authorization.roleAssignments.create(scope, randomUUID(), {
    roleDefinitionId: await roleNamed(role),
    principalId,
    principalType: 'ServicePrincipal',
  });
}
