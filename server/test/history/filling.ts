// What a folder of the history is filled with, by the public API alone: a bit of everything that is kept, and a record of what was
// answered about it, which today's code must answer as well.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Reply, Sent } from '../client.fixture.ts';
import { plant } from '../planting.fixture.ts';
import { idsIn, type World } from '../server.fixture.ts';
import { ended, submit } from '../work.fixture.ts';

/** One question: where it is asked, and as whom. */
export type Question = {
  readonly what: string;
  readonly method?: 'POST';
  readonly path: string;
  /** Before the port; the server's own when left out. */
  readonly host?: string;
  readonly audience: 'arm' | 'graph' | 'keyvault' | 'blob' | 'mlflow' | 'oci';
  readonly body?: unknown;
};
/** JSON as it was answered, or a digest of anything else. */
export type Answered = { readonly status: number; readonly body?: unknown; readonly sha256?: string };
export type Facts = {
  readonly made: string;
  readonly questions: readonly (Question & { readonly answered: Answered })[];
  readonly workspace: string;
  readonly sealed: string;
  readonly job: string;
  readonly endpoint: string;
};

export const word = 'history';
/** A package that the index must have while a folder is filled, with a module of that name. */
export const packaged = { name: 'history_package', version: '1.0' } as const;
const sealedVault = 'history-customer';

const must = (reply: Reply, what: string): Reply => {
  assert.ok(reply.status < 300 && reply.body?.status !== 'Failed', `${what}: ${reply.status} ${reply.text}`);
  return reply;
};

export async function ask(world: World, { path, method, host, audience, body }: Question): Promise<Answered> {
  const token =
    audience === 'oci' ? await world.ownerToken() : await world.token(world.owner, world.audience(audience));
  const sent: Sent = {
    token,
    ...(method === undefined ? {} : { method }),
    ...(host === undefined ? {} : { host }),
    ...(body === undefined ? {} : { body }),
  };
  const reply = audience === 'arm' ? await world.arm(token, method ?? 'GET', path, body) : await world.send(path, sent);
  if (reply.body === undefined)
    return { status: reply.status, sha256: createHash('sha256').update(reply.bytes).digest('hex') };
  return { status: reply.status, body: reply.body };
}

