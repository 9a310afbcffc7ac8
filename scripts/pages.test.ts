// Every page that is printed from the code is what the code says.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { composedRoutes } from './openapi/routes.ts';
import { pagesOf } from './pages/pages.ts';

test('printed pages are what the code says', async () => {
  const pages = await pagesOf(await composedRoutes());
  const stale = [...pages].flatMap(([path, wanted]) =>
    readFileSync(new URL(`../${path}`, import.meta.url), 'utf8') === wanted ? [] : [path],
  );
  assert.deepEqual(stale, [], 'run `npm run pages` and look at what changed');
});
