// What is said to who comes to the blob protocol with a credential that is none here.

import { defineFailures } from '#kernel/errors/failures';

const instead =
  'Send a bearer token for https://storage.azure.com: with az, add --auth-mode login; with an SDK, pass a credential such as DefaultAzureCredential.';

export const credentialFailures = defineFailures(
  'storage',
  {
    NoAuthenticationInformation: {
      kind: 'unauthenticated',
      say: `No credential was sent. ${instead}`,
    },
    accountKey: {
      kind: 'unauthenticated',
      code: 'AuthenticationFailed',
      say: `Storage accounts have no account keys here. ${instead}`,
    },
    signature: {
      kind: 'forbidden',
      code: 'AuthenticationFailed',
      meaning:
        'The signature of a signed address does not hold: it has ended, was changed, or its maker may not any more.',
      remedy: 'Ask for another address.',
      say: (message: string, cause: unknown) => ({ message, cause }),
    },
  },
  { fewWords: 'nothing that the caller could sign in with makes up for a signature: that is a 403 in this protocol' },
);
