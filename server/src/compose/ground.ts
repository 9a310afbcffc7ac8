// What every module stands on: who you are, what you may, what you did, and the resources that it is all about.

import { declaredActions } from '@strongroom/contract/actions';
import { type Access, accessDuties, createAccess } from '#access';
import { createAudit } from '#audit';
import { createIdentity, createSignedAddresses, firstStart } from '#identity';
import type { Scheme } from '#kernel/http/surface';
import { createDataKeys } from '#kernel/sealing/data-keys.service';
import { createQuotas } from '#quotas';
import { createResources, type HomeOf } from '#resources';
import type { VaultModule } from '#vault';
import type { Foundation } from './foundation.ts';
import { identitiesOf, principalsOf } from './principals.ts';

/** Ports that stand above, named before their side is made: each is called only after everything is composed. */
export type Above = {
  readonly homeOf: HomeOf;
  readonly keyWrapper: () => VaultModule['keyWrapper'];
  /** Run tokens are jobs' to tell; every surface that a running job calls asks for them before access tokens. */
  readonly runTokens: Scheme;
  /** After a principal was disabled or removed: what it submitted ends. */
  readonly left: (objectId: string) => Promise<void>;
};

const subscriptionName = 'Strongroom';

export async function composeGround(foundation: Foundation, above: Above) {
  const { config, clock, log, files, rootKey, keyring, control, domain } = foundation;
  const { telemetry } = foundation.metrics;
  const origin = `https://${domain}`;

  // The facts of the installation first, so that everything is made with plain values.
  const bootstrapped = await firstStart(control, clock);
  const { tenantId, subscriptionId } = bootstrapped;
  const identity = createIdentity({
    database: control,
    clock,
    log,
    telemetry,
    secretStore: {
      get: (name) => keyring.get(`identity/${name}`),
      put: (name, bytes) => keyring.put(`identity/${name}`, bytes),
    },
    installed: bootstrapped,
    origins: [origin],
    domain,
    furtherAudiences: [`${origin}/registry`],
    async leaving(objectId, how, leave) {
      await access.retire(grants.duty(accessDuties.withdrawOfPrincipal, '/'), objectId, how, leave);
      await above.left(objectId);
    },
  });

  const audit = createAudit({
    database: foundation.auditDatabase,
    clock,
    log,
    telemetry,
    signer: foundation.auditSigner,
    anchors: foundation.anchors,
    installationId: tenantId,
    retentionDays: config.audit.retentionDays,
    ...(config.audit.checkpointFile === '' ? {} : { checkpointFile: config.audit.checkpointFile }),
  });
  const access: Access = createAccess({
    database: control,
    clock,
    tenantId,
    catalogue: declaredActions,
    audit: audit.trail,
    administrator: bootstrapped.administrator.objectId,
    principals: principalsOf(identity.directory),
    scopes: {
      require: (scope) => resources.scopes.require(scope),
      isGone: (scope) => resources.scopes.isGone(scope),
    },
    log,
  });
  const { grants, acts } = access;

  // Which audience opens which surface: docs/adr/0010-audiences.md.
  const bearer = (...audiences: readonly string[]) => identity.bearerScheme({ audiences });
  const armAudiences = [origin, 'https://management.azure.com', 'https://management.core.windows.net'];
  const armSchemes = [above.runTokens, bearer(...armAudiences)];

  const resources = createResources({
    database: control,
    clock,
    log,
    tasks: foundation.tasks,
    grants,
    acts,
    identities: identitiesOf({ control, directory: identity.directory, access, tenantId }),
    homeOf: above.homeOf,
    subscription: { id: subscriptionId, displayName: subscriptionName, tenantId, location: config.location },
    domain,
    schemes: armSchemes,
  });

  const quotas = createQuotas({
    database: control,
    resources: resources.resources,
    grants,
    telemetry,
    disk: () => foundation.room.space(),
    percentOfDisk: config.disk.quotaPercent,
  });

  return {
    identity,
    bootstrapped,
    quotas,
    acts,
    audit,
    access,
    resources,
    bearer,
    armAudiences,
    armSchemes,
    runTokens: above.runTokens,
    addresses: createSignedAddresses({
      tokens: identity.tokens,
      standings: identity.standings,
      authorizer: access.authorizer,
      tenantId,
    }),
    dataKeys: createDataKeys({ database: control, rootKey, clock, wrapper: above.keyWrapper }),
    /** What most modules are made with; each takes what its own type names and nothing else. */
    common: {
      clock,
      log,
      telemetry,
      grants,
      acts,
      tenantId,
      domain,
      files,
      anchors: foundation.anchors,
      quotas: quotas.quotas,
      onFull: () => void foundation.room.release(),
      databases: foundation.databases,
      byteStores: foundation.byteStores,
      port: config.http.port,
      origin,
      resources: resources.resources,
    },
  };
}
export type Ground = Awaited<ReturnType<typeof composeGround>>;
