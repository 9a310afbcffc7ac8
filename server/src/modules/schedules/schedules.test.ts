// A schedule as it is written, waits and fires: whose rights its jobs are made by, what of the past is made up for, and what it says
// when it does not fire.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { exited, running } from '../../../test/lab/jobs.fixture.ts';
import { openSchedules } from '../../../test/lab/schedules.fixture.ts';

after(() => closeScanPool());

test('a schedule makes a job whenever it is due, named after it and its time', async (t) => {
  const { lab, putSchedule, schedule, told, at, jobs, job, run, jobId } = await openSchedules(t);
  const made = await putSchedule('nightly', { displayName: 'Every night', tags: { team: 'vision' } });
  assert.equal(made.status, 201, made.bytes.toString());
  assert.equal(made.body.properties.provisioningState, 'Succeeded');
  assert.equal((await schedule('nightly')).isEnabled, true);
  assert.deepEqual(await told('nightly'), { next: '2026-01-01T06:00:00Z' });
  await at('2026-01-01T05:59:59Z');
  assert.deepEqual(await jobs(), []);
  await at('2026-01-01T06:00:00Z');
  assert.deepEqual(await jobs(), ['nightly-20260101T060000Z']);
  const first = await job('nightly-20260101T060000Z');
  assert.equal(first.displayName, 'nightly-20260101T060000Z');
  assert.deepEqual(first.properties, { 'schedule.name': 'nightly', 'schedule.time': '2026-01-01T06:00:00Z' });
  assert.equal(first.command, 'python3 train.py');
  assert.equal(first.status, 'Queued');
  assert.equal((await run('nightly-20260101T060000Z')).info.status, 'SCHEDULED');
  await at('2026-01-02T06:00:10Z');
  assert.deepEqual(await jobs(), ['nightly-20260101T060000Z', 'nightly-20260102T060000Z']);
  assert.deepEqual(await told('nightly'), {
    next: '2026-01-03T06:00:00Z',
    last: '2026-01-02T06:00:00Z',
    lastJob: 'nightly-20260102T060000Z',
  });
  const acts = lab.now().audit.entries.filter(({ intent }) => intent.scope === jobId('nightly-20260102T060000Z'));
  assert.deepEqual(
    acts.map(({ intent }) => [intent.operation, intent.actor.objectId, intent.decision, intent.parameters]),
    [['Jobs_CreateOrUpdate', lab.owner, 'allowed', { schedule: 'nightly', time: '2026-01-02T06:00:00Z' }]],
  );
});

test('the loop waits for the earliest, and wakes for nothing else', async (t) => {
  const { lab, putSchedule, settled, jobs } = await openSchedules(t);
  await putSchedule('later', { trigger: { triggerType: 'Cron', expression: '30 0 * * *' } });
  await putSchedule('sooner', { trigger: { triggerType: 'Cron', expression: '10 0 * * *' } });
  await lab.clock.advance(9 * 60_000);
  await settled();
  assert.deepEqual(await jobs(), []);
  await lab.clock.advance(61_000);
  await settled();
  assert.deepEqual(await jobs(), ['sooner-20260101T001000Z']);
  await lab.clock.advance(20 * 60_000);
  await settled();
  assert.deepEqual(await jobs(), ['later-20260101T003000Z', 'sooner-20260101T001000Z']);
});

test('what passed while nobody could fire is made up for once, and said', async (t) => {
  const { lab, putSchedule, told, at, jobs, settled } = await openSchedules(t);
  await putSchedule('hourly', { trigger: { triggerType: 'Cron', expression: '0 * * * *' } });
  await at('2026-01-01T01:00:00Z');
  await lab.abandon();
  lab.clock.jump(Date.parse('2026-01-01T09:40:00Z') - lab.clock.epochMs());
  await settled();
  assert.deepEqual(await jobs(), ['hourly-20260101T010000Z', 'hourly-20260101T090000Z']);
  assert.deepEqual(await told('hourly'), {
    next: '2026-01-01T10:00:00Z',
    last: '2026-01-01T09:00:00Z',
    lastJob: 'hourly-20260101T090000Z',
    missed: '2026-01-01T02:00:00Z/2026-01-01T08:00:00Z',
  });
  // A clock that is put back fires nothing again, and one that is put forward no second time.
  await at('2026-01-01T08:30:00Z');
  await at('2026-01-01T09:10:00Z');
  assert.equal((await jobs()).length, 2);
  await at('2026-01-01T10:00:00Z');
  assert.equal((await jobs()).length, 3);
});

