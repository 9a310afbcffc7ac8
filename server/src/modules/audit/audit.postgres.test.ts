// The tests of the audit log once more, with its store on the second engine.

import { againOnPostgres } from '#kernel/testing/postgres.fixture';

await againOnPostgres(async () => {
  await import('./audit.routes.test.ts');
  await import('./proofs.test.ts');
  await import('./trail.test.ts');
  await import('./verification.test.ts');
});
