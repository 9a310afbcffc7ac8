// Many requests for one thing at once, and the end of everything in a group: one thing is made, and nothing of it stays.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Bench, idsIn, openServer } from './server.fixture.ts';
import { makeCode } from './work.fixture.ts';

let bench: Bench;
let token: string;
let group: string;

before(async () => {
  bench = await openServer();
  token = await bench.ownerToken();
  group = await bench.group('Many');
});
after(() => bench.close());

const files = async () => {
  const entries = await readdir(bench.dataDir, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
};
const ten = Array.from({ length: 10 }, (_, at) => at);

test('ten requests for one workspace, in two casings, make one; the others are told that it is being made', async () => {
  const { workspace } = idsIn(group);
  const replies = await Promise.all(
    ten.map((at) =>
      bench.armDone(token, 'PUT', workspace(at % 2 === 0 ? 'Same' : 'SAME'), {
        location: bench.location,
        properties: {},
      }),
    ),
  );
  const made = replies.filter(({ status, body }) => status === 200 && body.status === 'Succeeded');
  assert.ok(made.length >= 1);
  for (const { status, body, text } of replies)
    assert.ok(
      body.status === 'Succeeded' || (status === 409 && body.error.code === 'AnotherOperationInProgress'),
      text,
    );
  const listed = await bench.arm(token, 'GET', `${group}/resources`);
  assert.deepEqual((listed.body.value as { type: string }[]).map(({ type }) => type).sort(), [
    'Microsoft.ContainerRegistry/registries',
    'Microsoft.Insights/components',
    'Microsoft.KeyVault/vaults',
    'Microsoft.MachineLearningServices/workspaces',
    'Microsoft.Storage/storageAccounts',
  ]);
});

test('ten requests for one vault make one, and say so once', async () => {
  const { vault } = idsIn(group);
  const replies = await Promise.all(
    ten.map((at) =>
      bench.arm(token, 'PUT', vault(at % 2 === 0 ? 'one-vault' : 'ONE-Vault'), {
        location: bench.location,
        properties: {},
      }),
    ),
  );
  assert.equal(replies.filter(({ status }) => status === 201).length, 1);
  assert.equal(new Set(replies.filter(({ status }) => status < 300).map(({ body }) => body.id)).size, 1);
});

test('a group that is deleted takes everything with it: no file and no role of it stays', async () => {
  const other = await bench.group('Other');
  const before = await files();
  const workspace = idsIn(other).workspace('Going');
  const made = await bench.armDone(token, 'PUT', workspace, { location: bench.location, properties: {} });
  assert.equal(made.body.status, 'Succeeded', made.text);
  await makeCode(bench, workspace, 'code', { 'train.py': 'x'.repeat(5_000) });
  const { principalId } = (await bench.arm(token, 'GET', workspace)).body.identity;
  assert.ok((await files()).length > before.length);

  const gone = await bench.armDone(token, 'DELETE', other);
  assert.equal(gone.body?.status, 'Succeeded', gone.text);
  assert.equal((await bench.arm(token, 'GET', other)).status, 404);
  assert.deepEqual(
    (await files()).filter((file) => !before.includes(file)),
    [],
  );
  const roles = await bench.arm(
    token,
    'GET',
    `/subscriptions/${bench.subscriptionId}/providers/Microsoft.Authorization/roleAssignments`,
  );
  assert.equal(roles.status, 200, roles.text);
  assert.ok(!roles.text.includes(principalId), 'the identity of the workspace holds a role still');
  const identity = await bench.send(`/msgraph/v1.0/servicePrincipals/${principalId}`, {
    token: await bench.token(bench.owner, bench.audience('graph')),
  });
  assert.equal(identity.status, 404, identity.text);
});
