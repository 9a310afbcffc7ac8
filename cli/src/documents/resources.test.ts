// What jobs stand on, in Azure ML's v2 schema, becomes exactly the bodies that the service takes: endpoints, and what a workspace has.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { readerOf } from '../document.reader.ts';
import { openDocuments } from './documents.fixture.ts';
import { deploymentBody, endpointBody } from './endpoint.ts';
import { jobBody } from './job.ts';
import { modelFields } from './references.ts';
import { computeBody, datastoreBody, definitionBody, workspaceBody } from './resources.ts';

const { folder, paths, sent, sources, file } = openDocuments();

test('an endpoint and a deployment', async () => {
  assert.deepEqual(endpointBody(await file('name: e\nauth_mode: key\ntraffic: { blue: 100 }\n'), 'local'), {
    name: 'e',
    body: {
      location: 'local',
      properties: { authMode: 'Key', traffic: { blue: 100 } },
    },
  });
  const { name, endpoint, body } = await deploymentBody(
    await file(`name: blue
endpoint_name: e
model: azureml:m:2
code_configuration: { code: azureml:c:1, scoring_script: score.py }
instance_count: 2
request_settings: { request_timeout_ms: 5000, max_concurrent_requests_per_instance: 4, max_queue_wait_ms: 500 }
liveness_probe: { initial_delay: 10, failure_threshold: 3 }
`),
    paths,
    sources,
    'local',
  );
  assert.deepEqual([name, endpoint], ['blue', 'e']);
  assert.deepEqual(body, {
    location: 'local',
    sku: { name: 'Default', capacity: 2 },
    properties: {
      endpointComputeType: 'Managed',
      livenessProbe: { failureThreshold: 3, initialDelay: 'PT10S' },
      model: `${paths.id}/models/m/versions/2`,
      codeConfiguration: { codeId: `${paths.id}/codes/c/versions/1`, scoringScript: 'score.py' },
      scaleSettings: { scaleType: 'Default' },
      requestSettings: { requestTimeout: 'PT5S', maxQueueWait: 'PT0.5S', maxConcurrentRequestsPerInstance: 4 },
    },
  });
  const scriptless = await deploymentBody(await file('model: azureml:m:2\n'), paths, sources, 'local');
  assert.equal('codeConfiguration' in (scriptless.body['properties'] as object), false);
  for (const half of ['{ scoring_script: score.py }', '{ code: azureml:c:1 }', '{}'])
    await assert.rejects(
      deploymentBody(await file(`model: azureml:m:2\ncode_configuration: ${half}\n`), paths, sources, 'local'),
      /needs 'code' .*Leave it out for a model of type mlflow_model/,
    );
  await assert.rejects(
    deploymentBody(await file('model: azureml:m:2\nliveness_probe: { period: often }\n'), paths, sources, 'local'),
    /'liveness_probe\.period' is a number of seconds/,
  );
});

test('what public files write in place of a name: the newest version, an image, a model beside the file', async () => {
  sent.length = 0;
  const job = await jobBody(
    await file(
      'command: a\ncompute: c\nenvironment: azureml:base@latest\ninputs:\n  m: { type: mlflow_model, path: "azureml:iris@latest" }\n  n: { type: custom_model, path: "azureml:iris:2" }\n',
    ),
    paths,
    sources,
  );
  const properties = job.body['properties'] as Record<string, unknown>;
  assert.equal(properties['environmentId'], `${paths.id}/environments/base/versions/7`);
  assert.deepEqual(properties['inputs'], {
    m: { jobInputType: 'mlflow_model', uri: `${paths.id}/models/iris/versions/7` },
    n: { jobInputType: 'custom_model', uri: `${paths.id}/models/iris/versions/2` },
  });
  await jobBody(
    await file('command: a\ncompute: c\nenvironment: { image: "library/python:latest" }\n'),
    paths,
    sources,
  );
  assert.deepEqual(sent.splice(0), ['environment {"properties":{"image":"library/python:latest"}}']);
  await jobBody(
    await file('command: a\ncompute: c\nenvironment: { build: { path: "azureml://x", dockerfile_path: d } }\n'),
    paths,
    sources,
  );
  assert.deepEqual(sent.splice(0), [
    'environment {"properties":{},"context":{"place":"azureml://x","dockerfile":"d"}}',
  ]);
  const { body } = await deploymentBody(
    await file(
      'name: blue\nendpoint_name: e\nmodel: { path: ../model/ }\nenvironment: { image: x, name: base, version: 3 }\ncode_configuration: { code: src, scoring_script: score.py }\n',
    ),
    paths,
    sources,
    'local',
  );
  assert.equal((body['properties'] as Record<string, unknown>)['model'], `${paths.id}/models/anonymous/versions/m`);
  assert.deepEqual(sent.splice(0), [
    'environment {"name":"base","version":"3","properties":{"image":"x"}}',
    `model {"properties":{"modelType":"custom_model"},"place":"${join(folder, '..', 'model')}"}`,
    `code ${join(folder, 'src')}`,
  ]);
});

