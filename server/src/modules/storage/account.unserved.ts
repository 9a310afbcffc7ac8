// What Azure's storage accounts have and ours do not: other ways in than tokens, and rules for credentials that are not there.

import { Type } from '@strongroom/contract/schema';
import type { Refusal, Unserved } from '#resources';

const otherWaysIn: Refusal = {
  harmless: [false],
  because: 'An account is reached by the Blob service with tokens, and by no other protocol or user.',
  instead: 'Leave it out, or send false.',
};

export const unservedOfAccounts: Unserved = {
  refused: {
    sasPolicy: {
      because:
        'Signed addresses are made by the server alone, for one purpose and a short time that is not set by account.',
      instead: 'Leave sasPolicy out.',
    },
    allowCrossTenantReplication: {
      always: false,
      because: 'There is one tenant, and nothing is replicated to another.',
      instead: 'Leave allowCrossTenantReplication out, or send false.',
    },
    isSftpEnabled: otherWaysIn,
    isNfsV3Enabled: otherWaysIn,
    immutableStorageWithVersioning: {
      harmless: [{ enabled: false }],
      because: 'Blobs have no versions and no time during which they cannot be changed.',
      instead: 'Leave immutableStorageWithVersioning out, and give nobody a role that deletes.',
    },
    allowedCopyScope: {
      because: 'Copies are decided by the roles of whoever copies, at both ends.',
      instead: 'Leave allowedCopyScope out.',
    },
    azureFilesIdentityBasedAuthentication: {
      harmless: [{ directoryServiceOptions: 'None' }],
      because: 'Shares of files are not served.',
      instead: 'Leave azureFilesIdentityBasedAuthentication out.',
    },
    customDomain: {
      because: 'An account is reached under the name of the server.',
      instead: 'Leave customDomain out.',
    },
    routingPreference: {
      harmless: [
        { routingChoice: 'MicrosoftRouting', publishMicrosoftEndpoints: false, publishInternetEndpoints: false },
      ],
      because: 'There is one way to the server.',
      instead: 'Leave routingPreference out.',
    },
  },
  kept: {
    accessTier: {
      schema: Type.Union(['Hot', 'Cool', 'Cold', 'Premium'].map((tier) => Type.Literal(tier))),
      because: 'A tier names a price; all blobs are kept alike.',
    },
    keyPolicy: {
      schema: Type.Object(
        { keyExpirationPeriodInDays: Type.Integer({ minimum: 0, maximum: 100_000 }) },
        { additionalProperties: false },
      ),
      because: 'An account has no keys that could grow old.',
    },
  },
  ignored: {
    isLocalUserEnabled: 'There are no local users, allowed or not.',
    defaultToOAuthAuthentication: 'There is no other way to sign in than with a token.',
    largeFileSharesState: 'Shares of files are not served.',
    dnsEndpointType: 'Names of accounts have one form.',
    'encryption.services': 'Everything in an account is encrypted.',
  },
};
