// Pipelines within pipelines in Azure ML's v2 schema become what the service takes.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { JsonObject } from '@strongroom/contract/client';
import { openDocuments } from './documents.fixture.ts';
import { jobBody } from './job.ts';

const { folder, paths, components, sources, file } = openDocuments();

test('a component of the type pipeline is registered with what its steps name, once however often it is named', async () => {
  writeFileSync(join(folder, 'leaf.yml'), 'command: echo\n');
  writeFileSync(
    join(folder, 'inner.yml'),
    `type: pipeline
inputs: { node: { type: string } }
outputs: { all: { type: uri_folder } }
jobs:
  a: { component: ./leaf.yml, compute: "\${{parent.inputs.node}}", outputs: { default: "\${{parent.outputs.all}}" } }
  b: { component: ./leaf.yml }
`,
  );
  const { body } = await jobBody(
    await file(`type: pipeline
jobs:
  one: { type: pipeline, component: ./inner.yml, inputs: { node: cpu } }
  two: { type: pipeline, component: ./inner.yml, inputs: { node: gpu } }
`),
    paths,
    sources,
  );
  const [leaf, inner] = ['1', '2'].map((count) => paths.assetVersion('components', 'anonymous', count));
  assert.deepEqual(components, [
    { type: 'command', command: 'echo' },
    {
      type: 'pipeline',
      inputs: { node: { type: 'string' } },
      outputs: { all: { type: 'uri_folder' } },
      jobs: {
        a: {
          type: 'command',
          componentId: leaf,
          computeId: `\${{parent.inputs.node}}`,
          outputs: { default: { value: `\${{parent.outputs.all}}` } },
        },
        b: { type: 'command', componentId: leaf },
      },
    },
  ]);
  const step = (node: string) => ({
    type: 'pipeline',
    componentId: inner,
    inputs: { node: { jobInputType: 'literal', value: node } },
  });
  assert.deepEqual((body['properties'] as JsonObject)['jobs'], { one: step('cpu'), two: step('gpu') });
  const whole = await jobBody(
    await file('type: pipeline\ncomponent: ./inner.yml\ninputs: { node: cpu }\n'),
    paths,
    sources,
  );
  assert.deepEqual((whole.body['properties'] as JsonObject)['jobs'], {});

  writeFileSync(join(folder, 'ping.yml'), 'type: pipeline\njobs: { a: { type: pipeline, component: ./pong.yml } }\n');
  writeFileSync(join(folder, 'pong.yml'), 'type: pipeline\njobs: { a: { type: pipeline, component: ./ping.yml } }\n');
  const circle = await file('type: pipeline\njobs: { a: { type: pipeline, component: ./ping.yml } }\n');
  await assert.rejects(async () => jobBody(circle, paths, sources), /is \.\/ping\.yml, and that stands in itself/);
});

test('a parallel step says its task itself, or is a component', async () => {
  writeFileSync(
    join(folder, 'score.yml'),
    `type: parallel
inputs: { data: { type: uri_folder } }
input_data: \${{inputs.data}}
mini_batch_size: "5"
task: { type: run_function, code: azureml:c:1, entry_script: score.py, environment: azureml:e:1 }
`,
  );
  const { body } = await jobBody(
    await file(`type: pipeline
jobs:
  one:
    type: parallel
    inputs: { data: { type: mltable, path: azureml:t:1, mode: direct } }
    outputs: { rows: { type: uri_folder } }
    input_data: \${{inputs.data}}
    partition_keys: [Store]
    retry_settings: { timeout: 60, max_retries: 2 }
    error_threshold: -1
    logging_level: DEBUG
    resources: { instance_count: 2 }
    environment_variables: { A: b }
    task:
      type: run_function
      code: azureml:c:1
      entry_script: score.py
      environment: azureml:e:1
      program_arguments: --a 1
      append_row_to: \${{outputs.rows}}/rows.csv
  two: { type: parallel, component: ./score.yml, max_concurrency_per_instance: 2, inputs: { data: { type: uri_folder, path: azureml:d:1 } } }
`),
    paths,
    sources,
  );
  const [code, environment] = [paths.codeVersion('c', '1'), paths.environmentVersion('e', '1')];
  assert.deepEqual(components.at(-1), {
    type: 'parallel',
    inputs: { data: { type: 'uri_folder' } },
    input_data: `\${{inputs.data}}`,
    mini_batch_size: '5',
    task: { type: 'run_function', code, entry_script: 'score.py', environment },
  });
  const { one, two } = (body['properties'] as { jobs: Record<string, JsonObject> }).jobs;
  assert.deepEqual(one, {
    type: 'parallel',
    inputs: { data: { jobInputType: 'mltable', uri: paths.assetVersion('data', 't', '1'), mode: 'Direct' } },
    outputs: { rows: { job_output_type: 'uri_folder' } },
    input_data: `\${{inputs.data}}`,
    partition_keys: ['Store'],
    retry_settings: { timeout: 60, max_retries: 2 },
    error_threshold: '-1',
    logging_level: 'DEBUG',
    resources: { instance_count: 2 },
    environment_variables: { A: 'b' },
    task: {
      ...{ type: 'run_function', code, entry_script: 'score.py', environment },
      ...{ program_arguments: '--a 1', append_row_to: `\${{outputs.rows}}/rows.csv` },
    },
  });
  assert.equal(two?.['max_concurrency_per_instance'], 2);
  await assert.rejects(
    async () =>
      jobBody(
        await file('type: pipeline\njobs: { a: { type: parallel, input_data: x, max_retries: 2 } }\n'),
        paths,
        sources,
      ),
    /task|max_retries/,
  );
});

test('an output of a step is what the step says of it: a wire, a place, a type, and the asset that it becomes', async () => {
  const { body } = await jobBody(
    await file(`type: pipeline
outputs: { best: { type: custom_model, name: iris } }
jobs:
  a:
    command: make
    outputs:
      model: { type: custom_model, path: "\${{parent.outputs.best}}", name: iris-of-a, version: 3 }
      table: { name: features, path: azureml://datastores/workspaceblobstore/paths/t }
`),
    paths,
    sources,
  );
  const { outputs, jobs } = body['properties'] as { outputs: JsonObject; jobs: { a: { outputs: JsonObject } } };
  assert.deepEqual(outputs, { best: { jobOutputType: 'custom_model', assetName: 'iris' } });
  assert.deepEqual(jobs.a.outputs, {
    model: { job_output_type: 'custom_model', value: `\${{parent.outputs.best}}`, name: 'iris-of-a', version: '3' },
    table: {
      job_output_type: 'uri_folder',
      uri: 'azureml://datastores/workspaceblobstore/paths/t',
      name: 'features',
    },
  });
});
