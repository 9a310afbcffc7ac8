import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '#kernel/errors/failure';
import { idKey, isWithin, parentId, parseResourceId, sameId, scopesOf } from '#kernel/ids/ids';

const workspace =
  '/subscriptions/S1/resourceGroups/Team/providers/Microsoft.MachineLearningServices/workspaces/Research';

test('the scopes of an id are its prefixes, outermost first', () => {
  assert.deepEqual(scopesOf(`${workspace}/jobs/J1`), [
    '/',
    '/subscriptions/s1',
    '/subscriptions/s1/resourcegroups/team',
    idKey(workspace),
    `${idKey(workspace)}/jobs/j1`,
  ]);
  assert.deepEqual(scopesOf('/'), ['/']);
});

test('a collection below a resource is checked as a scope of its own, so nothing is left unchecked', () => {
  assert.equal(scopesOf(`${workspace}/jobs`).at(-1), `${idKey(workspace)}/jobs`);
  assert.equal(scopesOf(`${workspace}/jobs`).at(-2), idKey(workspace));
});

test('ids compare without regard to case, doubled slashes and a slash at the end, and containment ends at a segment', () => {
  assert.ok(sameId(workspace, `/${workspace.toUpperCase()}/`));
  assert.ok(isWithin(`${workspace}/jobs/a`, workspace));
  assert.ok(!isWithin(`${workspace}2/jobs/a`, workspace));
  assert.ok(isWithin(workspace, '/'));
});

test('a parent keeps the casing of its child', () => {
  assert.equal(parentId(`${workspace}/jobs/J1`), workspace);
  assert.equal(parentId(workspace), '/subscriptions/S1/resourceGroups/Team');
  assert.equal(parentId('/subscriptions/S1'), '/');
});

test('an id is parsed into its parts; an extension resource is of its own type', () => {
  const job = parseResourceId(`${workspace}/jobs/J1`);
  assert.equal(job.type, 'Microsoft.MachineLearningServices/workspaces/jobs');
  assert.deepEqual(job.names, ['Research', 'J1']);
  assert.equal(
    parseResourceId(`${workspace}/providers/Microsoft.Authorization/roleAssignments/r`).type,
    'Microsoft.Authorization/roleAssignments',
  );
});

test('what is no id is refused with why', () => {
  for (const id of [
    '',
    'subscriptions/s',
    '/subscriptions',
    '/subscriptions/s/resourceGroups',
    `${workspace}/jobs`,
    '/subscriptions/s/../t',
    '/subscriptions/s/resourceGroups/a\\b',
    `/subscriptions/${'x'.repeat(3000)}`,
    '/providers',
    '/subscriptions/s/what/x',
  ]) {
    assert.throws(
      () => parseResourceId(id),
      (thrown: unknown) => thrown instanceof Failure && thrown.code === 'InvalidResourceId',
      id,
    );
  }
});

test('whatever the text, every scope of an id contains it', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.string({ minLength: 1, maxLength: 12 }).filter((s) => !s.includes('/')),
        { maxLength: 12 },
      ),
      (parts) => {
        const id = `/${parts.join('/')}`;
        for (const scope of scopesOf(id)) assert.ok(isWithin(id, scope), `${scope} contains ${id}`);
      },
    ),
  );
});
