// What this installation says about itself to clients that look for a cloud: its endpoints in the three shapes that clients
// ask for by api-version, its subscription, its tenant, its place. Pure.
// Sources: measured requests of azure-cli 2.45 and 2.74 and of azure-ai-ml 1.28.

import type { SubscriptionWire } from '@strongroom/contract/resources';
import type { Subscription } from './ports.types.ts';

/**
 * @param origin of the request: endpoints are answered in the form of the host that was asked
 * @param domain host and port that the names of vaults and accounts end with, `localhost:8443`
 */
export function metadataWire(apiVersion: string, origin: string, domain: string): unknown {
  const version = apiVersion.slice(0, 10);
  if (version < '2019-05-01') {
    return {
      galleryEndpoint: `${origin}/`,
      graphEndpoint: `${origin}/msgraph/`,
      portalEndpoint: `${origin}/portal/`,
      authentication: { loginEndpoint: `${origin}/`, audiences: [origin] },
    };
  }
  const cloud = {
    name: 'Strongroom',
    // azure-ai-ml makes its audience from the third label on of this host, and needs there to be one.
    portal: `https://www.portal.${domain}/`,
    resourceManager: `${origin}/`,
    authentication: { loginEndpoint: `${origin}/`, audiences: [origin], tenant: 'common', identityProvider: 'AAD' },
    graph: `${origin}/msgraph/`,
    graphAudience: `${origin}/msgraph/`,
    microsoftGraphResourceId: `${origin}/msgraph/`,
    logAnalyticsResourceId: origin,
    gallery: `${origin}/`,
    batch: `${origin}/`,
    media: `${origin}/`,
    sqlManagement: `${origin}/`,
    activeDirectoryDataLake: `${origin}/`,
    vmImageAliasDoc: `${origin}/`,
    suffixes: {
      keyVaultDns: `vault.${domain}`,
      storage: `storage.${domain}`,
      acrLoginServer: domain,
      sqlServerHostname: `database.${domain}`,
      azureDataLakeStoreFileSystem: `datalake.${domain}`,
    },
  };
  return version < '2022-09-01' ? [cloud] : cloud;
}

export function subscriptionWire(subscription: Subscription): SubscriptionWire {
  return {
    id: `/subscriptions/${subscription.id}`,
    subscriptionId: subscription.id,
    tenantId: subscription.tenantId,
    displayName: subscription.displayName,
    state: 'Enabled',
    authorizationSource: 'RoleBased',
    managedByTenants: [],
    subscriptionPolicies: { locationPlacementId: 'Public_2014-09-01', quotaId: 'SelfHosted', spendingLimit: 'Off' },
  };
}

export function tenantWire(subscription: Subscription, domain: string): unknown {
  return {
    id: `/tenants/${subscription.tenantId}`,
    tenantId: subscription.tenantId,
    tenantCategory: 'Home',
    displayName: subscription.displayName,
    defaultDomain: domain,
    domains: [domain],
  };
}

export function locationWire({ id, location }: Subscription): unknown {
  return {
    id: `/subscriptions/${id}/locations/${location}`,
    subscriptionId: id,
    name: location,
    type: 'Region',
    displayName: location,
    regionalDisplayName: location,
    metadata: { regionType: 'Physical', regionCategory: 'Recommended' },
  };
}
