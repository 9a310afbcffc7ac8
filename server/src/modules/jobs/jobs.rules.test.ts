import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { type CommandJob, type JobStatus, jobStatuses } from '@strongroom/contract/jobs';
import fc from 'fast-check';
import { Failure } from '#kernel/errors/failure';
import { outputPath, resolveCommand, shellQuote } from './command.rules.ts';
import { spreadOf } from './distribution.rules.ts';
import { checkJob, timeoutSecondsOf } from './jobs.rules.ts';
import { sharedBytesOf } from './limits.rules.ts';
import { isEnd, mayFollow, runStatusOf } from './status.rules.ts';
import { systemMetricsOf } from './system-metrics.rules.ts';

const job = (more: Partial<CommandJob> = {}): CommandJob => ({
  jobType: 'Command',
  command: 'true',
  computeId: '/c',
  ...more,
});
const literal = (value: string | number | boolean) => ({ jobInputType: 'literal' as const, value });
const refused = (made: CommandJob, part: RegExp) =>
  assert.throws(
    () => checkJob(made),
    (thrown: unknown) =>
      (thrown instanceof Failure && thrown.kind === 'invalid' && part.test(thrown.message)) ||
      assert.fail(String(thrown)),
  );

test('whatever a value holds, the shell sees it as one word', () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 60 }).filter((value) => !value.includes('\0')),
      (value) => {
        assert.equal(execFileSync('/bin/sh', ['-c', `printf %s ${shellQuote(value)}`]).toString(), value);
      },
    ),
    { numRuns: 60 },
  );
});

test('shared memory is as large as Docker would make it, and what a job could not have is refused', () => {
  const sized = (shmSize: string) => job({ resources: { shmSize } });
  assert.equal(sharedBytesOf(job()), undefined);
  for (const [said, bytes] of [
    ['2g', 2 * 1024 ** 3],
    ['64M', 64 * 1024 ** 2],
    ['2048k', 2 * 1024 ** 2],
    ['1048576', 1024 ** 2],
    ['1048576b', 1024 ** 2],
    ['8g', 8 * 1024 ** 3],
  ] as const) {
    assert.equal(sharedBytesOf(sized(said)), bytes);
    checkJob(sized(said));
  }
  for (const said of ['0', '1k', '9g', '999999999999g', '2gb', '-1g', 'much', '', '2 g', '1e9'])
    refused(sized(said), /^resources.shmSize is a number .* from 1m to 8g/);
});

test('an input cannot become a command', () => {
  const made = job({
    command: `echo \${{inputs.name}} \${{ outputs.model }}`,
    inputs: { name: literal("x'; touch /tmp/owned; echo '$(id)`id`") },
    outputs: { model: { jobOutputType: 'uri_folder' } },
  });
  const command = resolveCommand(
    made,
    () => '',
    (name) => outputPath('j', name, { jobOutputType: 'uri_folder' }),
  );
  assert.equal(
    execFileSync('/bin/sh', ['-c', command]).toString(),
    "x'; touch /tmp/owned; echo '$(id)`id` /job/code/outputs/model\n",
  );
});

test('a placeholder that names nothing is refused with what there is, prototype names included', () => {
  for (const placeholder of [
    'inputs.nam',
    'outputs.x',
    'inputs.__proto__',
    'inputs.constructor',
    'secrets.x',
    '',
    `inputs.${'x'.repeat(400)}`,
  ]) {
    refused(
      job({ command: `echo \${{${placeholder}}}`, inputs: { name: literal(1) } }),
      /names neither an input nor an output[\s\S]*inputs\.name/,
    );
  }
});

test('a job that cannot run is refused with what to do', () => {
  refused(job({ command: '  ' }), /needs properties.command/);
  refused(job({ command: 'a\0b' }), /NUL/);
  refused(job({ resources: { instanceCount: 2 } }), /instanceCount must be 1/);
  refused(job({ limits: { timeout: 'PT9999H' } }), /one second to seven days/);
  refused(job({ limits: { timeout: 'soon' } }), /ISO 8601/);
  refused(job({ inputs: { data: { jobInputType: 'uri_folder' } } }), /has no uri/);
  refused(job({ inputs: { 'a b': literal(1) } }), /no name of an input/);
  refused(job({ inputs: { a: { jobInputType: 'literal' } } }), /has no value/);
});