test('a disabled schedule does not fire, and enabled again it makes up for nothing', async (t) => {
  const { lab, putSchedule, scheduleId, at, jobs, told, workspaceId } = await openSchedules(t);
  await putSchedule('nightly');
  await putSchedule('other', { isEnabled: false });
  const patched = (isEnabled: boolean) =>
    lab.must(lab.owner, 'PATCH', scheduleId('nightly'), { body: { properties: { isEnabled } } });
  await patched(false);
  assert.deepEqual(await told('nightly'), {});
  await at('2026-01-03T07:00:00Z');
  assert.deepEqual(await jobs(), []);
  const list = async (query: string) =>
    (await lab.must(lab.owner, 'GET', `${workspaceId}/schedules${query}`)).body.value.map(
      ({ name }: { name: string }) => name,
    );
  assert.deepEqual(await list(''), []);
  assert.deepEqual(await list('?listViewType=DisabledOnly'), ['nightly', 'other']);
  await patched(true);
  assert.deepEqual(await list(''), ['nightly']);
  assert.deepEqual(await list('?listViewType=All'), ['nightly', 'other']);
  await at('2026-01-03T08:00:00Z');
  assert.deepEqual(await jobs(), []);
  await at('2026-01-04T06:00:00Z');
  assert.deepEqual(await jobs(), ['nightly-20260104T060000Z']);
});

test('a client sends back what it has read, and changes only what it changed', async (t) => {
  const { lab, putSchedule, scheduleId, at, schedule, told } = await openSchedules(t);
  const trigger = { triggerType: 'recurrence', frequency: 'day', interval: 1, schedule: { hours: [], minutes: [] } };
  await putSchedule('daily', { trigger, properties: { mine: 'yes' } });
  await at('2026-01-01T00:00:01Z');
  const read = (await lab.must(lab.owner, 'GET', scheduleId('daily'))).body;
  assert.equal(read.properties.trigger.startTime, '2026-01-01T00:00:00');
  assert.deepEqual([read.properties.trigger.triggerType, read.properties.trigger.frequency], ['Recurrence', 'Day']);
  assert.equal(read.properties.properties['schedule.lastJob'], 'daily-20260101T000000Z');
  await at('2026-01-01T12:00:00Z');
  const sent = await lab.call(lab.owner, 'PUT', scheduleId('daily'), { body: read });
  assert.equal(sent.status, 200, sent.bytes.toString());
  assert.deepEqual(await schedule('daily'), read.properties);
  // Without a beginning it keeps the one that it has.
  await putSchedule('daily', { trigger });
  assert.equal((await schedule('daily')).trigger.startTime, '2026-01-01T00:00:00');
  assert.equal((await told('daily'))['next'], '2026-01-02T00:00:00Z');
});

test('its jobs are made by the rights of who wrote it last, decided anew each time', async (t) => {
  const { lab, putSchedule, told, at, jobs, workspaceId, jobId, scheduleId, maker } = await openSchedules(t);
  const ann = await lab.person(['AzureML Data Scientist'], workspaceId);
  const made = await putSchedule('hers', {}, ann);
  assert.equal(made.status, 201, made.bytes.toString());
  await at('2026-01-01T06:00:00Z');
  assert.equal(maker('hers-20260101T060000Z'), ann);
  const { access, system, audit } = lab.now();
  await access.unassignPrincipal(system, ann);
  await at('2026-01-02T06:00:00Z');
  assert.deepEqual(await jobs(), ['hers-20260101T060000Z']);
  const { last, error = '', lastJob } = await told('hers');
  assert.deepEqual([last, lastJob], ['2026-01-02T06:00:00Z', undefined]);
  assert.match(error, /AuthorizationFailed[\s\S]*jobs\/write/);
  const refusal = audit.entries.findLast(({ intent }) => intent.scope === jobId('hers-20260102T060000Z'));
  assert.deepEqual([refusal?.intent.decision, refusal?.intent.actor.objectId], ['refused', ann]);
  // Somebody who may writes it again: from then on it is his.
  const whole = (await lab.must(lab.owner, 'GET', scheduleId('hers'))).body;
  await lab.must(lab.owner, 'PUT', scheduleId('hers'), { body: whole });
  await at('2026-01-03T06:00:00Z');
  assert.equal(maker('hers-20260103T060000Z'), lab.owner);
});

