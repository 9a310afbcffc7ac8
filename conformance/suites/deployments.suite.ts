// docs/deployments.md, run as it stands: packages come from a real index, so it stands here.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { runPageOf } from '../harness/page.ts';

it('the page on deployments runs, and prints what it says', { timeout: 900_000 }, async () => {
  const { blocks, said } = await runPageOf('deployments');
  assert.ok(blocks.length >= 2);
  assert.match(said, /^\[0, 2\]$/m);
  assert.match(said, /the model is loaded, by mlflow/);
});
