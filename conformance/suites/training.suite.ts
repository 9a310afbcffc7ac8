// docs/training.md, run as it stands: packages come from a real index, so it stands here.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { runPageOf } from '../harness/page.ts';

it('the page on a first training runs, and prints what it says', { timeout: 900_000 }, async () => {
  const { blocks, said } = await runPageOf('training');
  assert.ok(blocks.length >= 5);
  assert.match(said, /separator +1/);
});
