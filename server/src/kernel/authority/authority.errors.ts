// What the house refuses to itself.

import { defineFailures } from '#kernel/errors/failures';

export const authorityFailures = defineFailures('authority', {
  DutyExceeded: {
    kind: 'internal',
    meaning: 'The server wanted to do by itself what no duty of it declares, and was not let.',
    remedy: 'Report this with the request id; its log says more.',
    say: (duty: string, what: string) => ({
      message: 'The server wanted to do by itself what it may not. Report this with the request id; its log says more.',
      cause: new Error(`the duty ${duty} does not declare ${what}`),
    }),
  },
});
