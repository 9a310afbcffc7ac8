// Jobs and schedules in Azure ML's v2 schema become exactly the bodies that the service takes.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readDocument } from '../document.reader.ts';
import { openDocuments } from './documents.fixture.ts';
import { jobBody } from './job.ts';
import { scheduleBody } from './schedule.ts';

const { folder, paths, sent, components, sources, file } = openDocuments();

test('a sweep becomes what the service takes, its distributions as arrays', async () => {
  const { name, body } = await jobBody(
    await file(`type: sweep
name: tune
trial:
  command: python train.py --lr \${{search_space.lr}} --k \${{search_space.k}}
  code: azureml:c:1
  environment: azureml:e:1
compute: azureml:cpu-cluster
sampling_algorithm: { type: random, rule: sobol, seed: 3 }
search_space:
  lr: { type: loguniform, min_value: -6, max_value: -1 }
  k: { type: choice, values: [1, two, true] }
objective: { goal: minimize, primary_metric: loss }
limits: { max_total_trials: 4, max_concurrent_trials: 2, timeout: 3600 }
early_termination: { type: bandit, slack_factor: 0.2, evaluation_interval: 1, delay_evaluation: 5 }
inputs:
  epochs: 3
`),
    paths,
    sources,
  );
  assert.equal(name, 'tune');
  assert.deepEqual(body['properties'], {
    jobType: 'Sweep',
    computeId: paths.compute('cpu-cluster'),
    searchSpace: { lr: ['loguniform', [-6, -1]], k: ['choice', [[1, 'two', true]]] },
    samplingAlgorithm: { samplingAlgorithmType: 'Random', rule: 'Sobol', seed: 3 },
    objective: { goal: 'Minimize', primaryMetric: 'loss' },
    limits: { jobLimitsType: 'Sweep', maxTotalTrials: 4, maxConcurrentTrials: 2, timeout: 'PT3600S' },
    earlyTermination: { policyType: 'Bandit', evaluationInterval: 1, delayEvaluation: 5, slackFactor: 0.2 },
    trial: {
      command: `python train.py --lr \${{search_space.lr}} --k \${{search_space.k}}`,
      environmentId: paths.environmentVersion('e', '1'),
      codeId: paths.codeVersion('c', '1'),
    },
    inputs: { epochs: { jobInputType: 'literal', value: '3' } },
  });
});

const scheduleIn = async (text: string) => scheduleBody({ document: await file(text), paths, sources });

test('a schedule becomes what the service takes, with a job that stands in it, in a file or in the workspace', async () => {
  writeFileSync(
    join(folder, 'job.yml'),
    `command: echo \${{inputs.a}}\ncompute: c\ninputs: { a: 1, b: two }\nexperiment_name: mine\n`,
  );
  const { name, properties } = await scheduleIn(
    `name: nightly
display_name: Every night
trigger: { type: cron, expression: "0 * * * *", start_time: "2022-07-10T10:00:00", time_zone: Pacific Standard Time }
create_job: ./job.yml
`,
  );
  const asked = {
    jobType: 'Command',
    command: `echo \${{inputs.a}}`,
    computeId: paths.compute('c'),
    experimentName: 'mine',
    inputs: { a: { jobInputType: 'literal', value: '1' }, b: { jobInputType: 'literal', value: 'two' } },
  };
  assert.equal(name, 'nightly');
  assert.deepEqual(properties, {
    displayName: 'Every night',
    trigger: {
      triggerType: 'Cron',
      expression: '0 * * * *',
      startTime: '2022-07-10T10:00:00',
      timeZone: 'Pacific Standard Time',
    },
    action: { actionType: 'CreateJob', jobDefinition: asked },
  });
  const recurrence =
    'trigger: { type: recurrence, frequency: week, interval: 2, schedule: { hours: [4, 5], minutes: 30, week_days: [monday, Friday] } }';
  const over = await scheduleIn(
    `${recurrence}\ncreate_job: { type: command, job: ./job.yml, inputs: { a: 2 }, tags: { t: x } }\n`,
  );
  assert.deepEqual(over.properties['trigger'], {
    triggerType: 'Recurrence',
    frequency: 'Week',
    interval: 2,
    schedule: { hours: [4, 5], minutes: [30], weekDays: ['Monday', 'Friday'] },
  });
  assert.deepEqual(over.properties['action'], {
    actionType: 'CreateJob',
    jobDefinition: {
      ...asked,
      tags: { t: 'x' },
      inputs: { ...asked.inputs, a: { jobInputType: 'literal', value: '2' } },
    },
  });
  const inline = await scheduleIn(`${recurrence}\ncreate_job: { type: command, command: 'true', compute: c }\n`);
  assert.deepEqual(inline.properties['action'], {
    actionType: 'CreateJob',
    jobDefinition: { jobType: 'Command', command: 'true', computeId: paths.compute('c') },
  });
  const named = await scheduleIn(`${recurrence}\ncreate_job: azureml:tried\n`);
  assert.deepEqual(named.properties['action'], {
    actionType: 'CreateJob',
    jobDefinition: { jobType: 'Pipeline', sourceJobId: paths.job('tried') },
  });
  const changed = await scheduleIn(
    `${recurrence}\ncreate_job: { job: azureml:tried, inputs: { a: 3 }, experiment_name: e }\n`,
  );
  assert.deepEqual(changed.properties['action'], {
    actionType: 'CreateJob',
    jobDefinition: {
      jobType: 'Pipeline',
      sourceJobId: paths.job('tried'),
      experimentName: 'e',
      inputs: { a: { jobInputType: 'literal', value: '3' } },
    },
  });
});

