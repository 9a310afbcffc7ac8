import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAbout } from '#kernel/authority/reach';
import { testGrant } from '#kernel/testing/authority';

test('a decision is about what it was made on, what lies in it, and what it lies in', () => {
  const about = (scope: string) => isAbout(testGrant({ scope }), '/groups/g/workspaces/w');
  for (const scope of ['/', '/groups/g', '/groups/G/workspaces/W', '/groups/g/workspaces/w/jobs/j'])
    assert.equal(about(scope), true, scope);
  for (const scope of ['/groups/h', '/groups/g/workspaces/w2', '/groups/g/workspaces/w2/jobs/j', '/groups/g/vaults/w'])
    assert.equal(about(scope), false, scope);
});

test('a grant that decided nothing is about nothing, though its scope is the widest of all', () => {
  assert.equal(isAbout(testGrant({ action: '', scope: '/' }), '/groups/g/workspaces/w'), false);
});
