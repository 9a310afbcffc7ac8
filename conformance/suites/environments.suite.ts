// docs/environments.md, run as it stands: packages come from a real index, so it stands here.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { runPageOf } from '../harness/page.ts';

it('the page on environments runs, and what is registered is not built again', { timeout: 400_000 }, async () => {
  const { said } = await runPageOf('environments');
  // Of the conda file, and of the Dockerfile.
  assert.equal(said.split('Its environment is built first').length - 1, 2, said);
  assert.match(said, /^from a Dockerfile$/m);
  assert.equal(said.split('with numpy').length - 1, 2, said);
  assert.match(said, /^installed xn--4ca\.example$/m);
});