test('a schedule that cannot be is refused at its place', async () => {
  const cron = 'trigger: { type: cron, expression: "0 6 * * *" }';
  const job = "create_job: { command: 'true', compute: c }";
  const cases: readonly (readonly [string, RegExp])[] = [
    [job, /'trigger' is missing/],
    [cron, /'create_job' is missing/],
    [`${job}\ntrigger: { type: event }`, /there are cron and recurrence/],
    [`${job}\ntrigger: { type: cron }`, /'trigger.expression' is missing/],
    [`${job}\ntrigger: { type: cron, expresion: x }`, /expression/],
    [`${job}\ntrigger: { type: recurrence, frequency: day, schedule: { hours: noon } }`, /'noon' is none/],
    [`${job}\ntrigger: { type: recurrence, frequency: week, schedule: { week_days: someday } }`, /'someday' is none/],
    [`${cron}\ncreate_monitor: {}`, /create_monitor/],
    [`${cron}\nimport_data: {}`, /import_data/],
    [`${cron}\ncreate_job: { comand: x, compute: c }`, /:2: 'comand' is not known here/],
    [`${cron}\ncreate_job: ./none.yml`, /none.yml/],
    [`${cron}\ncreate_job: { job: azureml:tried, comand: x }`, /comand/],
  ];
  for (const [text, said] of cases) await assert.rejects(scheduleIn(`${text}\n`), said, text);
});

