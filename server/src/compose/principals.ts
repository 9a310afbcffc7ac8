// Between the directory, which knows who there is, and roles, which know who may: what each is told of the other, and what
// the resource manager asks for when a resource has an identity of its own.

import { type Access, accessDuties, type Principal as RolePrincipal } from '#access';
import type { Identity, Principal } from '#identity';
import type { Database } from '#kernel/database/database';
import type { Identities } from '#resources';

/** What roles ask of the directory. */
export const principalsOf = (directory: Identity['directory']) => ({
  find: async (objectId: string) => asRolePrincipal(await directory.findPrincipal(objectId)),
});

function asRolePrincipal(principal: Principal | undefined): RolePrincipal | undefined {
  if (principal === undefined) return undefined;
  return {
    objectId: principal.objectId,
    name: principal.name,
    type: principal.kind === 'user' ? 'User' : 'ServicePrincipal',
    groups: [],
    isEnabled: principal.enabled,
    isOfResource: principal.kind === 'managedIdentity',
  };
}

/** Managed identities of resources: they come into the directory, and leave it together with their roles. */
export function identitiesOf(deps: {
  readonly control: Database;
  readonly directory: Identity['directory'];
  readonly access: Pick<Access, 'grants' | 'retire'>;
  readonly tenantId: string;
}): Identities {
  const { control, directory, access, tenantId } = deps;

  async function removeOne(resourceId: string): Promise<void> {
    const found = await directory.findManagedIdentity(resourceId);
    if (found === undefined) return;
    await access.retire(access.grants.duty(accessDuties.withdrawOfPrincipal, '/'), found.objectId, 'removed', (tx) =>
      directory.removeManagedIdentity(tx, resourceId),
    );
  }

  return {
    create: async (resource) => ({
      ...(await control.write((tx) => directory.createManagedIdentity(tx, resource))),
      tenantId,
    }),
    async remove(resourceId) {
      for (;;) {
        const below = await directory.resourcesWithIdentityBelow(resourceId);
        if (below.length === 0) break;
        for (const each of below) await removeOne(each);
      }
      await removeOne(resourceId);
    },
  };
}
