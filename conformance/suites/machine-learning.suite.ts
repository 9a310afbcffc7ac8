// @azure/arm-machinelearning: a workspace, compute, a job from submission to its end, and the assets around it.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type AmlCompute, AzureMachineLearningWorkspaces, type CommandJob } from '@azure/arm-machinelearning';
import { ContainerClient } from '@azure/storage-blob';
import { all, bootstrap, credential, eventually, makeGroup, resources } from '../harness/bootstrap.ts';
import { takeSnapshot } from '../harness/snapshot.ts';

const group = 'learning';
const workspace = 'lab';
const client = new AzureMachineLearningWorkspaces(credential, bootstrap.subscriptionId, { endpoint: bootstrap.url });
const terminal = new Set(['Completed', 'Failed', 'Canceled']);

const input = (name: string) => `$\{{inputs.${name}}}`;

let workspaceId = '';
before(async () => {
  await makeGroup(group);
  const made = await client.workspaces.beginCreateOrUpdateAndWait(
    group,
    workspace,
    { location: bootstrap.location, identity: { type: 'SystemAssigned' }, friendlyName: 'The lab' },
    { updateIntervalInMs: 50 },
  );
  workspaceId = made.id ?? '';
});
after(() => client.workspaces.beginDeleteAndWait(group, workspace, { updateIntervalInMs: 50 }));

describe('@azure/arm-machinelearning: workspaces', () => {
  it('a created workspace has an identity and everything that it stands on', async () => {
    const read = await client.workspaces.get(group, workspace);
    assert.equal(read.provisioningState, 'Succeeded');
    assert.equal(read.friendlyName, 'The lab');
    assert.match(read.identity?.principalId ?? '', /^[0-9a-f-]{36}$/);
    assert.match(read.workspaceId ?? '', /^[0-9a-f-]{36}$/);
    for (const id of [read.storageAccount, read.keyVault]) {
      const dependent = await resources.resources.getById(id ?? '', '2023-05-01');
      assert.equal(dependent.id?.toLowerCase(), id?.toLowerCase());
    }
  });

  it('it is listed, updated, and a second one is deleted', async () => {
    assert.ok((await all(client.workspaces.listByResourceGroup(group))).some((item) => item.name === workspace));
    assert.ok((await all(client.workspaces.listBySubscription())).some((item) => item.name === workspace));
    const updated = await client.workspaces.beginUpdateAndWait(
      group,
      workspace,
      { tags: { a: '1' }, description: 'for conformance' },
      { updateIntervalInMs: 50 },
    );
    assert.deepEqual(updated.tags, { a: '1' });
    assert.equal((await client.workspaces.get(group, workspace)).description, 'for conformance');

    const second = { location: bootstrap.location, identity: { type: 'SystemAssigned' } as const };
    await client.workspaces.beginCreateOrUpdateAndWait(group, 'second', second, { updateIntervalInMs: 50 });
    await client.workspaces.beginDeleteAndWait(group, 'second', { updateIntervalInMs: 50 });
    await assert.rejects(client.workspaces.get(group, 'second'), { statusCode: 404, code: 'ResourceNotFound' });
  });

  it('the four datastores of a workspace are there, and blobstore is the default', async () => {
    const stores = await all(client.datastores.list(group, workspace));
    const names = stores.map((store) => store.name).sort();
    for (const name of [
      'workspaceartifactstore',
      'workspaceblobstore',
      'workspacefilestore',
      'workspaceworkingdirectory',
    ])
      assert.ok(names.includes(name), name);
    const blobs = await client.datastores.get(group, workspace, 'workspaceblobstore');
    assert.equal(blobs.properties.datastoreType, 'AzureBlob');
    assert.equal(blobs.properties.isDefault, true);
    const defaults = await all(client.datastores.list(group, workspace, { isDefault: true }));
    assert.deepEqual(
      defaults.map((store) => store.name),
      ['workspaceblobstore'],
    );
  });

  it('the secret of a datastore opens its container', async () => {
    const { properties } = await client.datastores.get(group, workspace, 'workspaceblobstore');
    assert.ok('accountName' in properties && 'containerName' in properties);
    const secrets = await client.datastores.listSecrets(group, workspace, 'workspaceblobstore');
    assert.ok(secrets.secretsType === 'Sas' && 'sasToken' in secrets);
    const url = `${bootstrap.url}/${String(properties.accountName)}/${String(properties.containerName)}`;
    const container = new ContainerClient(`${url}?${String(secrets.sasToken)}`);
    const blob = container.getBlockBlobClient('by-address/a.txt');
    await blob.uploadData(Buffer.from('1,2'));
    assert.equal((await blob.downloadToBuffer()).toString(), '1,2');
    const names = [];
    for await (const { name } of container.listBlobsFlat({ prefix: 'by-address/' })) names.push(name);
    assert.deepEqual(names, ['by-address/a.txt']);
    await assert.rejects(blob.delete(), { statusCode: 403 });
    await assert.rejects(container.getBlockBlobClient('snapshots/a').uploadData(Buffer.from('x')), { statusCode: 409 });
  });
});

