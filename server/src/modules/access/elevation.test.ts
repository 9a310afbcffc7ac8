// Elevation through the real door: one person may, nobody else, however much he holds; it is a role like any other afterwards.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { roleIds } from './index.ts';
import { actorOf, ann, asking, assignmentPath, bob, guid, nobody, openAccess, robot, subscription } from './testing.ts';

const elevate = '/providers/Microsoft.Authorization/elevateAccess';
const roleAt = (scope: string, roleId: string) =>
  `${scope}/providers/Microsoft.Authorization/roleDefinitions/${roleId}`;
const readRecords = { name: 'Strongroom.Audit/records/read', plane: 'control' } as const;
const readBlob = {
  name: 'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read',
  plane: 'data',
} as const;
type Rows = readonly {
  readonly name: string;
  readonly properties: { readonly principalId: string; readonly scope: string };
}[];

test('the administrator makes himself User Access Administrator of everything, once however often he asks, and takes it back', async (t) => {
  const { access, call } = await openAccess(t);
  const may = (action: typeof readRecords | typeof readBlob) =>
    access.evaluator.decide(actorOf(ann), action, '/').allowed;
  assert.equal(may(readRecords), false);
  for (let time = 0; time < 2; time++) assert.equal((await call(ann, 'POST', elevate)).status, 200);
  assert.deepEqual([may(readRecords), may(readBlob)], [true, false], 'roles and what is seen, no content');
  const listed = await call(ann, 'GET', '/providers/Microsoft.Authorization/roleAssignments');
  const atRoot = (listed.body['value'] as Rows).filter(({ properties }) => properties.scope === '/');
  assert.deepEqual(
    atRoot.map(({ properties }) => properties.principalId),
    [ann],
  );
  const properties = { roleDefinitionId: roleAt('', roleIds.reader), principalId: bob };
  assert.equal((await call(ann, 'PUT', assignmentPath('', guid(1)), { properties })).status, 201, 'what it is for');
  assert.equal(access.evaluator.decide(actorOf(bob), readRecords, '/').allowed, true);
  assert.equal((await call(ann, 'DELETE', assignmentPath('', atRoot[0]?.name ?? ''))).status, 200);
  assert.equal(may(readRecords), false);
});

test('nobody else may: no Owner, no application, nobody by the name of the administrator in the body or the query', async (t) => {
  const { access, call } = await openAccess(t);
  for (const [nth, who] of [bob, robot].entries()) {
    const properties = { roleDefinitionId: roleAt(subscription, roleIds.owner), principalId: who };
    assert.equal((await call(ann, 'PUT', assignmentPath(subscription, guid(nth + 1)), { properties })).status, 201);
  }
  for (const who of [bob, robot, nobody])
    for (const path of [
      elevate,
      `${elevate}?principalId=${ann}`,
      elevate.toUpperCase().replace('/PROVIDERS', '/providers'),
    ]) {
      const refused = await call(who, 'POST', path);
      assert.deepEqual([refused.status, refused.body.error?.code], [403, 'AuthorizationFailed'], `${who} ${path}`);
      assert.equal(access.evaluator.decide(actorOf(who), readRecords, '/').allowed, false);
    }
});

test("a run, and whatever else acts in the administrator's name within bounds, may not", async (t) => {
  const { access } = await openAccess(t);
  const rules = [{ scope: '/', actions: 'reads', reason: 'everything that reads' }] as const;
  const bounded = actorOf(ann, { bounds: { rules, roles: 'needed' } });
  assert.throws(() => access.authorizer.signedIn(asking(bounded), 'as its route says'), {
    code: 'AuthorizationFailed',
  });
});
