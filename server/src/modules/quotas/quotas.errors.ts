// What quotas refuse.

import { defineFailures } from '#kernel/errors/failures';

export const quotasFailures = defineFailures('quotas', {
  InvalidResourceId: {
    kind: 'invalid',
    meaning: 'A quota was sent for something that has none, or that is not there.',
    remedy: 'Name a storage account, a registry or a workspace by its resource id.',
    say: (id: string) => ({
      message: `'${id}' is not the id of a storage account, a registry or a workspace that there is; these have quotas.`,
      target: 'value.id',
    }),
  },
});
