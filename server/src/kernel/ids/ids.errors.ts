// What an id is refused with.

import { defineFailures } from '#kernel/errors/failures';

export const idsFailures = defineFailures('ids', {
  InvalidResourceId: {
    kind: 'invalid',
    meaning: 'An id is not that of a subscription, a resource group or a resource.',
    remedy: 'Write it as /subscriptions/{guid}/resourceGroups/{name}/providers/{namespace}/{type}/{name}.',
    say: (id: string, why: string) => ({
      target: id.slice(0, 200),
      message: `'${id.slice(0, 200)}' is not a resource id: ${why}. An id looks like /subscriptions/{guid}/resourceGroups/{name}/providers/{namespace}/{type}/{name}.`,
    }),
  },
});
