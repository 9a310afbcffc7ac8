// A parallel step: the command that it becomes, whatever its arguments hold, and what is refused of it.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { openFlows } from '../../../test/lab/flows.fixture.ts';
import { jobIn } from '../../../test/lab/jobs.fixture.ts';
import { wordsOf } from './parallel-step.rules.ts';

after(() => closeScanPool());

const task = {
  type: 'run_function',
  entry_script: './score/entry.py',
  program_arguments: `--model \${{inputs.model}} $[[--seed \${{ inputs.seed }}]] --word "\${{inputs.word}}" --odd 'a b; rm -rf /'`,
  append_row_to: `\${{outputs.rows}}/rows.csv`,
};
const spec = {
  type: 'parallel',
  inputs: {
    data: { type: 'uri_folder' },
    model: { type: 'uri_folder', mode: 'download' },
    word: { type: 'string', default: "it's" },
    seed: { type: 'integer', optional: true },
  },
  outputs: { rows: { type: 'uri_folder', mode: 'rw_mount' } },
  task,
  input_data: `\${{inputs.data}}`,
  mini_batch_size: '5',
  retry_settings: { timeout: 60, max_retries: 2 },
  max_concurrency_per_instance: 2,
  error_threshold: -1,
  mini_batch_error_threshold: '5',
  logging_level: 'DEBUG',
  resources: { instance_count: 2 },
  _source: 'YAML.JOB',
};
const plan = /parallel\.py '(\{.*?\})' /;

test('a parallel step is a job that runs the driver over the input, with what the step says before what its component says', async (t) => {
  const bench = await openFlows(t);
  const { component, putJob, computeId, lab, of, finish, job, codeId } = bench;
  const componentId = await component('score', { ...spec, code: undefined, task: { ...task, code: codeId } });
  const write = { command: `echo 1 > \${{outputs.left}}/a`, outputs: { left: { type: 'uri_folder' } } };
  const from = { job_input_type: 'literal', value: `\${{parent.jobs.write.outputs.left}}`, mode: 'ReadOnlyMount' };
  const step = {
    type: 'parallel',
    componentId,
    inputs: { data: from, model: `\${{parent.jobs.write.outputs.left}}` },
    // As clients say it again: code and environment as they were before they were registered.
    task: { ...task, code: '/home/me/code', environment: { image: 'x' } },
    input_data: `\${{inputs.data}}`,
    mini_batch_size: 3,
    mini_batch_error_threshold: 1,
    retry_settings: { timeout: 7 },
    resources: { instance_count: 3 },
    max_concurrency_per_instance: 2,
    environment_variables: { AZUREML_PARALLEL_EXAMPLE: 'b' },
  };
  const whole = { jobType: 'Pipeline', settings: { default_compute: computeId }, jobs: { write, score: step } };
  const made = await putJob('rows', whole);
  assert.equal(made.status, 201, made.bytes.toString());
  await finish('rows_write', 'left');
  const shown = await job('rows_score');
  assert.deepEqual(
    [shown.jobType, shown.environmentVariables, shown.resources?.instanceCount],
    ['Command', { AZUREML_PARALLEL_EXAMPLE: 'b' }, undefined],
  );
  const { command, inputs } = jobIn(await lab.work.take(of('rows_score')));
  assert.deepEqual(JSON.parse(plan.exec(command)?.[1] ?? ''), {
    ...{ entry: './score/entry.py', type: 'uri_folder', size: 3, workers: 6, instances: 3 },
    ...{ retries: 2, timeout: 7, itemThreshold: -1, batchThreshold: 1, level: 'DEBUG' },
  });
  assert.match(
    command,
    /' \/job\/inputs\/data \/job\/code\/outputs\/rows\/rows\.csv -- --model \/job\/inputs\/model --word 'it'\\''s' --odd 'a b; rm -rf \/'$/,
  );
  assert.deepEqual(Object.keys(inputs).sort(), ['data', 'model']);
  await finish('rows_score', 'rows');
  assert.equal(await bench.status('rows'), 'Completed');
  // Done before, it is not done again.
  await putJob('again', whole);
  await bench.settled();
  assert.equal((await job('again')).properties['step.score'], 'Reused (rows_score)');
});