test('who is disabled or gone has no jobs made, and the schedule and the record say so', async (t) => {
  const { lab, putSchedule, told, at, jobs, workspaceId, scheduleId } = await openSchedules(t);
  const ann = await lab.person(['AzureML Data Scientist'], workspaceId);
  await putSchedule('hers', {}, ann);
  await lab.control.write((tx) => lab.now().identity.directory.setEnabled(tx, ann, false));
  await at('2026-01-01T06:00:00Z');
  assert.deepEqual(await jobs(), []);
  assert.match((await told('hers'))['error'] ?? '', /^AuthorGone: .* is disabled or gone/);
  const passed = lab.now().audit.entries.findLast(({ intent }) => intent.operation === 'Schedules_PassOver');
  assert.equal(passed?.intent.scope, scheduleId('hers'));
  assert.deepEqual(passed.intent.parameters, { time: '2026-01-01T06:00:00Z', code: 'AuthorGone' });
  // Let in again, he goes on with the next.
  await lab.control.write((tx) => lab.now().identity.directory.setEnabled(tx, ann, true));
  await at('2026-01-02T06:00:00Z');
  assert.deepEqual(await jobs(), ['hers-20260102T060000Z']);
});

test('the job is held to what every job is held to, when it is written and when it is due', async (t) => {
  const { lab, putSchedule, told, at, jobs, workspaceId, computeId, scheduleId } = await openSchedules(t);
  const cases: readonly (readonly [string, object, RegExp])[] = [
    ['no-command', { command: ' ' }, /needs properties\.command/],
    ['no-compute', { computeId: `${workspaceId}/computes/none` }, /no compute 'none'/],
    ['no-code', { codeId: `${workspaceId}/codes/none/versions/1` }, /none/],
    ['elsewhere', { computeId: computeId.replace('/Vision/', '/Other/') }, /of this workspace's|computeId/],
    ['misspelt', { comand: 'x' }, /comand/],
    ['spark', { jobType: 'Spark' }, /Spark/],
    ['secret', { environmentVariables: { KEY: `AKIA${'ABCDEFGHIJKLMNOP'}` } }, /credential/],
    ['parent', { parentJobName: 'other' }, /belongs to no other job/],
    [
      'large',
      { environmentVariables: Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`V${i}`, 'x'.repeat(8000)])) },
      /262144/,
    ],
  ];
  for (const [name, job, said] of cases) {
    const { status, body, bytes } = await putSchedule(name, {}, lab.owner, job);
    assert.ok(status === 400 || status === 404 || status === 413, `${name}: ${bytes.toString()}`);
    assert.match(body.error.message, said, name);
    assert.equal((await lab.call(lab.owner, 'GET', scheduleId(name))).status, 404, name);
  }
  await putSchedule('nightly');
  await lab.must(lab.owner, 'DELETE', `${computeId}?underlyingResourceAction=Delete`);
  await lab.now().tasks.drain();
  await at('2026-01-01T06:00:00Z');
  assert.deepEqual(await jobs(), []);
  assert.match((await told('nightly'))['error'] ?? '', /no compute 'cpu'/);
  // Whoever stops it may, although its job would be refused by now; to start it again he may not.
  const patch = (isEnabled: boolean) =>
    lab.call(lab.owner, 'PATCH', scheduleId('nightly'), { body: { properties: { isEnabled } } });
  assert.equal((await patch(false)).status, 200);
  assert.equal((await patch(true)).status, 400);
});

