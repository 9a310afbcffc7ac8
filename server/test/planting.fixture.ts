// For the canary test: says a word in everything that a user can say to the server, and checks that it was heard: an unheard
// canary proves nothing.

import assert from 'node:assert/strict';
import type { Reply, Sent } from './client.fixture.ts';
import type { World } from './server.fixture.ts';
import { makeCluster, makeCode, printed, submit, until } from './work.fixture.ts';

type Must = (reply: Reply, what: string) => Reply;

const must: Must = (reply, what) => {
  assert.ok(reply.status < 300 && reply.body?.status !== 'Failed', `${what}: ${reply.status} ${reply.text}`);
  return reply;
};

export type Planted = { readonly workspace: string; readonly job: string; readonly endpoint: string };

/**
 * @param word letters and digits, so that every kind of name takes it
 * @param more properties of the workspace
 */
export async function plant(
  world: World,
  word: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<Planted> {
  const token = await world.ownerToken();
  const { location } = world;
  const put = async (path: string, body: unknown) => must(await world.armDone(token, 'PUT', path, body), `PUT ${path}`);

  const user = await world.send('/msgraph/v1.0/users', {
    method: 'POST',
    token: await world.token(world.owner, world.audience('graph')),
    body: {
      userPrincipalName: `${word}@strongroom.local`,
      displayName: `Person ${word}`,
      passwordProfile: { password: `${word}-Long-Enough-1!` },
    },
  });
  must(user, 'a user');

  const group = `/subscriptions/${world.subscriptionId}/resourceGroups/${word}`;
  await put(group, { location, tags: { [word]: word } });
  const workspace = `${group}/providers/Microsoft.MachineLearningServices/workspaces/${word}`;
  await put(workspace, {
    location,
    tags: { [word]: word },
    properties: { friendlyName: word, description: word, ...more },
  });

  await plantInVault(world, word, group);
  await plantInStorage(world, word, group);

  const mlflow = async (method: string, path: string, body: unknown) =>
    must(
      await world.send(`/mlflow/v1.0${workspace}/api/2.0/mlflow/${path}`, { method, token, body }),
      `mlflow ${path}`,
    );
  const { experiment_id } = (await mlflow('POST', 'experiments/create', { name: word })).body;
  const created = await mlflow('POST', 'runs/create', {
    experiment_id,
    run_name: word,
    tags: [{ key: `tag.${word}`, value: word }],
  });
  const run_id = String(created.body.run.info.run_id);
  await mlflow('POST', 'runs/log-batch', {
    run_id,
    metrics: [{ key: `metric.${word}`, value: 1, timestamp: 1, step: 0 }],
    params: [{ key: `param.${word}`, value: word }],
    tags: [{ key: 'note', value: word }],
  });
  const artifact = `/mlflow/v1.0${workspace}/api/2.0/mlflow-artifacts/artifacts/${experiment_id}/${run_id}/artifacts/${word}.txt`;
  must(await world.send(artifact, { method: 'PUT', token, body: `artifact ${word}` }), 'an artifact');
  assert.equal((await world.send(artifact, { token })).text, `artifact ${word}`);
  const heard = await world.send(`/mlflow/v1.0${workspace}/api/2.0/mlflow/runs/get?run_id=${run_id}`, { token });
  assert.ok(heard.body.run.data.params[0].value === word && heard.body.run.data.metrics[0].key.includes(word));

  const computeId = await makeCluster(world, workspace, 'cluster');
  const codeId = await makeCode(world, workspace, word, {
    [`${word}.py`]: `import os, sys, time\nprint("line ${word}", os.environ["NOTE"], sys.argv, flush=True)\ntime.sleep(600)\n`,
  });
  const job = await submit(world, workspace, word, {
    computeId,
    codeId,
    displayName: word,
    experimentName: word,
    tags: { [word]: word },
    inputs: { note: { jobInputType: 'literal', value: word } },
    environmentVariables: { NOTE: word },
    command: `python3 ${word}.py --note ${word}`,
  });
  await printed(world, job, `line ${word} ${word}`);
  const connection = `${workspace}/connections/${word}`;
  const signsIn = { authType: 'PAT', category: 'Git', credentials: { pat: `token ${word}` } };
  await put(connection, { properties: { ...signsIn, target: word, metadata: { [word]: word } } });
  const given = must(await world.arm(token, 'POST', `${connection}/listsecrets`), 'credentials of a connection');
  assert.equal(given.body.properties.credentials.pat, `token ${word}`);
  const endpoint = await plantInEndpoint(world, word, workspace);
  return { workspace, job, endpoint };
}

async function plantInVault(world: World, word: string, group: string): Promise<void> {
  const vault = `${group}/providers/Microsoft.KeyVault/vaults/v${word}`;
  const made = await world.arm(await world.ownerToken(), 'PUT', vault, {
    location: world.location,
    tags: { [word]: word },
    properties: {},
  });
  must(made, 'a vault');
  await world.grant(world.owner.objectId, 'Key Vault Administrator', vault);
  const token = await world.token(world.owner, world.audience('keyvault'));
  const send = (path: string, sent: Sent) =>
    world.send(`${path}?api-version=7.4`, { ...sent, token, host: `v${word}.vault.localhost` });
  const secret = { value: `secret ${word}`, contentType: word, tags: { [word]: word } };
  must(await send(`/secrets/${word}`, { method: 'PUT', body: secret }), 'a secret');
  must(await send(`/keys/${word}/create`, { method: 'POST', body: { kty: 'RSA', tags: { [word]: word } } }), 'a key');
  assert.equal((await send(`/secrets/${word}`, {})).body.value, `secret ${word}`);
}

async function plantInStorage(world: World, word: string, group: string): Promise<void> {
  const name = `s${word}`;
  const account = `${group}/providers/Microsoft.Storage/storageAccounts/${name}`;
  const made = await world.armDone(await world.ownerToken(), 'PUT', account, {
    location: world.location,
    sku: { name: 'Standard_LRS' },
    kind: 'StorageV2',
  });
  must(made, 'an account');
  await world.grant(world.owner.objectId, 'Storage Blob Data Owner', account);
  const token = await world.token(world.owner, world.audience('blob'));
  const send = (path: string, sent: Sent) =>
    world.send(path, { ...sent, token, host: `${name}.blob.storage.localhost` });
  must(
    await send(`/${word}?restype=container`, { method: 'PUT', headers: { [`x-ms-meta-${word}`]: word } }),
    'a container',
  );
  const blob = {
    method: 'PUT',
    headers: { 'x-ms-blob-type': 'BlockBlob', [`x-ms-meta-${word}`]: word, 'content-type': `text/${word}` },
    body: `blob ${word} `.repeat(1_000),
  };
  must(await send(`/${word}/folder/${word}.txt`, blob), 'a blob');
  // A block that nobody commits lies there too.
  const block = Buffer.from('one').toString('base64');
  const staged = await send(`/${word}/staged?comp=block&blockid=${encodeURIComponent(block)}`, {
    method: 'PUT',
    body: word,
  });
  must(staged, 'a block');
  assert.ok((await send(`/${word}/folder/${word}.txt`, {})).text.startsWith(`blob ${word}`));
}

/** Answers what it is asked, and fails aloud when it is asked to. */
const scoring = (word: string) => `
import os
def init():
    print("init ${word}", os.listdir(os.environ["AZUREML_MODEL_DIR"]), flush=True)
def run(data):
    print("scored", data, flush=True)
    if "fail" in data:
        raise RuntimeError(data)
    return data
`;

/** A model in an image, a deployment of it in a sandbox, and requests that succeed, fail and are refused. */
async function plantInEndpoint(world: World, word: string, workspace: string): Promise<string> {
  const token = await world.ownerToken();
  const { location } = world;
  const put = async (path: string, body: unknown) => must(await world.armDone(token, 'PUT', path, body), `PUT ${path}`);
  const codeId = await makeCode(world, workspace, `score${word}`, { 'score.py': scoring(word), [`${word}.txt`]: word });
  const { codeUri } = (await world.arm(token, 'GET', codeId)).body.properties;
  const model = `${workspace}/models/${word}/versions/1`;
  await put(model, { properties: { modelUri: codeUri, description: word, tags: { [word]: word } } });
  const endpoint = `${workspace}/onlineEndpoints/${word}`;
  await put(endpoint, { location, tags: { [word]: word }, properties: { authMode: 'Key', description: word } });
  await put(`${endpoint}/deployments/${word}`, {
    location,
    sku: { name: 'Default', capacity: 1 },
    properties: {
      endpointComputeType: 'Managed',
      model,
      codeConfiguration: { codeId, scoringScript: 'score.py' },
      environmentVariables: { NOTE: word },
    },
  });
  await put(endpoint, { location, properties: { authMode: 'Key', traffic: { [word]: 100 } } });
  await scores(world, endpoint, word);
  const logs = must(await world.arm(token, 'POST', `${endpoint}/deployments/${word}/getLogs`, {}), 'the logs');
  assert.ok(logs.body.content.includes(`init ${word}`), logs.text);
  return endpoint;
}

export async function scores(world: World, endpoint: string, word: string): Promise<void> {
  const token = await world.ownerToken();
  const key = String(must(await world.arm(token, 'POST', `${endpoint}/listKeys`, {}), 'the keys').body.primaryKey);
  const { scoringUri } = (await world.arm(token, 'GET', endpoint)).body.properties;
  const score = (said: string, bearer: string) =>
    world.send(`${new URL(scoringUri).pathname}?note=${word}`, { method: 'POST', token: bearer, body: { data: said } });
  // After a restart of the server its deployments come back by themselves.
  const answered = await until(
    () => score(word, key),
    ({ status }) => status === 200,
  );
  assert.ok(answered.text.includes(word));
  assert.equal((await score(`fail ${word}`, key)).status, 424);
  assert.equal((await score(word, word)).status, 401);
}