test('a sweep that cannot be is refused at its place', async () => {
  const sweep = (...more: readonly string[]) => `type: sweep\ncompute: c\ntrial: { command: x }\n${more.join('\n')}\n`;
  const space = 'search_space: { a: { type: choice, values: [1] } }';
  const objective = 'objective: { goal: minimize, primary_metric: m }';
  const cases: readonly (readonly [string, RegExp])[] = [
    ['type: sweep\n', /trial/],
    [sweep(objective), /search_space/],
    [sweep(space), /objective/],
    [sweep(objective, 'search_space: { a: 1 }'), /must be \{ type: uniform/],
    [sweep(objective, 'search_space: { a: { type: triangle } }'), /'triangle'/],
    [sweep(objective, 'search_space: { a: { type: uniform, min: 0 } }'), /has 'min', which uniform has not/],
    [sweep(objective, 'search_space: { a: { type: choice } }'), /needs 'values'/],
    [sweep(objective, space, 'early_termination: { type: hope }'), /'hope'/],
    [
      sweep(objective, space, 'early_termination: { type: bandit, slack_factor: some }'),
      /'early_termination.slack_factor' must be a number/,
    ],
    [sweep(objective, space, 'early_terminaton: { type: bandit }'), /early_termination/],
    [`type: sweep\ntrial: { command: x, comand: y }\ncompute: c\n${objective}\n${space}\n`, /command/],
  ];
  for (const [text, said] of cases)
    await assert.rejects(async () => jobBody(await file(text), paths, sources), said, text);
});

test('a pipeline becomes steps, with components out of their files', async () => {
  writeFileSync(
    join(folder, 'train.yml'),
    `type: command
name: train
version: 3
inputs: { rate: { type: number, default: 0.1 } }
outputs: { model: { type: uri_folder } }
environment: azureml:e:1
code: azureml:c:1
command: train --rate \${{inputs.rate}}
`,
  );
  const { body } = await jobBody(
    await file(`type: pipeline
display_name: p
settings: { default_compute: azureml:cpu-cluster, continue_on_step_failure: true }
inputs: { rate: 0.5 }
outputs: { best: { mode: upload } }
jobs:
  train:
    type: command
    component: ./train.yml
    inputs: { rate: '\${{parent.inputs.rate}}', data: { type: uri_file, path: azureml://datastores/d/paths/p, mode: download } }
  tune:
    type: sweep
    trial: azureml:train:1
    search_space: { rate: { type: uniform, min_value: 0, max_value: 1 } }
    objective: { goal: minimize, primary_metric: loss }
    limits: { max_total_trials: 2, timeout: 60 }
  score:
    command: cat \${{inputs.model}}
    environment: azureml:e:1
    limits: { timeout: 60 }
    inputs: { model: { path: "\${{parent.jobs.train.outputs.model}}", mode: download } }
    outputs: { report: '\${{parent.outputs.best}}' }
`),
    paths,
    sources,
  );
  assert.deepEqual(components, [
    {
      type: 'command',
      name: 'train',
      version: '3',
      command: `train --rate \${{inputs.rate}}`,
      inputs: { rate: { type: 'number', default: 0.1 } },
      outputs: { model: { type: 'uri_folder' } },
      environment: paths.environmentVersion('e', '1'),
      code: paths.codeVersion('c', '1'),
    },
  ]);
  assert.deepEqual(body['properties'], {
    jobType: 'Pipeline',
    displayName: 'p',
    settings: { default_compute: paths.compute('cpu-cluster'), continue_on_step_failure: true },
    inputs: { rate: { jobInputType: 'literal', value: '0.5' } },
    outputs: { best: { jobOutputType: 'uri_folder', mode: 'Upload' } },
    jobs: {
      train: {
        type: 'command',
        componentId: paths.assetVersion('components', 'anonymous', '1'),
        inputs: {
          rate: { jobInputType: 'literal', value: `\${{parent.inputs.rate}}` },
          data: { jobInputType: 'uri_file', uri: 'azureml://datastores/d/paths/p', mode: 'Download' },
        },
      },
      tune: {
        type: 'sweep',
        trial: { componentId: paths.assetVersion('components', 'train', '1') },
        search_space: { rate: { type: 'uniform', min_value: 0, max_value: 1 } },
        objective: { goal: 'minimize', primary_metric: 'loss' },
        limits: { max_total_trials: 2, timeout: 60 },
      },
      score: {
        type: 'command',
        command: `cat \${{inputs.model}}`,
        environmentId: paths.environmentVersion('e', '1'),
        limits: { timeout: 'PT60S' },
        inputs: {
          model: { jobInputType: 'literal', value: `\${{parent.jobs.train.outputs.model}}`, mode: 'Download' },
        },
        outputs: { report: { value: `\${{parent.outputs.best}}` } },
      },
    },
  });
});

test('a command job with everything', async () => {
  const { name, body } = await jobBody(
    await file(
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
distribution: { type: pytorch, process_count_per_instance: 2 }
environment_variables: { LEVEL: 3 }
secrets_configuration:
  TOKEN: { workspace_secret_name: api-token }
  OTHER: { uri: https://v.vault.localhost:8443/secrets/other }
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
      distribution: { distributionType: 'PyTorch', processCountPerInstance: 2 },
      secretsConfiguration: {
        TOKEN: { workspaceSecretName: 'api-token' },
        OTHER: { uri: 'https://v.vault.localhost:8443/secrets/other' },
      },
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

test('--set changes a field before anything is read from it, with YAML values', async () => {
  const document = await file(
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
    await assert.rejects(file('command: a\n', wrong), /--set|no path/);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('what is missing, unknown or not served is refused by name', async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['compute: c\n', /'command' is missing/],
    // What was written in its place is named first.
    ['comand: a\ncompute: c\n', /x\.yml:1: 'comand' is not known here\. Did you mean 'command'\?/],
    ['command: a\nidentity: { typ: aml_token }\n', /'identity\.typ' is not known here\. Did you mean 'type'\?/],
    ['command: a\ncompute: c\ncommmand: b\n', /'commmand' is not known/],
    ['type: spark\n', /'spark': such jobs are not served/],
    ['type: pipeline\n', /'jobs' is missing/],
    ['type: pipeline\njobs: { a: { type: spark } }\n', /'spark': such steps are not served/],
    ['type: pipeline\njobs: { a: { command: x, comand: y } }\n', /comand/],
    ['command: a\ncompute: c\nenvironment: { conda_file: none.yml, image: y }\n', /none\.yml cannot be read/],
    ['command: a\ncompute: c\nenvironment: { conda_file: [x], image: y }\n', /'environment\.conda_file'/],
    [
      'command: a\ncompute: c\nenvironment: { build: { path: x }, image: y }\n',
      /'environment\.build' stands beside image/,
    ],
    [
      'command: a\ncompute: c\nenvironment: { build: { path: "https://x/y" } }\n',
      /'environment\.build\.path' is https:/,
    ],
    ['command: a\ncompute: c\nenvironment: { build: { dockerfile_path: x } }\n', /'environment\.build\.path'/],
    ['command: a\ncompute: c\nenvironment: x\n', /must be azureml:NAME:VERSION, azureml:NAME@latest, or a resource id/],
    [
      'command: a\ncompute: c\nenvironment: azureml://registries/azureml/models/sklearn-1.5/labels/latest\n',
      /is of a registry that workspaces share, and such are not served/,
    ],
    ['command: a\ncompute: c\nservices: { s: { type: vs_code } }\n', /'services' is not served/],
    ['command: a\ncompute: c\ndistribution: { type: ray }\n', /'distribution.type' is pytorch, tensorflow or mpi/],
    ['command: a\ncompute: c\ndistribution: { type: constructor }\n', /'distribution.type' is pytorch/],
    ['command: { a: 1 }\ncompute: c\n', /'command' is a single value, not the fields a/],
    ['command: a\ncompute: c\ntags: { a: { b: 1 } }\n', /'tags' holds text, and 'a' is none/],
    [
      'command: a\ncompute: c\nlimits: 60\n',
      /'limits' has fields of its own, as in 'limits: \{ … \}'; '60' is a single value/,
    ],
    [
      'command: a\ncompute: c\ninputs: { d: { type: uri_folder, path: "azureml:x" } }\n',
      /must be azureml:NAME:VERSION/,
    ],
    ['command: a\ncompute: c\ncode: https://example.com/x\n', /would have to be fetched first/],
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
    await assert.rejects(async () => await jobBody(await file(text), paths, sources), message, text);
  assert.deepEqual(
    sent.splice(0),
    [`code ${join(folder, 'src')}`, `snapshot ${join(folder, 'data')}`],
    'nothing is sent of a document with a mistake',
  );
  await assert.rejects(readDocument(join(folder, 'absent.yml')), /cannot be read: there is no such file/);
  await assert.rejects(readDocument(folder), /cannot be read: it is a folder/);
  await assert.rejects(
    async () => await jobBody(await file('command: a\ncompute: c\n', 'environment=[1]'), paths, sources),
    /x\.yml: 'environment'/,
    'what --set changed stands in no line',
  );
});
