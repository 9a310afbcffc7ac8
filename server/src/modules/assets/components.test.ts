// What a component may be, that it is what it was when it was registered, and what its command is with what is given.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { jobIn, openBench } from '../../../test/lab/jobs.fixture.ts';
import { type CommandComponent, commandWith, readComponent } from './components.rules.ts';

after(() => closeScanPool());

const commandIn = (spec: Readonly<Record<string, unknown>>): CommandComponent => {
  const read = readComponent(spec);
  assert.ok(read.type === 'command');
  return read;
};
const component = (more: object = {}) => ({
  type: 'command',
  command: `python3 t.py --data \${{inputs.data}} $[[--rate \${{inputs.rate}}]] --out \${{outputs.model}}`,
  inputs: { data: { type: 'uri_folder' }, rate: { type: 'number', optional: true } },
  outputs: { model: { type: 'uri_folder', mode: 'upload' } },
  ...more,
});

test('a component is registered under a name, anonymous ones under a digest, and never changes', async (t) => {
  const { lab, workspaceId, codeId } = await openBench(t);
  const put = (name: string, spec: object, more: object = {}) =>
    lab.call(lab.owner, 'PUT', `${workspaceId}/components/${name}`, {
      body: { properties: { componentSpec: spec, ...more } },
    });
  const told = { name: 'train', version: '1', _source: 'YAML.COMPONENT', additional_includes: ['../shared'] };
  const spec = component({ code: `azureml:${codeId}`, ...told });
  assert.equal((await put('train/versions/1', spec)).status, 201);
  assert.equal((await put(`azureml_anonymous/versions/${'a'.repeat(64)}`, spec, { isAnonymous: true })).status, 201);
  const { properties } = (await lab.must(lab.owner, 'GET', `${workspaceId}/components/train/versions/1`)).body;
  assert.deepEqual(properties.componentSpec, { ...spec, name: 'train', version: '1' });
  // What stands for one of a registry is said where it is used.
  const registry = 'azureml://registries/azureml/environments/sklearn-1.5/labels/latest';
  assert.equal((await put('curated/versions/1', { ...spec, environment: registry })).status, 201);
  assert.equal((await put('train/versions/1', spec, { description: 'said' })).status, 200);
  const changed = await put('train/versions/1', { ...spec, command: 'true' });
  assert.ok(changed.status >= 400, changed.bytes.toString());
  assert.equal((await put('train/versions/2', { ...spec, version: '2' })).status, 201);
  assert.equal(
    (await lab.must(lab.owner, 'GET', `${workspaceId}/components/train`)).body.properties.latestVersion,
    '2',
  );
  await lab.must(lab.owner, 'PUT', `${workspaceId}/components/train/versions/1`, {
    body: { properties: { ...properties, isArchived: true } },
  });
  const { value } = (await lab.must(lab.owner, 'GET', `${workspaceId}/components/train/versions`)).body;
  assert.deepEqual(
    value.map(({ name }: { name: string }) => name),
    ['2'],
  );
});

test('what is no component is refused with the part that is wrong', async (t) => {
  const { lab, workspaceId, codeId } = await openBench(t);
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ type: 'pipeline', jobs: {} }, /A pipeline needs a step/],
    [{ type: 'pipeline' }, /componentSpec\.jobs has the steps, by name/],
    [{ type: 'pipeline', jobs: { a: 'x' } }, /componentSpec\.jobs\.a says what the step runs/],
    [
      { type: 'pipeline', jobs: { a: { command: 'x' } }, command: 'x' },
      /command is not a part of a pipeline component/,
    ],
    [
      { type: 'pipeline', jobs: { a: { command: 'x' } }, is_deterministic: false },
      /say it in those that the steps name/,
    ],
    [{ type: 'pipeline', jobs: { a: { command: 'x' } }, sourceJobId: 'azureml:x' }, /is not made of a job that ran/],
    [component({ type: 'spark' }), /Components of type 'spark'/],
    [component({ command: ' ' }), /componentSpec\.command/],
    [component({ command: `x \${{inputs.none}}` }), /inputs\.none[\s\S]*inputs\.data, inputs\.rate, outputs\.model/],
    [component({ command: `x \${{inputs.__proto__}}` }), /the component has inputs\.data/],
    [component({ comand: 'x' }), /componentSpec\.comand is not a part/],
    [component({ distribution: { type: 'horovod' } }), /distribution\.type must be one of pytorch/],
    [component({ distribution: { type: 'pytorch', nodes: 2 } }), /distribution\.nodes is not known/],
    [component({ inputs: { data: { type: 'folder' } } }), /inputs\.data\.type must be one of/],
    [component({ inputs: { data: { type: 'integer', default: 'many' } } }), /default is not of the type integer/],
    [component({ inputs: { data: { type: 'uri_file', default: 'x' } } }), /data have no default/],
    [component({ inputs: { 'a b': { type: 'string' } } }), /'a b' is no name/],
    [component({ inputs: { data: { type: 'uri_folder', path: 'x' } } }), /inputs\.data\.path is not known/],
    [component({ outputs: { model: { type: 'string' } } }), /outputs\.model\.type must be one of/],
    [component({ command: `export KEY=AKIA${'A'.repeat(16)}` }), /looks like/],
    [component({ inputs: { data: { type: 'integer', default: '9', max: '3' } } }), /is 9, and must be at most 3/],
    [component({ inputs: { data: { type: 'number', default: -0.5, min: 0 } } }), /is -0\.5, and must be at least 0/],
    [component({ inputs: { data: { type: 'string', default: 'c', enum: ['a', 'b'] } } }), /must be one of a, b/],
    [component({ inputs: { data: { type: 'integer', enum: ['a'] } } }), /enum is not of the type integer/],
    [component({ inputs: { data: { type: 'uri_folder', enum: ['a'] } } }), /enum is a list/],
    [component({ inputs: { data: { type: 'string', min: 1 } } }), /min is for integers and numbers/],
    [component({ inputs: { data: { type: 'string', optional: 'perhaps' } } }), /optional is true or false/],
    [component({ is_deterministic: 'no' }), /is_deterministic is true or false/],
    [component({ outputs: { model: { type: 'uri_folder', early_available: true } } }), /there when it has completed/],
    [component({ code: undefined, additional_includes: ['../shared'] }), /additional_includes[\s\S]*has no code/],
    [component({ intellectual_property: { publisher: 'me', protection_level: 'all' } }), /whoever may read/],
    [component({ resources: { instance_count: 'two' } }), /instance_count is a whole number/],
    [component({ code: './src' }), /componentSpec\.code must be the id/],
    [component({ code: codeId.replace('Vision', 'Other') }), /componentSpec\.code must be the id/],
    [component({ environment: codeId }), /environments\/versions/],
    [
      component({ inputs: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`i${i}`, { type: 'string' }])) }),
      /at most 100/,
    ],
  ];
  for (const [spec, said] of cases) {
    const { status, body } = await lab.call(lab.owner, 'PUT', `${workspaceId}/components/bad/versions/1`, {
      body: { properties: { componentSpec: spec } },
    });
    assert.equal(status, 400, JSON.stringify(spec).slice(0, 200));
    assert.match(body.error.message, said);
  }
  assert.equal((await lab.call(lab.owner, 'GET', `${workspaceId}/components/bad`)).status, 404);
});

