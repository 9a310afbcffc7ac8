// Outputs of steps and of pipelines that have a place of their own, and what reads there.

import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { openFlows } from '../../../test/lab/flows.fixture.ts';
import { exited, jobIn, running } from '../../../test/lab/jobs.fixture.ts';

after(() => closeScanPool());

async function openPlaces(t: TestContext) {
  const bench = await openFlows(t);
  const { lab, workspaceId, jobId, computeId } = bench;
  const workspace = await lab.now().workspaces.get(lab.now().system, workspaceId);
  const at = lab.now().workspaces.container(workspace, 'workspaceblobstore');
  const pipeline = (jobs: object, more: object = {}) => ({
    jobType: 'Pipeline',
    settings: { default_compute: computeId },
    jobs,
    ...more,
  });
  const take = async (name: string) => jobIn(await lab.work.take(bench.of(name)));
  /** The step writes one file of an output and ends well. */
  const finish = async (name: string, output?: string, path = '') => {
    const { token } = await take(name);
    await bench.tell(name, running);
    if (output !== undefined)
      await lab.must(token, 'PUT', `${jobId(name)}/outputs/${output}/files/${path}`, { body: Buffer.from(name) });
    await bench.told(name, exited(0));
  };
  const has = async (name: string, container = at.container) =>
    (await lab.now().blobs.find(lab.now().system, { ...at, container, name })) !== undefined;
  const submit = async (name: string, properties: object) => {
    const made = await bench.putJob(name, properties);
    assert.equal(made.status, 201, made.bytes.toString());
  };
  return { ...bench, at, pipeline, take, finish, has, submit };
}

const store = 'azureml://datastores/workspaceblobstore/paths';
const bound = { type: 'literal', value: `\${{parent.outputs.out}}` };

test('the place of an output of the pipeline is that of the step that is wired to it, a file where it says so', async (t) => {
  const { pipeline, submit, take, finish, has, job } = await openPlaces(t);
  const out = { jobOutputType: 'uri_file', mode: 'ReadWriteMount', uri: `${store}/\${{name}}/hello_world.txt` };
  const hello = { type: 'command', command: `echo > \${{outputs.output}}`, outputs: { output: bound } };
  await submit('custom', pipeline({ hello }, { outputs: { out } }));
  assert.equal((await take('custom_hello')).command, 'echo > /job/outputs/output/hello_world.txt');
  await finish('custom_hello', 'output', 'hello_world.txt');
  assert.ok(await has('custom_hello/hello_world.txt'));
  const done = await job('custom');
  assert.deepEqual([done.status, done.outputs.out.uri], ['Completed', `${store}/custom_hello/hello_world.txt`]);
});

test('the next step reads it there, and what lies where a step writes is read when its own step begins', async (t) => {
  const { pipeline, submit, take, finish } = await openPlaces(t);
  const first = {
    type: 'command',
    command: `cp \${{inputs.before}} \${{outputs.made}}`,
    inputs: { before: { job_input_type: 'uri_folder', uri: `${store}/azureml` } },
    outputs: { made: { job_output_type: 'uri_folder', uri: `${store}/azureml/4b` } },
  };
  const second = {
    type: 'command',
    command: `cat \${{inputs.file}} \${{inputs.made}}`,
    inputs: {
      file: { job_input_type: 'uri_file', uri: `${store}/azureml/4b/hello.txt` },
      made: { job_input_type: 'literal', value: `\${{parent.jobs.first.outputs.made}}` },
    },
  };
  await submit('chain', pipeline({ first, second }));
  // A folder in which nothing lies yet but what the step itself will write.
  assert.deepEqual((await take('chain_first')).inputs['before'], []);
  await finish('chain_first', 'made', 'hello.txt');
  const document = await take('chain_second');
  assert.equal(document.command, 'cat /job/inputs/file/hello.txt /job/inputs/made');
  assert.deepEqual(
    document.inputs['made']?.map(({ path }) => path),
    ['hello.txt'],
  );
});