test('other actions and triggers, and times that are none, are refused by their names', async (t) => {
  const { lab, putSchedule, scheduleId } = await openSchedules(t);
  const cases: readonly (readonly [string, object, RegExp])[] = [
    ['monitor', { action: { actionType: 'CreateMonitor', monitorDefinition: {} } }, /'CreateMonitor' is not served/],
    ['batch', { action: { actionType: 'InvokeBatchEndpoint' } }, /'InvokeBatchEndpoint' is not served/],
    ['import', { action: { actionType: 'ImportData' } }, /'ImportData' is not served/],
    ['event', { trigger: { triggerType: 'Event' } }, /'Event' is not served/],
    ['zone', { trigger: { triggerType: 'Cron', expression: '* * * * *', timeZone: 'Mars' } }, /'Mars' is no time zone/],
    ['cron', { trigger: { triggerType: 'Cron', expression: '0 0 0 * * *' } }, /six fields/],
    ['over', { trigger: { triggerType: 'Cron', expression: '* * * * *', endTime: '2025-01-01' } }, /never fire/],
    ['never', { trigger: { triggerType: 'Cron', expression: '0 0 30 2 *' } }, /never fire/],
    ['often', { trigger: { triggerType: 'Recurrence', frequency: 'Second', interval: 1 } }, /frequency/],
    ['none', { trigger: { triggerType: 'Recurrence', frequency: 'Minute', interval: 0 } }, /interval/],
    ['kept', { kept: { author: { objectId: lab.owner } } }, /kept/],
  ];
  for (const [name, more, said] of cases) {
    const { status, body, bytes } = await putSchedule(name, more);
    assert.equal(status, 400, `${name}: ${bytes.toString()}`);
    assert.match(JSON.stringify(body.error), said, name);
    assert.equal((await lab.call(lab.owner, 'GET', scheduleId(name))).status, 404, name);
  }
  assert.equal((await putSchedule('a'.repeat(201))).status, 400);
});

test('who may write schedules and no jobs schedules none, nor does a credential with bounds', async (t) => {
  const { lab, putSchedule, scheduleId, workspaceId, submit, tell } = await openSchedules(t);
  await putSchedule('nightly');
  const narrow = await lab.person([]);
  await lab.now().assign(narrow, 'Owner', scheduleId('nightly'));
  const refused = await putSchedule('nightly', {}, narrow);
  assert.equal(refused.status, 403, refused.bytes.toString());
  assert.match(refused.body.error.message, /jobs\/write/);
  assert.equal((await lab.call(narrow, 'POST', `${scheduleId('nightly')}/trigger`, { body: {} })).status, 403);
  // He may stop it.
  const stopped = await lab.call(narrow, 'PATCH', scheduleId('nightly'), {
    body: { properties: { isEnabled: false } },
  });
  assert.equal(stopped.status, 200, stopped.bytes.toString());
  const reader = await lab.person(['Reader'], workspaceId);
  assert.equal((await lab.call(reader, 'GET', scheduleId('nightly'))).status, 200);
  for (const [method, path] of [
    ['PUT', ''],
    ['PATCH', ''],
    ['DELETE', ''],
    ['POST', '/trigger'],
  ] as const)
    assert.equal((await lab.call(reader, method, scheduleId('nightly') + path, { body: {} })).status, 403, method);
  const work = await submit('runs');
  await tell('runs', running);
  const { token } = (await lab.work.take(work)).document.job as { readonly token: string };
  assert.notEqual((await putSchedule('by-run', {}, token)).status, 201);
});

