// What a configuration is refused with. It is told to whoever starts the server, and never over the network.

import { defineFailures } from '#kernel/errors/failures';

export const configFailures = defineFailures('config', {
  InvalidConfiguration: {
    kind: 'invalid',
    meaning: 'The configuration holds mistakes, so the server does not start.',
    remedy: 'Correct every one that the message lists.',
    say: (mistakes: readonly string[]) => `The configuration is not valid:\n- ${mistakes.join('\n- ')}`,
  },
});