test('a default datastore is where outputs go that name no other, and what the path of one means by it', async (t) => {
  const { lab, workspaceId, pipeline, submit, finish, has, at, job, computeId } = await openPlaces(t);
  await lab.now().blobs.ensureContainer(lab.now().system, at.account, 'lake');
  await lab.must(lab.owner, 'PUT', `${workspaceId}/datastores/lake`, {
    body: {
      properties: { datastoreType: 'AzureBlob', accountName: at.account.split('/').at(-1), containerName: 'lake' },
    },
  });
  await lab.now().assign(lab.owner, 'Storage Blob Data Contributor', at.account);
  const settings = { default_compute: computeId, default_datastore: `${workspaceId}/datastores/lake` };
  const one = { type: 'command', command: `echo \${{outputs.o}}`, outputs: { o: {} } };
  const uri = `azureml://datastores/\${{default_datastore}}/paths/named/`;
  const two = { type: 'command', command: `echo \${{outputs.o}}`, outputs: { o: { type: 'uri_folder', uri } } };
  await submit('laked', pipeline({ one, two }, { settings }));
  await finish('laked_one', 'o', 'a');
  await finish('laked_two', 'o', 'b');
  assert.ok(await has('azureml/laked_one/o/a', 'lake'));
  assert.ok(await has('named/b', 'lake'));
  assert.equal((await job('laked_two')).outputs.o.uri, 'azureml://datastores/lake/paths/named');
});

test('what is read or left at a place of its own is done again, whatever was done before', async (t) => {
  const { pipeline, submit, finish, job } = await openPlaces(t);
  const writes = {
    type: 'command',
    command: `echo \${{outputs.o}}`,
    is_deterministic: true,
    outputs: { o: { type: 'uri_folder', uri: `${store}/again` } },
  };
  const reads = {
    type: 'command',
    command: `ls \${{inputs.i}}`,
    is_deterministic: true,
    inputs: { i: { type: 'literal', value: `\${{parent.jobs.writes.outputs.o}}` } },
  };
  for (const name of ['p1', 'p2']) {
    await submit(name, pipeline({ writes, reads }));
    await finish(`${name}_writes`, 'o', 'a');
    await finish(`${name}_reads`);
    assert.equal((await job(name)).properties['step.reads'], `Completed (${name}_reads)`);
  }
});

test('trials of a sweep write apart, and the best of them is what the sweep has left', async (t) => {
  const { putSweep, finish, logs, job } = await openPlaces(t);
  const refused = await putSweep('over', { outputs: { m: { jobOutputType: 'uri_folder', uri: `${store}/m` } } });
  assert.match(refused.body.error.message, /Every trial would write the output 'm' to one place/);
  const outputs = { m: { jobOutputType: 'uri_folder', uri: `${store}/m/\${{name}}` } };
  const limits = { jobLimitsType: 'Sweep', maxTotalTrials: 2, maxConcurrentTrials: 2 };
  const made = await putSweep('apart', { outputs, limits });
  assert.equal(made.status, 201, made.bytes.toString());
  for (const [trial, accuracy] of [
    ['apart_0', 0.1],
    ['apart_1', 0.9],
  ] as const) {
    await logs(trial, 'accuracy', accuracy);
    await finish(trial, 'm', 'w');
  }
  assert.equal((await job('apart')).outputs.m.uri, `${store}/m/apart_1`);
});

test('a pipeline in a pipeline writes where the outer one says, by the name of the job that writes', async (t) => {
  const { lab, workspaceId, pipeline, submit, finish, has, job } = await openPlaces(t);
  const componentSpec = {
    type: 'pipeline',
    outputs: { made: { type: 'uri_folder' } },
    jobs: {
      write: {
        type: 'command',
        command: `echo \${{outputs.o}}`,
        outputs: { o: { type: 'literal', value: `\${{parent.outputs.made}}` } },
      },
    },
  };
  const componentId = `${workspaceId}/components/inner/versions/1`;
  await lab.must(lab.owner, 'PUT', componentId, { body: { properties: { componentSpec } } });
  const inner = { type: 'pipeline', componentId, outputs: { made: bound } };
  const reads = {
    type: 'command',
    command: `ls \${{inputs.i}}`,
    inputs: { i: { type: 'literal', value: `\${{parent.jobs.inner.outputs.made}}` } },
  };
  const out = { jobOutputType: 'uri_folder', uri: `${store}/nested/\${{name}}/` };
  await submit('outer', pipeline({ inner, reads }, { outputs: { out } }));
  await finish('outer_inner_write', 'o', 'x');
  assert.ok(await has('nested/outer_inner_write/x'));
  assert.equal((await job('outer_reads')).inputs.i.uri, `${store}/nested/outer_inner_write`);
  await finish('outer_reads');
  const done = await job('outer');
  assert.deepEqual([done.status, done.outputs.out.uri], ['Completed', `${store}/nested/outer_inner_write`]);
});
