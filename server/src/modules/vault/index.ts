// The door of the vault module: key vaults as resources, their secrets and keys as the Key Vault data plane, and the wrapper
// of customer-managed keys that data keys are made with.

import type { Grants } from '#kernel/authority/grant';
import type { Acts } from '#kernel/authority/perform';
import type { Clock } from '#kernel/clock/clock';
import type { Database } from '#kernel/database/database';
import { tableOf } from '#kernel/errors/failures';
import type { Exchange } from '#kernel/http/exchange';
import type { Scheme } from '#kernel/http/surface';
import type { Module } from '#kernel/module';
import type { KeyWrapper } from '#kernel/sealing/data-keys';
import type { DataKeyService } from '#kernel/sealing/data-keys.service';
import type { ResourceKind } from '#resources';
import { createAddresses } from './addresses.rules.ts';
import { availabilityRoutes } from './availability.routes.ts';
import { deletedVaultRoutes } from './deleted-vaults.routes.ts';
import { createDeletedVaults } from './deleted-vaults.service.ts';
import { createDirectory } from './directory.service.ts';
import { vaultDuties } from './duties.ts';
import { createKeyWrapper } from './key-wrapper.service.ts';
import { keyRoutes } from './keys.routes.ts';
import { createKeys } from './keys.service.ts';
import { createMaterial } from './material.service.ts';
import { vaultMigrations } from './migrations/vault.ts';
import { createObjects } from './objects.service.ts';
import { isVaultEmpty } from './objects.store.ts';
import { createWire } from './objects.wire.ts';
import { createRetention } from './retention.service.ts';
import { secretRoutes } from './secrets.routes.ts';
import { createSecrets } from './secrets.service.ts';
import { createSoftwareCustody } from './software-custody.service.ts';
import { createSurface } from './surface.ts';
import { unservedRoutes } from './unserved.routes.ts';
import { vaultFailures } from './vault.errors.ts';
import { vaultsFailures } from './vaults.errors.ts';
import { createVaultKind } from './vaults.kind.ts';
import { createVaults, type Vaults } from './vaults.service.ts';

export { vaultMigrations } from './migrations/vault.ts';
export type { DescribedKey, SecretPlace, VaultFacts, Vaults } from './vaults.service.ts';

export type VaultModule = Module<ResourceKind> & {
  readonly kinds: readonly ResourceKind[];
  /** What other modules may do with vaults. */
  readonly vaults: Vaults;
  /** The port that data keys wrap and unwrap customers' keys through. */
  readonly keyWrapper: KeyWrapper;
};

/** How often deleted secrets, keys and vaults whose retention has ended are destroyed. */
const sweepEveryMs = 10 * 60_000;

/** The audiences that tokens for vaults carry: our own, and the one that clients ask for who know Azure's vaults only. */
export const vaultAudiences = (domain: string): readonly string[] => [
  `https://vault.${domain}`,
  'https://vault.azure.net',
];

export function createVault(deps: {
  /** The control database, migrated with `vaultMigrations` and the data keys' tables. */
  readonly database: Database;
  readonly dataKeys: Pick<DataKeyService, 'ensure' | 'open' | 'destroy' | 'vaultWrapped'>;
  readonly grants: Pick<Grants, 'also'>;
  readonly acts: Acts;
  readonly clock: Clock;
  readonly tenantId: string;
  /** Host that clients use, with its port: `localhost:8443`. */
  readonly domain: string;
  /** Bearer tokens for `vaultAudiences(domain)`. */
  readonly schemes: readonly Scheme[];
  /** Name of the vault that is served at the root of the server's own host, from when it exists; `default` by default. */
  readonly defaultVault?: string;
}): VaultModule {
  const { database, dataKeys, grants, acts, clock, tenantId, domain, schemes } = deps;
  const directory = createDirectory(database, clock);
  const addresses = createAddresses({
    domain,
    defaultVault: () => directory.byName(deps.defaultVault ?? 'default')?.name,
  });
  const material = createMaterial({ database, dataKeys });
  const custody = createSoftwareCustody({ database, material });
  const deletedVaults = createDeletedVaults({ database, dataKeys, custody, directory, acts, clock });
  const destroyExpired = createRetention({ database, directory, custody, acts, clock });
  const secrets = createSecrets({
    ...{ directory, material },
    objects: createObjects({ database, clock, collection: 'secrets' }),
  });
  const keys = createKeys({
    ...{ directory, custody, clock },
    objects: createObjects({ database, clock, collection: 'keys', destroy: custody.destroy }),
  });
  const wireOf = (exchange: Exchange, name: string) => {
    const vault = directory.byName(name);
    if (vault === undefined) throw vaultFailures.VaultNotFound(name);
    return createWire(addresses.idBase(exchange, vault.name), vault);
  };

  return {
    name: 'vault',
    duties: Object.values(vaultDuties),
    failures: [tableOf(vaultFailures), tableOf(vaultsFailures)],
    surfaces: [createSurface({ addresses, schemes, tenantId, domain })],
    routes: [
      ...secretRoutes({ secrets, directory, wireOf }),
      ...keyRoutes({ keys, directory, wireOf }),
      ...availabilityRoutes(directory),
      ...deletedVaultRoutes(deletedVaults),
      ...unservedRoutes,
    ],
    kinds: [
      createVaultKind({
        dataKeys,
        directory,
        isEmpty: (uniqueId) => isVaultEmpty(database.read, uniqueId),
        addresses,
        clock,
        tenantId,
      }),
    ],
    migrations: vaultMigrations,
    vaults: createVaults({ addresses, directory, secrets, keys, grants, acts }),
    keyWrapper: createKeyWrapper({ addresses, directory, keys, acts, clock }),
    periodic: [
      {
        name: 'vault-purge',
        everyMs: sweepEveryMs,
        async run(signal) {
          try {
            await destroyExpired(signal);
          } finally {
            await deletedVaults.sweep();
          }
        },
      },
    ],
    start: () => directory.load(),
  };
}
