// The server dies at every step of a schedule and of its firing, one after another, and comes back over the same folder: each time
// has one job, and the schedule says truly what came of it. And: what cannot be opened is held, and holds up nobody else.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { openSchedules } from '../../../test/lab/schedules.fixture.ts';

after(() => closeScanPool());

const never = new Promise<never>(() => {});

test('whichever step of a firing the server dies at, there is one job and the next time stands', async (t) => {
  const bench = await openSchedules(t);
  const { lab, putSchedule, told, jobs, settled } = bench;
  let steps = 0;
  for (let at = 1; ; at++) {
    const name = `dies${at}`;
    const day = (count: number) => new Date(Date.UTC(2026, 0, 1 + at * 3 + count));
    const stamp = (date: Date) => `${date.toISOString().slice(0, 10).replaceAll('-', '')}T060000Z`;
    lab.clock.jump(day(0).getTime() - lab.clock.epochMs());
    const made = await putSchedule(name, { trigger: { triggerType: 'Cron', expression: '0 6 * * *' } });
    assert.equal(made.status, 201, made.bytes.toString());
    let count = 0;
    const died = new Promise<string>((resolve) => {
      lab.seam.before = async (step) => {
        count += 1;
        if (count !== at) return;
        resolve(step);
        await never;
      };
    });
    lab.clock.jump(7 * 3_600_000);
    const step = await Promise.race([settled(), died]);
    lab.seam.before = async () => {};
    if (step === undefined) break;
    steps = at;
    await lab.restart();
    await lab.now().tasks.drain();
    // What was left half made is taken back first; a firing that met it is tried again.
    for (let tries = 0; tries < 5; tries++) {
      await settled();
      await lab.now().tasks.drain();
      lab.clock.jump(60_000);
    }
    await settled();
    const expected = `${name}-${stamp(day(0))}`;
    assert.deepEqual(
      (await jobs()).filter((job) => job.startsWith(`${name}-`)),
      [expected],
      step,
    );
    // Work of one that was being made is given up for that of the one that was made.
    assert.equal(lab.work.of(bench.jobId(expected)).filter(({ canceled }) => !canceled).length, 1, step);
    assert.deepEqual(
      await told(name),
      {
        next: `${day(1).toISOString().slice(0, 10)}T06:00:00Z`,
        last: `${day(0).toISOString().slice(0, 10)}T06:00:00Z`,
        lastJob: expected,
      },
      step,
    );
    await lab.must(lab.owner, 'PATCH', bench.scheduleId(name), { body: { properties: { isEnabled: false } } });
  }
  assert.ok(steps >= 6, String(steps));
});

test('a schedule lives through a restart between any two of its steps', async (t) => {
  const bench = await openSchedules(t);
  const { lab, putSchedule, scheduleId, at, jobs, told } = bench;
  const patch = (isEnabled: boolean) =>
    lab.must(lab.owner, 'PATCH', scheduleId('nightly'), { body: { properties: { isEnabled } } });
  await putSchedule('nightly');
  await lab.restart();
  await at('2026-01-01T06:00:00Z');
  await lab.restart();
  assert.deepEqual(await told('nightly'), {
    next: '2026-01-02T06:00:00Z',
    last: '2026-01-01T06:00:00Z',
    lastJob: 'nightly-20260101T060000Z',
  });
  await patch(false);
  await lab.restart();
  await at('2026-01-02T06:00:01Z');
  await patch(true);
  await lab.restart();
  await at('2026-01-03T06:00:00Z');
  await lab.must(lab.owner, 'DELETE', scheduleId('nightly'));
  await lab.restart();
  await at('2026-01-04T06:00:00Z');
  assert.deepEqual(await jobs(), ['nightly-20260101T060000Z', 'nightly-20260103T060000Z']);
});

test('a firing that meets a full queue or a refused key is held, the others are not, and what it missed is said', async (t) => {
  const bench = await openSchedules(t);
  const { lab, putSchedule, at, jobs, told } = bench;
  await at('2026-01-01T00:30:00Z');
  await putSchedule('held', { trigger: { triggerType: 'Cron', expression: '0 * * * *' } });
  await putSchedule('free', { trigger: { triggerType: 'Cron', expression: '0 * * * *' } });
  lab.seam.before = async (step) => {
    if (step.startsWith('firing held-')) throw new Error('its workspace does not open');
  };
  await at('2026-01-01T01:00:00Z');
  assert.deepEqual(await jobs(), ['free-20260101T010000Z']);
  const { error, ...held } = await told('held');
  assert.deepEqual([held, error], [{ next: '2026-01-01T01:00:00Z' }, undefined]);
  await at('2026-01-01T02:00:00Z');
  await at('2026-01-01T03:00:00Z');
  lab.seam.before = async () => {};
  await at('2026-01-01T03:20:00Z');
  assert.deepEqual(
    (await jobs()).filter((name) => name.startsWith('held')),
    ['held-20260101T030000Z'],
  );
  assert.deepEqual(await told('held'), {
    next: '2026-01-01T04:00:00Z',
    last: '2026-01-01T03:00:00Z',
    lastJob: 'held-20260101T030000Z',
    missed: '2026-01-01T01:00:00Z/2026-01-01T02:00:00Z',
  });
});

test('ten thousand schedules that are not due are not looked at', async (t) => {
  const bench = await openSchedules(t);
  const { lab, putSchedule, at, jobs } = bench;
  await putSchedule('one');
  const [row] = (await lab.control.read
    .selectFrom('schedules_due' as never)
    .selectAll()
    .execute()) as [object];
  await lab.control.write(async (tx) => {
    for (let count = 0; count < 10_000; count++) {
      const values = {
        ...row,
        key: `${bench.workspaceId.toLowerCase()}/schedules/s${count}`,
        look_at: 8e15 - count,
      };
      await tx
        .insertInto('schedules_due' as never)
        .values(values as never)
        .execute();
    }
  });
  let looks = 0;
  lab.seam.before = async () => {
    looks += 1;
  };
  await at('2026-01-01T00:02:00Z');
  const after = looks;
  await at('2026-01-01T05:00:00Z');
  assert.equal(looks, after);
  await at('2026-01-01T06:00:00Z');
  assert.deepEqual(await jobs(), ['one-20260101T060000Z']);
});