test('a schedule is fired by hand in the name of who asks, and once for a time', async (t) => {
  const { lab, putSchedule, scheduleId, jobs, at, told, workspaceId, maker } = await openSchedules(t);
  await putSchedule('nightly');
  const ann = await lab.person(['AzureML Data Scientist'], workspaceId);
  const trigger = (scheduleTime?: string, who = ann) =>
    lab.call(who, 'POST', `${scheduleId('nightly')}/trigger`, { body: { scheduleTime } });
  const fired = await trigger('2026-01-01T06:00:00.123456+00:00');
  assert.equal(fired.status, 200, fired.bytes.toString());
  assert.deepEqual(fired.body, { scheduleActionType: 'CreateJob', submissionId: 'nightly-once-20260101T060000Z' });
  assert.deepEqual((await trigger('2026-01-01T06:00:00Z')).body, fired.body);
  assert.equal((await trigger('2026-01-01T06:00:00Z', lab.owner)).status, 409);
  assert.equal((await trigger('soon')).status, 400);
  assert.equal(maker('nightly-once-20260101T060000Z'), ann);
  assert.deepEqual(await told('nightly'), { next: '2026-01-01T06:00:00Z' });
  // What is due comes all the same.
  await at('2026-01-01T06:00:00Z');
  assert.deepEqual(await jobs(), ['nightly-20260101T060000Z', 'nightly-once-20260101T060000Z']);
});

test('nobody takes the place of a firing, and one whose job was removed is not made again', async (t) => {
  const { put, putSchedule, told, at, jobs, lab, jobId, tell } = await openSchedules(t);
  await putSchedule('nightly');
  await put('nightly-20260101T060000Z', { properties: { 'schedule.name': 'other' } });
  await at('2026-01-01T06:00:00Z');
  assert.match((await told('nightly'))['error'] ?? '', /^FiringNameTaken: .*nightly-20260101T060000Z/);
  await at('2026-01-02T06:00:00Z');
  assert.equal((await told('nightly'))['error'], undefined);
  await tell('nightly-20260102T060000Z', running, exited(0));
  await lab.must(lab.owner, 'DELETE', jobId('nightly-20260102T060000Z'));
  await at('2026-01-02T07:00:00Z');
  assert.deepEqual(await jobs(), ['nightly-20260101T060000Z']);
});

test('jobs that do not end are not piled up', async (t) => {
  const { putSchedule, told, at, jobs, tell } = await openSchedules(t);
  await putSchedule('often', { trigger: { triggerType: 'Cron', expression: '* * * * *' } });
  const minute = (count: number) => `2026-01-01T00:${String(count).padStart(2, '0')}:00Z`;
  for (let count = 1; count <= 12; count++) await at(minute(count));
  assert.equal((await jobs()).length, 10);
  assert.match((await told('often'))['error'] ?? '', /^TooManyUnended: The last 10 jobs/);
  await tell('often-20260101T000300Z', running, exited(0));
  await at(minute(13));
  assert.equal((await jobs()).length, 11);
});

test('a job that is there is scheduled by its id, with words of its own', async (t) => {
  const { lab, put, putSchedule, schedule, scheduleId, at, job, jobId, workspaceId } = await openSchedules(t);
  await put('tried', {
    command: `echo \${{inputs.when}}`,
    inputs: { when: { jobInputType: 'literal', value: 'never' } },
    tags: { kind: 'try' },
    experimentName: 'mine',
  });
  const reference = {
    jobType: 'Pipeline',
    sourceJobId: `azureml:${jobId('tried')}`,
    experimentName: '',
    isArchived: false,
    inputs: { when: { jobInputType: 'literal', value: `\${{creation_context.trigger_time}} \${{name}}` } },
  };
  const action = (jobDefinition: object) => ({ action: { actionType: 'CreateJob', jobDefinition } });
  const made = await putSchedule('again', action(reference));
  assert.equal(made.status, 201, made.bytes.toString());
  assert.equal((await schedule('again')).action.jobDefinition.command, `echo \${{inputs.when}}`);
  // What it is, is fixed: the job that it was made after may go.
  const read = (await lab.must(lab.owner, 'GET', scheduleId('again'))).body;
  assert.equal((await lab.call(lab.owner, 'PUT', scheduleId('again'), { body: read })).status, 200);
  await at('2026-01-01T06:00:00Z');
  const fired = await job('again-20260101T060000Z');
  assert.deepEqual([fired.jobType, fired.experimentName, fired.tags], ['Command', 'mine', { kind: 'try' }]);
  assert.equal(fired.inputs.when.value, '2026-01-01T06:00:00Z again-20260101T060000Z');

  assert.equal((await putSchedule('named', action({ ...reference, sourceJobId: 'azureml:tried' }))).status, 201);
  const refused: readonly (readonly [string, RegExp])[] = [
    [jobId('none'), /There is no job 'none'/],
    [`${workspaceId}/models/tried`, /job of the same workspace/],
    [jobId('tried').replace('/Vision/', '/Other/'), /job of the same workspace/],
    ['none', /There is no job 'none'/],
    ['../jobs/tried', /job of the same workspace/],
  ];
  for (const [sourceJobId, said] of refused) {
    const { status, body } = await putSchedule('wrong', action({ ...reference, sourceJobId }));
    assert.equal(status, 400, sourceJobId);
    assert.match(body.error.message, said);
  }
});

