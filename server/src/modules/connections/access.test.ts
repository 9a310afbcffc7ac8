// Who reads a connection and who its credentials, where they lie, and what is left of them when the customer's key is refused.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, type TestContext, test } from 'node:test';
import { connectionsActions } from '@strongroom/contract/connections.actions';
import { closeScanPool } from '#kernel/database/database';
import { findInBytes, findInFolder } from '../../../test/canary.fixture.ts';
import { openCustomer } from '../../../test/lab/customer.fixture.ts';
import { openLab } from '../../../test/lab/lab.fixture.ts';

after(() => closeScanPool());

const word = `kanarie${randomBytes(6).toString('hex')}`;
const git = { authType: 'PAT', category: 'Git', target: 'https://git.example.com', credentials: { pat: word } };

async function openBench(t: TestContext, properties: object = {}) {
  const lab = await openLab(t);
  const workspace = await lab.workspace('Vision', properties);
  const id = `${workspace}/connections/team-git`;
  const put = (who: string, more: object = {}) =>
    lab.call(who, 'PUT', id, { body: { properties: { ...git, ...more } } });
  assert.equal((await put(lab.owner)).status, 200);
  const secrets = (who: string, path = `${id}/listsecrets`, method = 'POST') => lab.call(who, method, path);
  return { lab, workspace, id, put, secrets };
}

test('a reader sees that there is one; its credentials are for who has the action for them', async (t) => {
  const { lab, workspace, id, put, secrets } = await openBench(t);
  const statuses = async (who: string) => [
    (await lab.call(who, 'GET', id)).status,
    (await secrets(who)).status,
    (await put(who)).status,
    (await lab.call(who, 'DELETE', `${workspace}/connections/nothing`)).status,
  ];
  const reads = 'Azure Machine Learning Workspace Connection Secrets Reader';
  assert.deepEqual(await statuses(await lab.person(['Reader'])), [200, 403, 403, 403]);
  assert.deepEqual(await statuses(await lab.person(['Monitoring Reader'])), [200, 403, 403, 403]);
  assert.deepEqual(await statuses(await lab.person(['AzureML Compute Operator'])), [403, 403, 403, 403]);
  assert.deepEqual(await statuses(await lab.person([reads])), [403, 200, 403, 403]);
  assert.deepEqual(await statuses(await lab.person([reads], id)), [403, 200, 403, 403]);
  assert.deepEqual(await statuses(await lab.person(['AzureML Data Scientist'])), [200, 200, 200, 204]);
  assert.deepEqual(await statuses(await lab.person(['Contributor'])), [200, 200, 200, 204]);
  assert.deepEqual(await statuses(await lab.person([])), [403, 403, 403, 403]);
  assert.deepEqual(await statuses(''), [401, 401, 401, 401]);
});

test('no other spelling, method or place of the request gives credentials to who may only read', async (t) => {
  const { lab, workspace, id, secrets } = await openBench(t);
  const reader = await lab.person(['Reader']);
  for (const [method, path] of [
    ['GET', `${id}/listsecrets`],
    ['GET', `${id}/listSecrets`],
    ['POST', `${id}/LISTSECRETS`],
    ['POST', `${id}/listsecrets/`],
    ['POST', `${id}/%6cistsecrets`],
    ['POST', `${workspace}/connections/listsecrets`],
    ['POST', `${workspace}/datastores/workspaceblobstore/../../connections/team-git/listsecrets`],
    ['POST', `${id}%2flistsecrets`],
    ['GET', `${id}?includeSecrets=true`],
    ['GET', `${workspace}/connections?includeAll=true&populateSecrets=true`],
    ['GET', `${lab.group}/resources`],
  ] as const) {
    const { bytes } = await secrets(reader, path, method);
    assert.deepEqual(findInBytes(bytes, word, path), []);
  }
  // Whoever has the right at one connection has it at no other.
  const one = await lab.person([], id);
  await lab.now().assign(one, 'Azure Machine Learning Workspace Connection Secrets Reader', id);
  assert.equal((await secrets(one)).status, 200);
  assert.equal((await secrets(one, `${workspace}/connections/team-git2/listsecrets`)).status, 403);
});

test('credentials are nowhere at rest in clear, and in no record', async (t) => {
  const { lab, id, put, secrets } = await openBench(t);
  await secrets(lab.owner);
  await put(lab.owner, { target: `https://${'x'.repeat(3000)}` });
  await put(lab.owner, { isSharedToAll: false });
  await put(lab.owner, { authType: 'ApiKey' });
  await lab.call(lab.owner, 'POST', `${id}/listsecrets`, { body: { [word]: word } });
  const { files, found } = await findInFolder(lab.folder, word);
  assert.ok(files.length > 3);
  assert.deepEqual(found, []);
  const { audit } = lab.now();
  assert.deepEqual(findInBytes(Buffer.from(JSON.stringify(audit.entries)), word, 'the record'), []);
  const read = audit.entries.filter((entry) => entry.intent?.action === connectionsActions.listSecrets.name);
  assert.ok(read.length >= 1, 'each time they are given out is recorded');
});

test('a customer who refuses his key closes the credentials with the workspace, and gives them back', async (t) => {
  const lab = await openLab(t);
  const { newKey, enable, encryption } = await openCustomer(lab);
  const kid = await newKey();
  const workspace = await lab.workspace('Sealed', encryption(kid));
  const id = `${workspace}/connections/team-git`;
  await lab.must(lab.owner, 'PUT', id, { body: { properties: git } });
  const secrets = () => lab.call(lab.owner, 'POST', `${id}/listsecrets`);
  assert.equal((await secrets()).body.properties.credentials.pat, word);
  await enable(kid, false);
  await lab.clock.advance(60_000);
  assert.equal((await secrets()).status, 403);
  await enable(kid, true);
  assert.equal((await secrets()).body.properties.credentials.pat, word);
});