/** Fills an empty server, and answers what today's must still know. */
export async function fill(world: World, made: string): Promise<Facts> {
  const token = await world.ownerToken();
  const put = async (path: string, body: unknown) => must(await world.armDone(token, 'PUT', path, body), `PUT ${path}`);
  const planted = await plant(world, word);
  const { workspace, endpoint } = planted;
  must(await world.arm(token, 'POST', `${planted.job}/cancel`, {}), 'canceling');
  assert.equal(await ended(world, planted.job), 'Canceled');
  const job = await submit(world, workspace, 'completed', {
    computeId: `${workspace}/computes/cluster`,
    command: 'echo it ran; mkdir -p outputs; echo kept > outputs/kept.txt',
  });
  assert.equal(await ended(world, job), 'Completed');
  const built = await builtEnvironment(world, workspace);
  await put(`${workspace}/environments/torch/versions/1`, {
    properties: { osType: 'Linux', description: 'an environment', tags: { a: 'b' } },
  });
  await put(`${workspace}/datastores/more`, {
    properties: { datastoreType: 'AzureBlob', accountName: `s${word}`, containerName: word },
  });

  // A workspace under a customer's key.
  const group = `/subscriptions/${world.subscriptionId}/resourceGroups/${word}`;
  const vault = idsIn(group).vault(sealedVault);
  await put(vault, { location: world.location, properties: { enablePurgeProtection: true } });
  await world.grant(world.owner.objectId, 'Key Vault Crypto Officer', vault);
  const ofVault = { host: `${sealedVault}.vault.localhost`, audience: 'keyvault' } as const;
  const key = await ask(world, {
    ...ofVault,
    what: 'a key',
    method: 'POST',
    path: '/keys/wrapping/create?api-version=7.4',
    body: { kty: 'RSA', key_size: 2048 },
  });
  const keyIdentifier = (key.body as { readonly key: { readonly kid: string } }).key.kid;
  const sealed = idsIn(group).workspace('sealed');
  await put(sealed, {
    location: world.location,
    properties: { encryption: { status: 'Enabled', keyVaultProperties: { keyVaultArmId: vault, keyIdentifier } } },
  });
  const sealedRun = await run(world, sealed);
  // Only who made it can open it: the private half of a key outlives the years, too.
  const wrapped = await ask(world, {
    ...ofVault,
    what: 'wrapping',
    method: 'POST',
    path: `${new URL(keyIdentifier).pathname}/wrapkey?api-version=7.4`,
    body: { alg: 'RSA-OAEP-256', value: Buffer.from('wrapped').toString('base64url') },
  });

  await world.principal(['Reader', 'AzureML Data Scientist'], group);
  await put(
    `/subscriptions/${world.subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/11111111-2222-3333-4444-555555555555`,
    {
      properties: {
        roleName: 'Model reader',
        permissions: [{ actions: ['Microsoft.MachineLearningServices/workspaces/models/read'] }],
        assignableScopes: [`/subscriptions/${world.subscriptionId}`],
      },
    },
  );

  const mlflow = (of: string, path: string) => `/mlflow/v1.0${of}/api/2.0/${path}`;
  const found = await ask(world, {
    what: 'runs',
    method: 'POST',
    path: mlflow(workspace, 'mlflow/runs/search'),
    audience: 'mlflow',
    body: { experiment_ids: await experiments(world, workspace), max_results: 100 },
  });
  type Info = { readonly info: { readonly run_id: string; readonly experiment_id: string; readonly run_name: string } };
  const runs = (found.body as { readonly runs: readonly Info[] }).runs.map(({ info }) => info);
  // A job's run has the job's name for an id; this one was made by a client.
  const first = runs.find(({ run_id }) => /^[0-9a-f]{32}$/.test(run_id));
  assert.ok(first);
  const arm = (path: string): Question => ({ what: path.replace(group, ''), path, audience: 'arm' });
  const inMlflow = (of: string, path: string, body?: unknown): Question => ({
    what: `mlflow ${path}`,
    path: mlflow(of, path),
    audience: 'mlflow',
    ...(body === undefined ? {} : { method: 'POST', body }),
  });
  const questions: readonly Question[] = [
    { what: 'users', path: '/msgraph/v1.0/users', audience: 'graph' },
    { what: 'applications', path: '/msgraph/v1.0/servicePrincipals', audience: 'graph' },
    arm(group),
    arm(`${group}/resources`),
    arm(`/subscriptions/${world.subscriptionId}/providers/Microsoft.Authorization/roleAssignments`),
    arm(
      `/subscriptions/${world.subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/11111111-2222-3333-4444-555555555555`,
    ),
    ...[workspace, sealed, vault].map(arm),
    ...[
      'computes/cluster',
      'datastores',
      `codes/${word}/versions/1`,
      `models/${word}/versions/1`,
      'environments/torch/versions/1',
      `jobs/${word}`,
      'jobs/completed',
      'environments/built/versions/1',
      'jobs/in-built',
      `jobs/${built.build}`,
    ].map((path) => arm(`${workspace}/${path}`)),
    { ...arm(`${workspace}/jobs/in-built/log?offset=0`), what: 'the log of a job in an environment that was built' },
    ...built.paths.map((path): Question => ({ what: `built ${path}`, path, audience: 'oci' })),
    { ...arm(`${workspace}/jobs/completed/log?offset=0`), what: 'the log of a job' },
    arm(endpoint),
    {
      what: 'a secret',
      path: `/secrets/${word}?api-version=7.4`,
      host: `v${word}.vault.localhost`,
      audience: 'keyvault',
    },
    { what: 'keys', path: '/keys?api-version=7.4', host: `v${word}.vault.localhost`, audience: 'keyvault' },
    { ...ofVault, what: "the customer's key", path: `${new URL(keyIdentifier).pathname}?api-version=7.4` },
    {
      ...ofVault,
      what: 'what was wrapped',
      method: 'POST',
      path: `${new URL(keyIdentifier).pathname}/unwrapkey?api-version=7.4`,
      body: { alg: 'RSA-OAEP-256', value: (wrapped.body as { readonly value: string }).value },
    },
    {
      what: 'a blob',
      path: `/${word}/folder/${word}.txt`,
      host: `s${word}.blob.storage.localhost`,
      audience: 'blob',
    },
    ...runs.map(({ run_id }) => inMlflow(workspace, `mlflow/runs/get?run_id=${run_id}`)),
    inMlflow(workspace, `mlflow/metrics/get-history?run_id=${first.run_id}&metric_key=metric.${word}`),
    inMlflow(workspace, `mlflow-artifacts/artifacts/${first.experiment_id}/${first.run_id}/artifacts/${word}.txt`),
    inMlflow(workspace, 'mlflow/registered-models/search'),
    inMlflow(sealed, `mlflow/runs/get?run_id=${sealedRun.run}`),
    inMlflow(sealed, `mlflow-artifacts/artifacts/${sealedRun.experiment}/${sealedRun.run}/artifacts/sealed.txt`),
  ];
  const answered: Facts['questions'][number][] = [];
  for (const question of questions) {
    const answer = await ask(world, question);
    assert.equal(answer.status, 200, `${question.what}: ${JSON.stringify(answer)}`);
    answered.push({ ...question, answered: answer });
  }
  return { made, questions: answered, workspace, sealed, job, endpoint };
}