describe('@azure/arm-machinelearning: compute and jobs', () => {
  const cluster = 'cpu-cluster';
  const computeId = () => `${workspaceId}/computes/${cluster}`;
  const job = (command: string, more: Partial<CommandJob> = {}) => ({
    properties: {
      jobType: 'Command' as const,
      command,
      environmentId: `${workspaceId}/environments/plain/versions/1`,
      computeId: computeId(),
      experimentName: 'conformance',
      ...more,
    },
  });
  const ended = (name: string) =>
    eventually(
      `the end of job ${name}`,
      async () => {
        const { properties } = await client.jobs.get(group, workspace, name);
        return terminal.has(properties.status ?? '') ? properties : undefined;
      },
      120,
    );

  before(async () => {
    await client.environmentVersions.createOrUpdate(group, workspace, 'plain', '1', {
      properties: { osType: 'Linux' },
    });
  });

  it('a cluster is created, read, listed, resized and its nodes are told', async () => {
    const made = await client.computeOperations.beginCreateOrUpdateAndWait(
      group,
      workspace,
      cluster,
      {
        location: bootstrap.location,
        properties: {
          computeType: 'AmlCompute',
          properties: {
            vmSize: 'Standard_DS3_v2',
            scaleSettings: { minNodeCount: 0, maxNodeCount: 1, nodeIdleTimeBeforeScaleDown: 'PT2M' },
          },
        },
      },
      { updateIntervalInMs: 50 },
    );
    assert.equal(made.properties?.computeType, 'AmlCompute');
    assert.equal(made.properties?.provisioningState, 'Succeeded');
    const listed = await all(client.computeOperations.list(group, workspace));
    assert.deepEqual(
      listed.map((item) => item.name),
      [cluster],
    );
    await client.computeOperations.beginUpdateAndWait(
      group,
      workspace,
      cluster,
      { properties: { scaleSettings: { minNodeCount: 0, maxNodeCount: 2 } } },
      { updateIntervalInMs: 50 },
    );
    const { properties } = await client.computeOperations.get(group, workspace, cluster);
    assert.equal((properties as AmlCompute).properties?.scaleSettings?.maxNodeCount, 2);
    assert.ok(Array.isArray(await all(client.computeOperations.listNodes(group, workspace, cluster))));
  });

  it('a type of compute that is not served is refused with what is', async () => {
    await assert.rejects(
      client.computeOperations.beginCreateOrUpdateAndWait(group, workspace, 'machine', {
        location: bootstrap.location,
        properties: { computeType: 'ComputeInstance', properties: { vmSize: 'Standard_DS3_v2' } },
      }),
      { statusCode: 400, message: /AmlCompute/ },
    );
  });

  it('a job runs its code, takes literal inputs, and completes', async () => {
    const uri = await takeSnapshot(workspaceId, {
      'main.py': 'import sys\nprint("sum", sum(int(x) for x in sys.argv[1:]))\n',
    });
    const code = await client.codeVersions.createOrUpdate(group, workspace, 'adder', '1', {
      properties: { codeUri: uri },
    });
    const made = await client.jobs.createOrUpdate(
      group,
      workspace,
      'add-up',
      job(`python3 main.py ${input('first')} ${input('second')}`, {
        codeId: code.id ?? '',
        displayName: 'Adding up',
        tags: { purpose: 'conformance' },
        inputs: {
          first: { jobInputType: 'literal', value: '20' },
          second: { jobInputType: 'literal', value: '22' },
        },
      }),
    );
    assert.equal(made.name, 'add-up');
    assert.equal((await ended('add-up')).status, 'Completed');
    const { properties } = await client.jobs.get(group, workspace, 'add-up');
    assert.ok(properties.jobType === 'Command');
    assert.equal(properties.displayName, 'Adding up');
    assert.equal(properties.experimentName, 'conformance');
    assert.deepEqual(properties.tags, { purpose: 'conformance' });
    assert.ok(properties.services?.['Tracking']?.endpoint);
    assert.ok((await all(client.jobs.list(group, workspace))).some((item) => item.name === 'add-up'));
    assert.ok((await all(client.jobs.list(group, workspace, { jobType: 'Command' }))).length > 0);
    assert.equal((await all(client.jobs.list(group, workspace, { tag: 'no-such-tag' }))).length, 0);
  });

  it('a job whose command fails is Failed', async () => {
    await client.jobs.createOrUpdate(group, workspace, 'failing', job('exit 3'));
    assert.equal((await ended('failing')).status, 'Failed');
  });

  it('a running job is cancelled', async () => {
    await client.jobs.createOrUpdate(group, workspace, 'endless', job('sleep 600'));
    await eventually('the job to run', async () => {
      const { properties } = await client.jobs.get(group, workspace, 'endless');
      return properties.status === 'Running' ? true : undefined;
    });
    await client.jobs.beginCancelAndWait(group, workspace, 'endless', { updateIntervalInMs: 50 });
    assert.equal((await ended('endless')).status, 'Canceled');
    await client.jobs.beginDeleteAndWait(group, workspace, 'endless', { updateIntervalInMs: 50 });
    await assert.rejects(client.jobs.get(group, workspace, 'endless'), { statusCode: 404 });
  });

  it('a folder input that lost its uri on the way is refused, and the message names the client', async () => {
    // This client drops uri and mode of inputs when it writes them.
    const inputs = {
      data: { jobInputType: 'uri_folder' as const, uri: 'azureml://datastores/workspaceblobstore/paths/x' },
    };
    await assert.rejects(client.jobs.createOrUpdate(group, workspace, 'no-uri', job('true', { inputs })), {
      statusCode: 400,
      message: /uri/,
    });
  });

  it('a cluster is deleted', async () => {
    await client.computeOperations.beginDeleteAndWait(group, workspace, cluster, 'Delete', { updateIntervalInMs: 50 });
    await assert.rejects(client.computeOperations.get(group, workspace, cluster), { statusCode: 404 });
  });
});

