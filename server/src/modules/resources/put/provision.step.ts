// Provisions what stands behind a resource whose row is stored: within the request, unless an operation does it.

import { resourcesDuties } from '../duties.ts';
import type { Ports } from '../ports.types.ts';
import type { Provisioning } from '../provisioning.service.ts';
import type { Put, Rowed } from './put.types.ts';

export function createProvision(
  { grants }: Pick<Ports, 'grants'>,
  { provisioning }: { readonly provisioning: Provisioning },
) {
  return async ({ grant, kind, home, resource, isPlain, operation }: Rowed): Promise<Omit<Put, 'created'>> => {
    if (isPlain || operation !== undefined) return { resource, operation };
    try {
      return { resource: await provisioning.provision(grant, home, resource), operation: undefined };
    } catch (thrown) {
      await provisioning.undo(grants.duty(resourcesDuties.takeBack(kind.type), resource.id), home, resource);
      throw thrown;
    }
  };
}
