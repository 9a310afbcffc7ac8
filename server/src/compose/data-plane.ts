// Where data rests: secrets and keys, blobs, images. Monitoring sits beside them, for what is counted.

import { createMonitoring } from '#monitoring';
import { createRegistry } from '#registry';
import { createStorage, type ReservedIn } from '#storage';
import { createVault, vaultAudiences } from '#vault';
import type { Foundation } from './foundation.ts';
import type { Ground } from './ground.ts';

/** What stands above, called only after everything is composed. */
export type AboveData = {
  readonly reservedIn: ReservedIn;
};

export function composeDataPlane(foundation: Foundation, ground: Ground, above: AboveData) {
  const { common, identity, bearer, armAudiences, runTokens, dataKeys } = ground;
  const { origin, domain, tenantId } = common;

  const vault = createVault({
    ...common,
    database: foundation.control,
    dataKeys,
    schemes: [bearer(...vaultAudiences(domain))],
  });
  const storage = createStorage({
    ...common,
    dataKeys,
    schemes: [bearer('https://storage.azure.com')],
    addresses: ground.addresses.scheme('blob'),
    authority: `${origin}/${tenantId}`,
    reservedIn: above.reservedIn,
  });
  const registry = createRegistry({
    ...common,
    dataKeys,
    schemes: [runTokens, bearer('https://containerregistry.azure.net', `${origin}/registry`, ...armAudiences)],
    tokens: identity.tokens,
    principals: identity.standings,
  });
  const monitoring = createMonitoring({
    schemes: [bearer(...armAudiences)],
    subscriptionId: ground.bootstrapped.subscriptionId,
    version: foundation.version,
    log: foundation.log,
    room: foundation.room,
    registry: foundation.metrics,
    stopped: foundation.stopped,
  });
  // In the order in which they stand on each other.
  return { vault, storage, registry, monitoring };
}
export type DataPlane = ReturnType<typeof composeDataPlane>;
