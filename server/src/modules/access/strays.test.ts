// Roles that an older folder holds at what is not there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '#kernel/log/log';
import { houseGrant } from '#kernel/testing/authority';
import type { Assignment } from './assignment.types.ts';
import * as store from './assignments.store.ts';
import { roleIds } from './index.ts';
import { createStrays } from './strays.service.ts';
import { actorOf, bob, carol, group, guid, openAccess, subscription, workspace } from './testing.ts';

const read = { name: 'Microsoft.MachineLearningServices/workspaces/read', plane: 'control' } as const;
const nowhere = `${subscription}/resourceGroups/Nowhere`;
const locked = `${group}/providers/Microsoft.MachineLearningServices/workspaces/Locked`;

test('what has taken the name by the time of the withdrawal keeps its roles', async () => {
  const stray = { name: guid(7), scope: nowhere, roleId: roleIds.reader, principalId: carol } as Assignment;
  const seen: boolean[] = [];
  const looks = [true, false];
  const { sweep } = createStrays({
    evaluator: { assignments: () => [stray].values() },
    assignments: { unassign: async (_grant, _of, isStill) => void seen.push((await isStill?.()) ?? true) },
    scopes: { isGone: async () => looks.shift() === true },
    acts: { duty: async (_duty, _facts, act) => act(houseGrant()) },
    log: silentLog,
  });
  await sweep(new AbortController().signal);
  assert.deepEqual(seen, [false]);
});

test('what is assigned at nothing is withdrawn at the start and recorded; what is there, and what cannot be looked at, stays', async (t) => {
  const { access, audit, database, reopen } = await openAccess(t);
  const grant = houseGrant();
  const assign = (scope: string, principalId: string) =>
    access.assign(grant, { scope, roleDefinitionId: roleIds.reader, principalId, principalType: 'User' });
  const real = await assign(workspace, bob);
  const far = await assign(locked, bob);
  // As a version wrote it that did not ask what there is.
  const old = { ...real, name: guid(7), scope: nowhere, scopeKey: nowhere.toLowerCase(), principalId: carol };
  await database.write((tx) => store.insert(tx, old));
  const again = await reopen();
  const decided = () => again.evaluator.decide(actorOf(carol), read, `${nowhere}/providers/Test/things/x`).allowed;
  assert.equal(decided(), true, 'whoever takes the name would let her in');
  assert.equal(await again.sweepStrays(new AbortController().signal), 1);
  assert.equal(decided(), false);
  const names = [...again.evaluator.assignments()].map(({ name }) => name);
  assert.ok(names.includes(real.name) && names.includes(far.name) && !names.includes(old.name));
  const [record, ...more] = audit.entries;
  assert.equal(more.length, 0);
  assert.deepEqual(
    [record?.intent.operation, record?.intent.scope, record?.intent.parameters['principalId'], record?.outcome?.status],
    ['RoleAssignments_Delete', nowhere, carol, 200],
  );
  assert.equal(await again.sweepStrays(new AbortController().signal), 0);
});
