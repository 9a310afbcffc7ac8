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
