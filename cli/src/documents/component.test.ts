// A file that is a component becomes what the service takes, with what lies beside it.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDocuments } from './documents.fixture.ts';
import { componentOfFile } from './pipeline.ts';

const { folder, paths, sent, sources, file } = openDocuments();

test('a command component says its inputs as they are written, its code and its environment by their ids', async () => {
  const document = await file(`name: train
version: 3
type: command
display_name: Train
inputs: { rate: { type: number, default: 0.1 } }
outputs: { model: { type: uri_folder } }
code: src
command: python train.py \${{inputs.rate}} \${{outputs.model}}
environment: azureml:base:1
`);
  const spec = await componentOfFile({ document, paths, sources });
  assert.deepEqual(sent, [], 'nothing is sent before all of it is known to be right');
  assert.deepEqual(await spec(sources), {
    type: 'command',
    name: 'train',
    version: '3',
    display_name: 'Train',
    inputs: { rate: { type: 'number', default: 0.1 } },
    outputs: { model: { type: 'uri_folder' } },
    code: paths.codeVersion('00', '1'),
    command: `python train.py \${{inputs.rate}} \${{outputs.model}}`,
    environment: paths.environmentVersion('base', '1'),
  });
  assert.deepEqual(sent, [`code ${join(folder, 'src')}`]);
});

test('one that names itself among its steps, and one of another type, are refused', async () => {
  const circle = await file('type: pipeline\njobs: { a: { type: pipeline, component: ./x.yml } }\n');
  await assert.rejects(componentOfFile({ document: circle, paths, sources }), /stands in itself/);
  const other = await file('type: automl\n');
  await assert.rejects(componentOfFile({ document: other, paths, sources }), /such components are not served/);
});
