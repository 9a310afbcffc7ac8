// Provisions what stands behind a stored resource, and takes it back. Both may run again after a crash: what they call is
// idempotent by rule.

import type { Grant } from '#kernel/authority/grant';
import type { Database } from '#kernel/database/database';
import { amend } from './amend.store.ts';
import type { Resource, ResourceIdentity } from './kind.types.ts';
import type { Ports } from './ports.types.ts';
import type { TakeDown } from './removal/takedown.step.ts';
import { hasSystemIdentity } from './stamps.rules.ts';

export function createProvisioning(ports: Ports, takeDown: TakeDown) {
  const { catalog, identities, log } = ports;

  /** The identity as it is to be stored: a system-assigned one is made, and gets its ids. */
  async function identityFor(resource: Resource): Promise<ResourceIdentity | undefined> {
    const { identity } = resource;
    if (identity === undefined || !hasSystemIdentity(identity)) return identity;
    const made = await identities.create({ resourceId: resource.id, name: resource.name });
    return { type: identity.type, principalId: made.objectId, tenantId: made.tenantId };
  }

  return {
    identityFor,

    /** Identity, then `create`, then Succeeded. Throws what they throw, and leaves the row as it is. */
    async provision(grant: Grant, home: Database, resource: Resource): Promise<Resource> {
      const identity = await identityFor(resource);
      // Before `create`, which may give the identity roles: a crash in between must not forget whom they were given.
      const current = identity === undefined ? resource : await amend(home, resource, { identity });
      const kept = await catalog.get(resource.type).create?.(grant, current);
      return amend(home, resource, { kept, provisioningState: 'Succeeded' });
    },

    /** After a create that failed within its request: nothing stays. What cannot be taken back stays visible as Failed. */
    async undo(grant: Grant, home: Database, resource: Resource): Promise<void> {
      try {
        await takeDown(grant, home, resource);
      } catch (error) {
        log.error({ module: 'resources', error }, 'a resource whose creation failed could not be taken back');
        await amend(home, resource, { provisioningState: 'Failed' });
      }
    },
  };
}
export type Provisioning = ReturnType<typeof createProvisioning>;