test('environment variables: no reserved names, no nonsense, bounded', () => {
  refused(job({ environmentVariables: { MLFLOW_TRACKING_TOKEN: 'x' } }), /set by the service/);
  refused(job({ environmentVariables: { MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING: 'perhaps' } }), /is true or false/);
  for (const every of ['0', '0.5', '-1', '1e9', '3601', 'x', '']) {
    const environmentVariables = { MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL: every };
    refused(job({ environmentVariables }), /seconds from 1 to 3600/);
  }
  refused(job({ environmentVariables: { azureml_run_id: 'x' } }), /set by the service/);
  refused(job({ environmentVariables: { 'A-B': 'x' } }), /no name of an environment variable/);
  refused(
    job({ environmentVariables: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`V${i}`, ''])) }),
    /At most 100/,
  );
  checkJob(job({ environmentVariables: { EPOCHS: '3' } }));
});

test('time limits are read as ISO 8601 and default to a day', () => {
  assert.equal(timeoutSecondsOf(job({ limits: { timeout: 'PT10M' } })), 600);
  assert.equal(timeoutSecondsOf(job()), 86_400);
});

test('however a job is told about, it only moves forward and ends once', () => {
  const status = fc.constantFrom<JobStatus>(...jobStatuses);
  fc.assert(
    fc.property(fc.array(status, { maxLength: 30 }), (told) => {
      let now: JobStatus = 'NotStarted';
      let cancelled = false;
      for (const next of told) {
        if (!mayFollow(now, next)) continue;
        assert.ok(!isEnd(now), `${now} → ${next}`);
        if (cancelled) assert.ok(isEnd(next), `CancelRequested → ${next}`);
        cancelled ||= next === 'CancelRequested';
        now = next;
      }
    }),
  );
  assert.ok(
    !mayFollow('Running', 'Queued') &&
      !mayFollow('Completed', 'Failed') &&
      mayFollow('Starting', 'Running') &&
      mayFollow('Queued', 'CancelRequested'),
  );
  assert.equal(runStatusOf('Canceled'), 'KILLED');
});

test('system metrics are logged every ten seconds unless two variables of MLflow say otherwise', () => {
  const run = { url: 'https://localhost/log', runId: 'a' };
  const plan = (environmentVariables?: Record<string, string>) => {
    const made = job(environmentVariables && { environmentVariables });
    checkJob(made);
    return systemMetricsOf(made, run)?.intervalSeconds;
  };
  assert.equal(plan(), 10);
  assert.equal(plan({ MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING: 'True' }), 10);
  assert.equal(plan({ MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL: '1.5' }), 1.5);
  assert.equal(plan({ MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING: 'false' }), undefined);
  assert.equal(plan({ MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING: '0' }), undefined);
});

test('a distribution is as many processes of the one node as it says, and refused where a node is not enough', () => {
  const spread = (distribution: CommandJob['distribution']) => spreadOf(job({ distribution: distribution ?? null }));
  assert.equal(spread(null), undefined);
  assert.equal(spread({ distributionType: 'Mpi' }), undefined);
  assert.equal(spread({ distributionType: 'Mpi', processCountPerInstance: 1 }), undefined);
  assert.deepEqual(spread({ distributionType: 'PyTorch' }), { kind: 'PyTorch', processes: 1 });
  assert.deepEqual(spread({ distributionType: 'PyTorch', processCountPerInstance: 64 }), {
    kind: 'PyTorch',
    processes: 64,
  });
  assert.deepEqual(spread({ distributionType: 'TensorFlow', workerCount: 3, parameterServerCount: 1 }), {
    kind: 'TensorFlow',
    workers: 3,
    servers: 1,
  });
  refused(job({ distribution: { distributionType: 'Mpi', processCountPerInstance: 4 } }), /mpirun -np 4/);
  refused(job({ distribution: { distributionType: 'PyTorch', processCountPerInstance: 0 } }), /from 1 to 64/);
  refused(job({ distribution: { distributionType: 'PyTorch', processCountPerInstance: 65 } }), /from 1 to 64/);
  const many = { distributionType: 'TensorFlow', workerCount: 60, parameterServerCount: 5 } as const;
  refused(job({ distribution: many }), /at most 64 processes/);
  refused(job({ distribution: { distributionType: 'PyTorch' }, resources: { instanceCount: 2 } }), /one node/);
});