test('a command job runs a component, with what it is given', async (t) => {
  const { lab, workspaceId, codeId, computeId, jobId, job, of } = await openBench(t);
  const id = `${workspaceId}/components/train/versions/1`;
  const spec = {
    type: 'command',
    command: `python3 t.py \${{inputs.rate}} $[[--seed \${{inputs.seed}}]] \${{outputs.model}}`,
    code: codeId,
    inputs: { rate: { type: 'number', default: 0.1 }, seed: { type: 'integer', optional: true } },
    outputs: { model: { type: 'uri_folder' } },
  };
  await lab.must(lab.owner, 'PUT', id, { body: { properties: { componentSpec: spec } } });
  const put = (name: string, more: object) =>
    lab.call(lab.owner, 'PUT', jobId(name), {
      body: { properties: { jobType: 'Command', componentId: id, computeId, ...more } },
    });
  const made = await put('uses', { inputs: { seed: { jobInputType: 'literal', value: 7 } } });
  assert.equal(made.status, 201, made.bytes.toString());
  await lab.must(lab.owner, 'DELETE', id);
  const { command } = jobIn(await lab.work.take(of('uses')));
  assert.equal(command, 'python3 t.py 0.1 --seed 7 /job/code/outputs/model');
  const shown = await job('uses');
  assert.deepEqual([shown.componentId, shown.codeId, Object.keys(shown.outputs)], [id, codeId, ['model']]);
  // What was read may be sent back.
  const again = await lab.call(lab.owner, 'PUT', jobId('uses'), {
    body: { properties: { ...shown, tags: { a: 'b' } } },
  });
  assert.equal(again.status, 200, again.bytes.toString());

  await lab.must(lab.owner, 'PUT', id, { body: { properties: { componentSpec: spec } } });
  for (const [name, more, said] of [
    ['both', { command: 'x' }, /Leave one of componentId and command out/],
    ['stranger', { inputs: { lr: { jobInputType: 'literal', value: 1 } } }, /does not take 'lr'/],
    ['type', { inputs: { seed: { jobInputType: 'literal', value: 'x' } } }, /not of the type integer/],
    ['data', { inputs: { seed: { jobInputType: 'uri_folder', uri: 'azureml://x' } } }, /is of the type integer/],
    ['output', { outputs: { other: { jobOutputType: 'uri_folder' } } }, /no output 'other'/],
    ['elsewhere', { componentId: codeId }, /components\/versions/],
  ] as const) {
    const refused = await put(name, more);
    assert.equal(refused.status, 400, refused.bytes.toString());
    assert.match(refused.body.error.message, said);
  }
});

test('a part in brackets stays when what it needs is given', () => {
  const read = commandIn(component());
  const given = (...names: readonly string[]) => commandWith(read, (name) => names.includes(name));
  assert.equal(
    given('data', 'rate'),
    `python3 t.py --data \${{inputs.data}} --rate \${{inputs.rate}} --out \${{outputs.model}}`,
  );
  assert.equal(given('data'), `python3 t.py --data \${{inputs.data}}  --out \${{outputs.model}}`);
  assert.throws(() => given('rate'), /inputs\.data is not given, and the command needs it/);
  const hostile = commandIn(component({ command: '$[['.repeat(10_000) }));
  const started = process.cpuUsage();
  commandWith(hostile, () => false);
  assert.ok(process.cpuUsage(started).user < 2_000_000);
});
