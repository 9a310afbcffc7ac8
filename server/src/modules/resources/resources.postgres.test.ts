// The tests of the resource manager once more, with its stores on the second engine.

import { againOnPostgres } from '#kernel/testing/postgres.fixture';

await againOnPostgres(async () => {
  await import('./failures.test.ts');
  await import('./faults.test.ts');
  await import('./lists.test.ts');
  await import('./resources.test.ts');
  await import('./scopes.test.ts');
  await import('./service.test.ts');
  await import('./visible.test.ts');
});
