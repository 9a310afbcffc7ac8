// Files in Azure ML's v2 schema become exactly the bodies that the service takes.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { workspacePaths } from '@strongroom/contract/client.paths';
import { readDocument } from './document.reader.ts';
import { deploymentBody, endpointBody, jobBody } from './documents.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'strongroom-documents-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

const paths = workspacePaths(
  '/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w',
);
const sent: string[] = [];
const sources = {
  snapshot: async (place: string) => {
    sent.push(`snapshot ${place}`);
    return 'azureml://snapshots/sha256:00';
  },
  code: async (place: string) => {
    sent.push(`code ${place}`);
    return paths.codeVersion('00', '1');
  },
};
function file(text: string, ...set: string[]) {
  const path = join(folder, 'x.yml');
  writeFileSync(path, text);
  return readDocument(path, set);
}

test('a command job with everything', async () => {
  const { name, body } = await jobBody(
    file(
      `$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
type: command
name: my-job
display_name: a job
experiment_name: e
description: d
code: src
command: python3 train.py --rate \${{inputs.rate}} --data \${{inputs.table}}
environment: azureml:sklearn:3
compute: azureml:cpu
environment_variables: { LEVEL: 3 }
inputs:
  rate: 0.1
  flag: true
  table: { type: uri_folder, path: ./data, mode: ro_mount }
  model: { type: custom_model, path: "azureml://jobs/j/outputs/artifacts/paths/m" }
outputs:
  result: { type: uri_folder, mode: upload }
  plain:
limits: { timeout: 600 }
resources: { instance_count: 1 }
identity: { type: aml_token }
tags: { team: a, n: 1 }
`,
    ),
    paths,
    sources,
  );
  assert.equal(name, 'my-job');
  assert.deepEqual(body, {
    properties: {
      jobType: 'Command',
      displayName: 'a job',
      experimentName: 'e',
      description: 'd',
      tags: { team: 'a', n: '1' },
      command: `python3 train.py --rate \${{inputs.rate}} --data \${{inputs.table}}`,
      computeId: `${paths.id}/computes/cpu`,
      environmentId: `${paths.id}/environments/sklearn/versions/3`,
      environmentVariables: { LEVEL: '3' },
      codeId: `${paths.id}/codes/00/versions/1`,
      inputs: {
        rate: { jobInputType: 'literal', value: '0.1' },
        flag: { jobInputType: 'literal', value: 'true' },
        table: { jobInputType: 'uri_folder', uri: 'azureml://snapshots/sha256:00', mode: 'ReadOnlyMount' },
        model: { jobInputType: 'custom_model', uri: 'azureml://jobs/j/outputs/artifacts/paths/m' },
      },
      outputs: { result: { jobOutputType: 'uri_folder', mode: 'Upload' }, plain: { jobOutputType: 'uri_folder' } },
      limits: { jobLimitsType: 'Command', timeout: 'PT600S' },
      resources: { instanceCount: 1 },
      identity: { identityType: 'AMLToken' },
    },
  });
  assert.deepEqual(
    sent,
    [`code ${join(folder, 'src')}`, `snapshot ${join(folder, 'data')}`],
    'folders are found beside the file',
  );
});

test('--set changes a field before anything is read from it, with YAML values', () => {
  const document = file(
    'command: a\ninputs: { rate: 0.1, note: x }\n',
    'inputs.rate=0.5',
    'inputs.flag=true',
    'limits.timeout=60',
    'command=b=c',
  );
  assert.deepEqual(document.fields, {
    command: 'b=c',
    inputs: { rate: 0.5, note: 'x', flag: true },
    limits: { timeout: 60 },
  });
  for (const wrong of ['command', '=x', 'a..b=1', '__proto__.polluted=1'])
    assert.throws(() => file('command: a\n', wrong), /--set|no path/);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('what is missing, unknown or not served is refused by name', async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['compute: c\n', /'command' is missing/],
    ['command: a\n', /'compute' is missing/],
    ['command: a\ncompute: c\ncommmand: b\n', /'commmand' is not known/],
    ['type: pipeline\n', /'pipeline': such jobs are not served/],
    ['command: a\ncompute: c\nenvironment: { image: x }\n', /'environment' must be a single value/],
    ['command: a\ncompute: c\nenvironment: azureml:x@latest\n', /azureml:NAME:VERSION/],
    [
      'command: a\ncompute: c\ninputs: { d: { type: uri_file, path: "https://example.com/x" } }\n',
      /from this workspace only/,
    ],
    ['command: a\ncompute: c\ninputs: { d: { type: uri_file } }\n', /needs 'path'/],
    ['command: a\ncompute: c\ninputs: { d: [1] }\n', /must be a value/],
    ['command: a\ncompute: c\nlimits: { timeout: soon }\n', /number of seconds/],
    ['command: a\ncompute: c\nidentity: { type: managed }\n', /aml_token/],
    ['- a list\n', /does not hold a mapping/],
    ['command: a\nx: [\n', /x\.yml:3: this is no YAML/],
    ['command: a\ncompute: c\ncommmand: b\n', /x\.yml:3: .* Did you mean 'command'\?/],
    ['command: a\ncompute: c\nzzz: b\n', /is not known here\. Known/],
    ['command: a\ncompute: c\nlimits:\n  timout: 60\n', /x\.yml:4: 'limits\.timout' .* Did you mean 'timeout'\?/],
    ['command: a\ncompute: c\nresources: { instances: 2 }\n', /'resources\.instances' is not known/],
    ['command: a\ncompute: c\ninputs:\n  d:\n    pth: x\n', /x\.yml:4: 'inputs\.d' needs 'path'/],
    ['command: a\ncompute: c\ninputs: { d: { path: x, mood: download } }\n', /'inputs\.d\.mood' is not known/],
    ['command: a\ncompute: c\noutputs: { r: { typ: uri_folder } }\n', /'outputs\.r\.typ' is not known/],
    ['command: !run a\ncompute: c\n', /x\.yml:1: this is no YAML: Unresolved tag/],
  ];
  for (const [text, message] of cases)
    await assert.rejects(async () => await jobBody(file(text), paths, sources), message, text);
  assert.deepEqual(
    sent.splice(0),
    [`code ${join(folder, 'src')}`, `snapshot ${join(folder, 'data')}`],
    'nothing is sent of a document with a mistake',
  );
  assert.throws(() => readDocument(join(folder, 'absent.yml')), /cannot be read: there is no such file/);
  assert.throws(() => readDocument(folder), /cannot be read: it is a folder/);
  await assert.rejects(
    async () => await jobBody(file('command: a\ncompute: c\n', 'environment=[1]'), paths, sources),
    /x\.yml: 'environment'/,
    'what --set changed stands in no line',
  );
});

test('an endpoint and a deployment', async () => {
  assert.deepEqual(endpointBody(file('name: e\nauth_mode: key\ntraffic: { blue: 100 }\n'), 'local'), {
    name: 'e',
    body: {
      location: 'local',
      identity: { type: 'SystemAssigned' },
      properties: { authMode: 'Key', traffic: { blue: 100 } },
    },
  });
  const { name, endpoint, body } = await deploymentBody(
    file(`name: blue
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
  await assert.rejects(deploymentBody(file('model: azureml:m:2\n'), paths, sources, 'local'), /code_configuration/);
  await assert.rejects(
    deploymentBody(file('model: azureml:m:2\nliveness_probe: { period: often }\n'), paths, sources, 'local'),
    /'liveness_probe\.period' is a number of seconds/,
  );
});