describe('@azure/arm-machinelearning: assets', () => {
  it('code, model and environment versions are created, read, listed and deleted', async () => {
    const uri = await takeSnapshot(workspaceId, { 'model.json': '{"weights":[1]}' });
    const code = await client.codeVersions.createOrUpdate(group, workspace, 'code', '1', {
      properties: { codeUri: uri },
    });
    assert.equal(code.properties.codeUri, uri);
    const model = await client.modelVersions.createOrUpdate(group, workspace, 'model', '1', {
      properties: { modelUri: uri, modelType: 'custom_model', tags: { a: '1' }, description: 'a model' },
    });
    assert.equal(model.properties.modelUri, uri);
    await client.modelVersions.createOrUpdate(group, workspace, 'model', '2', { properties: { modelUri: uri } });
    const environment = await client.environmentVersions.createOrUpdate(group, workspace, 'environment', '1', {
      properties: { osType: 'Linux' },
    });
    assert.equal(environment.name, '1');

    assert.deepEqual(
      (await all(client.modelVersions.list(group, workspace, 'model'))).map((item) => item.name).sort(),
      ['1', '2'],
    );
    assert.ok((await all(client.modelContainers.list(group, workspace))).some((item) => item.name === 'model'));
    const container = await client.modelContainers.get(group, workspace, 'model');
    assert.equal(container.properties.latestVersion, '2');
    assert.equal((await client.modelVersions.get(group, workspace, 'model', '1')).properties.description, 'a model');
    await client.modelVersions.delete(group, workspace, 'model', '1');
    await assert.rejects(client.modelVersions.get(group, workspace, 'model', '1'), { statusCode: 404 });
    assert.ok(
      (await all(client.environmentContainers.list(group, workspace))).some((item) => item.name === 'environment'),
    );
    await client.codeVersions.delete(group, workspace, 'code', '1');
  });

  it('a model version does not change its files', async () => {
    const [first, second] = [await takeSnapshot(workspaceId, { a: '1' }), await takeSnapshot(workspaceId, { a: '2' })];
    await client.modelVersions.createOrUpdate(group, workspace, 'fixed', '1', { properties: { modelUri: first } });
    await assert.rejects(
      client.modelVersions.createOrUpdate(group, workspace, 'fixed', '1', { properties: { modelUri: second } }),
      (error: { statusCode?: number }) => error.statusCode === 400 || error.statusCode === 409,
    );
  });
});

