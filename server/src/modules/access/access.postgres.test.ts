// The tests of roles once more, with the stores on the second engine.

import { againOnPostgres } from '#kernel/testing/postgres.fixture';

await againOnPostgres(async () => {
  await import('./assignments.test.ts');
  await import('./authority.test.ts');
  await import('./definitions.test.ts');
  await import('./strays.test.ts');
});