/** An environment of one package, a job that ran in it, and where its image, its layers and its bill of materials are. */
async function builtEnvironment(
  world: World,
  workspace: string,
): Promise<{ readonly build: string; readonly paths: readonly string[] }> {
  const token = await world.ownerToken();
  const { name, version } = packaged;
  const environmentId = `${workspace}/environments/built/versions/1`;
  const condaFile = `dependencies: [{ pip: ['${name}==${version}'] }]`;
  const environment = { properties: { image: 'strongroom/node-python', condaFile } };
  must(await world.armDone(token, 'PUT', environmentId, environment), 'an environment');
  const job = await submit(world, workspace, 'in-built', {
    computeId: `${workspace}/computes/cluster`,
    environmentId,
    command: `python -c 'import ${name}; print(${name}.__name__)'`,
  });
  assert.equal(await ended(world, job, 240), 'Completed');
  const told = must(await world.arm(token, 'GET', job), 'a job in it').body.properties.properties;
  const [repository = '', digest = ''] = String(told['strongroom.environment.image']).split('@');
  const { containerRegistry } = must(await world.arm(token, 'GET', workspace), 'its workspace').body.properties;
  const at = `/v2/${String(containerRegistry).split('/').at(-1)}/${repository}`;
  type Manifest = { readonly layers: readonly { readonly digest: string }[] };
  const read = async (path: string) => must(await world.send(path, { token }), path).body;
  const layersOf = async (manifest: string) =>
    ((await read(manifest)) as Manifest).layers.map((layer) => `${at}/blobs/${layer.digest}`);
  const image = `${at}/manifests/${digest}`;
  const referrers = `${at}/referrers/${digest}`;
  const bills = ((await read(referrers)).manifests as readonly { readonly digest: string }[]).map(
    (bill) => `${at}/manifests/${bill.digest}`,
  );
  assert.equal(bills.length, 1);
  const layers = await Promise.all([image, ...bills].map(layersOf));
  return { build: String(told['strongroom.environment.build']), paths: [image, referrers, ...bills, ...layers.flat()] };
}

/** A run with a parameter, a metric and an artifact; what a test of an old folder writes as well. */
export async function run(
  world: World,
  workspace: string,
): Promise<{ readonly run: string; readonly experiment: string }> {
  const token = await world.ownerToken();
  const at = `/mlflow/v1.0${workspace}/api/2.0`;
  const post = async (path: string, body: unknown) =>
    must(await world.send(`${at}/mlflow/${path}`, { method: 'POST', token, body }), path).body;
  const [experiment = ''] = await experiments(world, workspace);
  const { run_id } = (await post('runs/create', { experiment_id: experiment, run_name: 'sealed' })).run.info;
  await post('runs/log-batch', {
    run_id,
    metrics: [{ key: 'loss', value: 0.5, timestamp: 1, step: 0 }],
    params: [{ key: 'rate', value: '0.1' }],
  });
  const artifact = `${at}/mlflow-artifacts/artifacts/${experiment}/${run_id}/artifacts/sealed.txt`;
  must(await world.send(artifact, { method: 'PUT', token, body: 'sealed' }), 'an artifact');
  return { run: run_id, experiment };
}

async function experiments(world: World, workspace: string): Promise<readonly string[]> {
  const found = await world.send(`/mlflow/v1.0${workspace}/api/2.0/mlflow/experiments/search`, {
    method: 'POST',
    token: await world.ownerToken(),
    body: { max_results: 100 },
  });
  return (must(found, 'experiments').body.experiments as readonly { readonly experiment_id: string }[]).map(
    ({ experiment_id }) => experiment_id,
  );
}