describe('@azure/arm-machinelearning: online endpoints', () => {
  const endpoint = 'doubling';
  const wait = { updateIntervalInMs: 100 };
  const score = async (key: string) => {
    const { scoringUri } = (await client.onlineEndpoints.get(group, workspace, endpoint)).properties;
    return fetch(scoringUri ?? '', {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: '{"data":[1,2,3]}',
    });
  };

  it('a model is deployed and answers whoever holds a key, until the key is replaced', async () => {
    const model = await takeSnapshot(workspaceId, { 'model.json': '{"factor":2}' });
    const script = [
      'import json, os',
      'factor = None',
      'def init():',
      '    global factor',
      '    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.json")) as source:',
      '        factor = json.load(source)["factor"]',
      'def run(data):',
      '    return [factor * item for item in json.loads(data)["data"]]',
      '',
    ].join('\n');
    const code = await takeSnapshot(workspaceId, { 'score.py': script });
    await client.modelVersions.createOrUpdate(group, workspace, 'doubler', '1', {
      properties: { modelUri: model, modelType: 'custom_model' },
    });
    await client.codeVersions.createOrUpdate(group, workspace, 'scoring', '1', { properties: { codeUri: code } });

    const location = bootstrap.location;
    const properties = { authMode: 'Key' };
    await client.onlineEndpoints.beginCreateOrUpdateAndWait(group, workspace, endpoint, { location, properties }, wait);
    const deployed = await client.onlineDeployments.beginCreateOrUpdateAndWait(
      group,
      workspace,
      endpoint,
      'blue',
      {
        location,
        sku: { name: 'Default', capacity: 1 },
        properties: {
          endpointComputeType: 'Managed',
          model: `${workspaceId}/models/doubler/versions/1`,
          codeConfiguration: { codeId: `${workspaceId}/codes/scoring/versions/1`, scoringScript: 'score.py' },
          instanceType: 'Standard_F2s_v2',
        },
      },
      wait,
    );
    assert.equal(deployed.properties.provisioningState, 'Succeeded');
    const traffic = { location, properties: { ...properties, traffic: { blue: 100 } } };
    await client.onlineEndpoints.beginCreateOrUpdateAndWait(group, workspace, endpoint, traffic, wait);

    const keys = await client.onlineEndpoints.listKeys(group, workspace, endpoint);
    for (const key of [keys.primaryKey, keys.secondaryKey]) {
      const answer = await score(key ?? '');
      assert.equal(answer.status, 200);
      assert.deepEqual(await answer.json(), [2, 4, 6]);
    }
    assert.equal((await score('not-a-key')).status, 401);
    const replace = { keyType: 'Primary' };
    await client.onlineEndpoints.beginRegenerateKeysAndWait(group, workspace, endpoint, replace, wait);
    assert.equal((await score(keys.primaryKey ?? '')).status, 401);
    assert.equal((await score(keys.secondaryKey ?? '')).status, 200);

    const logs = await client.onlineDeployments.getLogs(group, workspace, endpoint, 'blue', { tail: 10 });
    assert.equal(typeof logs.content, 'string');
    assert.equal((await all(client.onlineDeployments.list(group, workspace, endpoint))).length, 1);
    assert.ok((await all(client.onlineEndpoints.list(group, workspace))).some((item) => item.name === endpoint));
    await client.onlineEndpoints.beginDeleteAndWait(group, workspace, endpoint, wait);
    await assert.rejects(client.onlineEndpoints.get(group, workspace, endpoint), { statusCode: 404 });
  });
});