test('a task may stand in the step itself, and a table is brought although its mode is direct', async (t) => {
  const bench = await openFlows(t);
  const { putJob, computeId, lab, of, job, finish, codeId } = bench;
  const write = { command: 'x', outputs: { left: { job_output_type: 'mltable' } } };
  const inline = {
    type: 'parallel',
    task: { ...task, code: codeId, program_arguments: '', append_row_to: undefined },
    input_data: `\${{inputs.data}}`,
    partition_keys: '["Store", "Brand"]',
    mini_batch_size: 0,
    inputs: { data: { job_input_type: 'literal', value: `\${{parent.jobs.write.outputs.left}}`, mode: 'Direct' } },
  };
  const made = await putJob('keys', {
    jobType: 'Pipeline',
    settings: { default_compute: computeId },
    jobs: { write, each: inline },
  });
  assert.equal(made.status, 201, made.bytes.toString());
  await bench.tell('keys_write', { type: 'running' });
  const { info } = await bench.run('keys_write');
  const path = `/mlflow/v1.0${bench.workspaceId}/api/2.0/mlflow-artifacts/artifacts/${info.experiment_id}/keys_write/artifacts/outputs/left/MLTable`;
  await lab.must(lab.owner, 'PUT', path, { body: Buffer.from('paths:\n  - file: ./a.csv\n') });
  await finish('keys_write');
  const each = await job('keys_each');
  assert.deepEqual([each.inputs.data.jobInputType, each.inputs.data.mode], ['mltable', undefined]);
  const { command } = jobIn(await lab.work.take(of('keys_each')));
  assert.match(command, /"type":"table","keys":\["Store","Brand"\],"instances":1\}' \/job\/inputs\/data - --$/);
});

