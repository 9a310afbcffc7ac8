// What the pages at the origin refuse.

import { defineFailures } from '#kernel/errors/failures';

export const landingFailures = defineFailures('landing', {
  NotFound: { kind: 'notFound', say: 'This is no name of a job.' },
});
