// What whoever starts the server, or looks at a stopped one, is told when that does not go on.

import { defineFailures } from '#kernel/errors/failures';

export const installationFailures = defineFailures('installation', {
  BootstrapFileNeeded: {
    kind: 'conflict',
    say: 'This is the first start, which tells how to sign in, and standard output is no terminal: whatever keeps it would keep the credentials. Give --bootstrap-file FILE; it is written for you alone (0600).',
  },
  keyringWithoutKey: {
    kind: 'notFound',
    code: 'NotStartedYet',
    meaning: 'The keyring holds no key of a database of the installation.',
    remedy: 'Start the server first, or put back the keyring that belongs to the data folder.',
    say: (name: string) =>
      `The keyring holds no key of ${name}.db: the data folder has never been started, or its keyring is another one.`,
  },
  NotStartedYet: {
    kind: 'notFound',
    say: 'This data folder has never been started, so there is nothing to verify.',
  },
  CustomerKeyNeeded: {
    kind: 'forbidden',
    say: "it is under a customer's key, which only the running server can ask for.",
  },
});