test('what a parallel component and a parallel step cannot be is refused by its name', async (t) => {
  const bench = await openFlows(t);
  const { lab, workspaceId, component, putJob, computeId, codeId } = bench;
  const register = async (more: object) => {
    const id = `${workspaceId}/components/bad/versions/1`;
    const { status, body } = await lab.call(lab.owner, 'PUT', id, {
      body: { properties: { componentSpec: { ...spec, ...more } } },
    });
    assert.equal(status, 400, JSON.stringify(more));
    return body.error.message;
  };
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ task: { ...task, type: 'model' } }, /task\.type is not served: 'run_function' is/],
    [{ task: { ...task, model: 'azureml:m:1' } }, /task\.model is not known/],
    [{ task: { ...task, entry_script: '../x.py' } }, /task\.entry_script is a file of Python in the code/],
    [{ task: { ...task, entry_script: '/etc/x.py' } }, /task\.entry_script is a file/],
    [{ task: { ...task, entry_script: undefined } }, /task\.entry_script is a file/],
    [{ task: { ...task, program_arguments: `\${{inputs.none}}` } }, /which the component has not/],
    [{ task: { ...task, append_row_to: '/tmp/x' } }, /task\.append_row_to is an output/],
    [{ task: { ...task, append_row_to: `\${{outputs.rows}}/../../x` } }, /task\.append_row_to is an output/],
    [{ task: { ...task, append_row_to: `\${{outputs.none}}` } }, /task\.append_row_to is an output/],
    [{ input_data: undefined }, /input_data is the input of files/],
    [{ input_data: `\${{inputs.word}}` }, /input_data is the input of files/],
    [{ mini_batch_size: 'many' }, /mini_batch_size is a number of files/],
    [{ error_threshold: -2 }, /error_threshold is a whole number from -1/],
    [{ retry_settings: { max_retries: 1_000 } }, /max_retries is a whole number from 0 to 100/],
    [{ retry_settings: { pause: 1 } }, /retry_settings\.pause is not known/],
    [{ logging_level: 'LOUD' }, /logging_level is one of/],
    [{ partition_keys: '[' }, /partition_keys is a list/],
    [{ partition_keys: [`\${{inputs.word}}`] }, /partition_keys is a list/],
    [{ max_concurrency_per_instance: 65 }, /max_concurrency_per_instance is a whole number/],
    [{ resources: { docker_args: 'x' } }, /resources\.docker_args is not known/],
    [{ command: 'x' }, /command is not a part of a parallel component/],
    [{ code: codeId.replace('Vision', 'Other') }, /componentSpec\.code must be the id/],
    [{ task: { ...task, program_arguments: `--key AKIA${'A'.repeat(16)}` } }, /looks like/],
  ];
  for (const [more, said] of cases) assert.match(await register(more), said);

  const componentId = await component('score', { ...spec, task: { ...task, code: codeId } });
  const data = { job_input_type: 'uri_folder', uri: 'azureml://datastores/workspaceblobstore/paths/x/' };
  const refused = async (more: object) => {
    const step = { type: 'parallel', componentId, inputs: { data, model: data }, ...more };
    const answered = await putJob('bad', {
      jobType: 'Pipeline',
      settings: { default_compute: computeId },
      jobs: { step },
    });
    assert.equal(answered.status, 400, JSON.stringify(more));
    return answered.body.error.message;
  };
  for (const [more, said] of [
    [{ type: 'command' }, /is of the type parallel, and the step says the type command/],
    [{ command: 'x' }, /needs one of componentId and command/],
    [{ task: { ...task, entry_script: 'other.py' } }, /says the task itself, and says another/],
    [{ task: { ...task, code: codeId.replace(/[^/]+$/, '9') } }, /says the task itself, and says another/],
    [{ max_concurrency_per_instance: 64, resources: { instance_count: 2 } }, /at most 64 in all/],
    [{ partition_keys: ['a'] }, /partition_keys split a table/],
    [{ inputs: { data: { ...data, mode: 'Direct' }, model: data } }, /A table is an mltable of the mode direct/],
    [{ distribution: { type: 'pytorch' } }, /is parallel, and has no distribution/],
    [{ mini_batch_size: -5 }, /mini_batch_size is a number/],
    [{ run_invocation_timeout: 5 }, /which steps have not here/],
    [{ search_space: { word: { type: 'choice', values: ['a'] } } }, /has 'search_space'/],
  ] as const)
    assert.match(await refused(more), said);
  for (const [type, said] of [
    ['spark', /no Spark here/],
    ['automl', /a sweep tries a command of your own/],
    ['import', /bring the data into it first/],
    ['data_transfer', /bring the data into it first/],
    ['do_while', /has no loops/],
    ['parallel_for', /parallel over an input/],
    ['if_else', /has no branches/],
  ] as const)
    assert.match(await refused({ type }), said);
});

test('words of a command line are those that a shell reads, each one word again', () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['', []],
    [`  --a  b\t'c d' "e \\"f\\" $x" g\\ h`, ['--a', 'b', "'c d'", `'e "f" $x'`, "'g h'"]],
    [`--x=\${{inputs.a}} \${{ inputs.b }}/c.csv ''`, [`--x=\${{inputs.a}}`, `\${{ inputs.b }}/c.csv`, "''"]],
    ['$(reboot) `id` ; & | > <', ["'$(reboot)'", "'`id`'", "';'", "'&'", "'|'", "'>'", "'<'"]],
    [`a'b'"c"`, ['abc']],
  ];
  for (const [text, words] of cases) assert.deepEqual(wordsOf(text, 'jobs.a'), words, text);
  for (const text of [`'open`, '"open', 'back\\']) assert.throws(() => wordsOf(text, 'jobs.a'), /not closed/);
});