test('a sweep is scheduled like a command', async (t) => {
  const { lab, putSchedule, at, status, computeId, codeId } = await openSchedules(t);
  const sweep = {
    jobType: 'Sweep',
    command: undefined,
    codeId: undefined,
    computeId,
    trial: { codeId, command: `python3 train.py \${{search_space.lr}}` },
    searchSpace: { lr: ['uniform', [0.1, 0.9]] },
    samplingAlgorithm: { samplingAlgorithmType: 'random' },
    objective: { goal: 'maximize', primaryMetric: 'accuracy' },
    limits: { maxTotalTrials: 2 },
  };
  const made = await putSchedule('tuning', {}, lab.owner, sweep);
  assert.equal(made.status, 201, made.bytes.toString());
  await at('2026-01-01T06:00:00Z');
  await lab.now().flows.idle();
  assert.equal(await status('tuning-20260101T060000Z'), 'Running');
  assert.equal(await status('tuning-20260101T060000Z_0'), 'Queued');
});

test('a removed schedule fires no more, its jobs stay, and a workspace takes its schedules with it', async (t) => {
  const { lab, putSchedule, scheduleId, at, jobs, workspaceId } = await openSchedules(t);
  await putSchedule('gone');
  await putSchedule('stays');
  await at('2026-01-01T06:00:00Z');
  assert.equal((await lab.must(lab.owner, 'DELETE', scheduleId('gone'))).status, 200);
  assert.equal((await lab.call(lab.owner, 'DELETE', scheduleId('gone'))).status, 204);
  await at('2026-01-02T06:00:00Z');
  assert.deepEqual(await jobs(), ['gone-20260101T060000Z', 'stays-20260101T060000Z', 'stays-20260102T060000Z']);
  await lab.must(lab.owner, 'DELETE', workspaceId);
  await lab.now().tasks.drain();
  const left = await lab.control.read
    .selectFrom('schedules_due' as never)
    .selectAll()
    .execute();
  assert.deepEqual(left, []);
  await at('2026-01-03T06:00:00Z');
});

test('a workspace has so many schedules and no more, and one that goes makes room', async (t) => {
  const { lab, putSchedule, scheduleId, workspaceId } = await openSchedules(t);
  await putSchedule('first');
  const [row] = (await lab.control.read
    .selectFrom('schedules_due' as never)
    .selectAll()
    .execute()) as [object];
  await lab.control.write(async (tx) => {
    for (let count = 1; count < 500; count++) {
      const values = { ...row, key: `${workspaceId.toLowerCase()}/schedules/s${count}`, look_at: null };
      await tx
        .insertInto('schedules_due' as never)
        .values(values as never)
        .execute();
    }
  });
  const refused = await putSchedule('one-more');
  assert.deepEqual([refused.status, refused.body.error.code], [409, 'TooManySchedules']);
  assert.equal((await lab.call(lab.owner, 'GET', scheduleId('one-more'))).status, 404);
  assert.equal((await putSchedule('first', { description: 'the same' })).status, 200);
  await lab.must(lab.owner, 'DELETE', scheduleId('first'));
  assert.equal((await putSchedule('one-more')).status, 201);
});