test('an endpoint takes its mode in either case, and no cluster of Kubernetes and no identity of its own', async () => {
  const { body } = endpointBody(await file('name: e\nauth_mode: Key\n'), 'local');
  assert.deepEqual(body['properties'], { authMode: 'Key' });
  for (const [text, message] of [
    ['auth_mode: password\n', /must be one of key, aml_token, aad_token/],
    ['auth_mode: constructor\n', /must be one of key, aml_token, aad_token/],
    ['auth_mode: Key\ncompute: azureml:inferencecompute\n', /'compute' is not served: it means a Kubernetes cluster/],
    ['public_network_access: disabled\n', /'public_network_access' is not served/],
    ['identity: { type: user_assigned, user_assigned_identities: [] }\n', /'identity\.type' is 'user_assigned'/],
  ] as const) {
    const document = await file(text);
    assert.throws(() => endpointBody(document, 'local'), message);
  }
  await assert.rejects(
    async () => await deploymentBody(await file('type: kubernetes\nname: blue\n'), paths, sources, 'local'),
    /only managed deployments are served/,
  );
});

test('workspaces, clusters, datastores, models and roles are read from files; what restricts and is not served is refused', async () => {
  const workspace = workspaceBody(
    await file(
      'name: w\nlocation: eastus\ndisplay_name: W\nhbi_workspace: true\nimage_registries: [ghcr.io/a/*, quay.io]\ntags: { a: b }\ncustomer_managed_key: { key_vault: /v, key_uri: https://k }\n',
    ),
  );
  assert.deepEqual(workspace, {
    name: 'w',
    location: 'eastus',
    tags: { a: 'b' },
    properties: {
      friendlyName: 'W',
      hbiWorkspace: true,
      imageRegistries: ['ghcr.io/a/*', 'quay.io'],
      encryption: { status: 'Enabled', keyVaultProperties: { keyVaultArmId: '/v', keyIdentifier: 'https://k' } },
    },
  });
  const compute = computeBody(
    await file(
      'name: c\ntype: amlcompute\nsize: S\nmin_instances: 0\nmax_instances: 2\nidle_time_before_scale_down: 90\ntier: low_priority\n',
    ),
  );
  assert.deepEqual(
    [compute.vmPriority, compute.maxNodeCount, compute.nodeIdleTimeBeforeScaleDown],
    ['LowPriority', 2, 'PT90S'],
  );
  assert.deepEqual(datastoreBody(await file('name: d\ntype: azure_blob\naccount_name: a\ncontainer_name: c\n')).body, {
    properties: {
      datastoreType: 'AzureBlob',
      accountName: 'a',
      containerName: 'c',
      credentials: { credentialsType: 'None' },
    },
  });
  const model = await file('name: m\npath: model\ntype: mlflow_model\n');
  assert.deepEqual(modelFields(readerOf(model), model), {
    name: 'm',
    version: undefined,
    properties: { modelType: 'mlflow_model' },
    place: join(folder, 'model'),
  });
  const role = definitionBody(
    await file(
      '{"Name": "Reader of models", "IsCustom": true, "Actions": ["a/read"], "NotDataActions": ["b"], "AssignableScopes": ["/subscriptions/s"]}',
    ),
    '/subscriptions/other',
  );
  assert.deepEqual(role.body, {
    properties: {
      roleName: 'Reader of models',
      type: 'CustomRole',
      permissions: [{ actions: ['a/read'], notActions: [], dataActions: [], notDataActions: ['b'] }],
      assignableScopes: ['/subscriptions/s'],
    },
  });
  type Read = (document: Awaited<ReturnType<typeof file>>) => unknown;
  const refused: readonly (readonly [Read, string, RegExp])[] = [
    [workspaceBody, 'public_network_access: Disabled\n', /'public_network_access' is not served/],
    [workspaceBody, 'managed_network: { isolation_mode: x }\n', /'managed_network' is not served/],
    [workspaceBody, 'customer_managed_key: { key_vault: /v }\n', /'customer_managed_key\.key_uri' is missing/],
    [computeBody, 'tier: constructor\n', /'tier' must be one of dedicated, low_priority/],
    [computeBody, 'type: computeinstance\n', /'computeinstance': such computes are not served/],
    [computeBody, 'ssh_settings: { admin_username: a }\n', /nobody signs in to a node/],
    [computeBody, 'identity: { type: system_assigned }\n', /'identity' is not served/],
    [datastoreBody, 'type: azure_blob\naccount_name: a\ncredentials: { account_key: x }\n', /holds none/],
    [datastoreBody, 'type: azure_data_lake_gen2\naccount_name: a\n', /such datastores are not served/],
    [(document) => definitionBody(document, '/s'), 'Actions: [a]\n', /'Name' is missing/],
    [(document) => definitionBody(document, '/s'), 'Name: a\nActons: [a]\n', /Did you mean 'Actions'/],
    [(document) => definitionBody(document, '/s'), 'Name: a\nActions: a\n', /'Actions' is a list of text/],
  ];
  for (const [read, text, message] of refused) {
    const document = await file(text);
    assert.throws(() => read(document), message, text);
  }
});
