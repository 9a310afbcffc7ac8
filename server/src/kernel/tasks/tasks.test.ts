// Background work on a real database with a driven clock: nothing is lost, nothing ends twice, failures back off and end.

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createTestClock, type TestClock } from '#kernel/clock/test-clock';
import { type Database, tables } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { type Log, silentLog } from '#kernel/log/log';
import { testDatabases } from '#kernel/testing/databases';
import { createTasks, type Task, type TaskHandler, taskMigrations } from './tasks.ts';

type Row = { state: string; attempts: number; fence: number; error: string | null };

async function setUp(t: TestContext): Promise<{ database: Database; clock: TestClock; rows: () => Promise<Row[]> }> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-tasks-'));
  const database = await testDatabases(folder).open('control', [taskMigrations], { key: new Uint8Array(32).fill(3) });
  t.after(async () => {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });
  const rows = () =>
    tables<{ tasks: Row & { id: number } }>(database.read)
      .selectFrom('tasks')
      .select(['state', 'attempts', 'fence', 'error'])
      .orderBy('id')
      .execute();
  return { database, clock: createTestClock(), rows };
}

const tasksOver = (
  base: { database: Database; clock: TestClock },
  work: TaskHandler,
  more: { log?: Log; attemptsMax?: number; concurrency?: number } = {},
) => createTasks({ log: silentLog, ...base, handlers: { work }, ...more });

/** Resolves when a handler was entered; `release` lets it go on. */
function gate() {
  const entered = Promise.withResolvers<{ task: Task; signal: AbortSignal }>();
  const opened = Promise.withResolvers<void>();
  const handler: TaskHandler = async (task, signal) => {
    entered.resolve({ task, signal });
    await opened.promise;
  };
  return { handler, entered: entered.promise, release: opened.resolve };
}

test('a task is done once its transaction is durable, and never when that was undone', async (t) => {
  const base = await setUp(t);
  const seen: unknown[] = [];
  const tasks = tasksOver(base, async ({ subject, payload, attempt }) => void seen.push([subject, payload, attempt]));
  await base.database.write((tx) =>
    tasks.enqueue(tx, { name: 'work', subject: 'a', payload: { deep: [1, null, 'ü'] } }),
  );
  await assert.rejects(
    base.database.write(async (tx) => {
      await tasks.enqueue(tx, { name: 'work', subject: 'b' });
      throw new Error('no');
    }),
  );
  await tasks.drain();
  assert.deepEqual(seen, [['a', { deep: [1, null, 'ü'] }, 1]]);
  assert.deepEqual(await base.rows(), [{ state: 'done', attempts: 1, fence: 1, error: null }]);
});

test('enqueueing wakes a started worker although no time passes', async (t) => {
  const base = await setUp(t);
  const { handler, entered, release } = gate();
  const tasks = tasksOver(base, handler);
  await tasks.start();
  await base.clock.asleep(1);
  await base.database.write((tx) => tasks.enqueue(tx, { name: 'work', subject: 'a' }));
  assert.equal((await entered).task.subject, 'a');
  release();
  await tasks.stop();
  assert.equal((await base.rows())[0]?.state, 'done');
});

test('a task for later is not done before its time', async (t) => {
  const base = await setUp(t);
  const times: string[] = [];
  const tasks = tasksOver(base, async () => void times.push(base.clock.now().toISOString()));
  await tasks.start();
  const runAt = new Date('2026-01-01T01:00:00Z');
  await base.database.write((tx) => tasks.enqueue(tx, { name: 'work', subject: 'a', runAt }));
  await base.clock.advance(3_599_999);
  assert.deepEqual(times, []);
  await base.clock.advance(1);
  await tasks.drain();
  assert.deepEqual(times, ['2026-01-01T01:00:00.000Z']);
  await tasks.stop();
});

test('a failing task backs off, then is given up, loudly, and only safe words are kept', async (t) => {
  const base = await setUp(t);
  const errors: string[] = [];
  const starts: number[] = [];
  const tasks = tasksOver(
    base,
    async ({ attempt }) => {
      starts.push(base.clock.epochMs());
      if (attempt === 1) throw new Error('a secret might be in here');
      throw new Failure({ kind: 'dependency', code: 'NodeGone', message: 'The node does not answer.' });
    },
    { attemptsMax: 4, log: { ...silentLog, error: (_, message) => void errors.push(message) } },
  );
  await base.database.write((tx) => tasks.enqueue(tx, { name: 'work', subject: 'a' }));
  await tasks.drain();
  assert.deepEqual(await base.rows(), [
    { state: 'queued', attempts: 1, fence: 1, error: 'Unexpected error; see the log.' },
  ]);
  for (let round = 0; round < 20; round++) {
    await base.clock.advance(1_000);
    await tasks.drain();
  }
  const gaps = starts.slice(1).map((at, index) => at - (starts[index] ?? 0));
  assert.deepEqual(gaps, [1_000, 2_000, 4_000]);
  assert.deepEqual(await base.rows(), [
    { state: 'failed', attempts: 4, fence: 4, error: 'NodeGone: The node does not answer.' },
  ]);
  assert.deepEqual(errors, ['a task failed for the last time']);
});

test('no more tasks run at once than allowed, and all are done', async (t) => {
  const base = await setUp(t);
  let running = 0;
  let most = 0;
  const tasks = tasksOver(
    base,
    async () => {
      most = Math.max(most, ++running);
      await new Promise(setImmediate);
      running -= 1;
    },
    { concurrency: 3 },
  );
  await base.database.write(async (tx) => {
    for (let index = 0; index < 20; index++) await tasks.enqueue(tx, { name: 'work', subject: `${index}` });
  });
  await tasks.drain();
  assert.equal(most, 3);
  assert.ok((await base.rows()).every(({ state }) => state === 'done'));
});

test('a task that waits aside leaves its place to others, and is not done before it has gone on', async (t) => {
  const base = await setUp(t);
  const opened = Promise.withResolvers<void>();
  const seen: string[] = [];
  const tasks = tasksOver(
    base,
    async ({ subject }) => {
      if (subject === 'opens') opened.resolve();
      // Once more inside: a place is given away once.
      else await tasks.aside(() => tasks.aside(() => opened.promise));
      seen.push(subject);
    },
    { concurrency: 1 },
  );
  await base.database.write(async (tx) => {
    for (const subject of ['waits', 'waits too', 'opens', 'last']) await tasks.enqueue(tx, { name: 'work', subject });
  });
  await tasks.start();
  while (seen.length < 4) await new Promise(setImmediate);
  await tasks.stop();
  assert.deepEqual(seen.slice(0, 1), ['opens']);
  assert.deepEqual([...seen].sort(), ['last', 'opens', 'waits', 'waits too']);
  assert.ok((await base.rows()).every(({ state }) => state === 'done'));
  assert.equal(await tasks.aside(async () => 'outside of a task'), 'outside of a task');
});

test('at start, what a dead process held is done at once; the dead process, if it was only asleep, cannot end it', async (t) => {
  const base = await setUp(t);
  const warnings: string[] = [];
  const old = gate();
  const ghost = tasksOver(base, old.handler, {
    log: { ...silentLog, warn: (_, message) => void warnings.push(message) },
  });
  await base.database.write((tx) => ghost.enqueue(tx, { name: 'work', subject: 'a' }));
  const ghostly = ghost.drain();
  const held = await old.entered;

  const next = gate();
  const heir = tasksOver(base, next.handler);
  await heir.start();
  const { task } = await next.entered;
  assert.ok(task.fence > held.task.fence);

  old.release();
  await ghostly;
  assert.deepEqual(warnings, ['the end of a task was not recorded']);
  assert.equal((await base.rows())[0]?.state, 'running');
  next.release();
  await heir.stop();
  assert.equal((await base.rows())[0]?.state, 'done');
});

test('a handler whose lease was lost is told so', async (t) => {
  const base = await setUp(t);
  const old = gate();
  const ghost = tasksOver(base, old.handler);
  await base.database.write((tx) => ghost.enqueue(tx, { name: 'work', subject: 'a' }));
  const ghostly = ghost.drain();
  const { signal } = await old.entered;
  const heir = tasksOver(base, async () => {});
  await heir.start();
  await heir.drain();
  assert.equal(signal.aborted, false);
  await base.clock.advance(20_000);
  assert.equal(signal.aborted, true);
  old.release();
  await ghostly;
  await heir.stop();
});

test('a long task keeps its lease', async (t) => {
  const base = await setUp(t);
  const long = gate();
  const tasks = tasksOver(base, long.handler);
  await base.database.write((tx) => tasks.enqueue(tx, { name: 'work', subject: 'a' }));
  await tasks.start();
  const { signal } = await long.entered;
  await base.clock.advance(600_000);
  assert.equal(signal.aborted, false);
  long.release();
  await tasks.stop();
  assert.deepEqual(await base.rows(), [{ state: 'done', attempts: 1, fence: 1, error: null }]);
});

test('stopping aborts a handler and puts its task back without counting the attempt', async (t) => {
  const base = await setUp(t);
  const entered = Promise.withResolvers<void>();
  const tasks = tasksOver(base, (_, signal) => {
    entered.resolve();
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  });
  await tasks.start();
  await base.database.write((tx) => tasks.enqueue(tx, { name: 'work', subject: 'a' }));
  await entered.promise;
  await tasks.stop();
  assert.deepEqual(await base.rows(), [{ state: 'queued', attempts: 0, fence: 1, error: null }]);
});

test('a task under which the server died every time is given up, not tried for ever', async (t) => {
  const base = await setUp(t);
  const never = gate();
  for (let crash = 0; crash < 3; crash++) {
    const dying = tasksOver(base, never.handler, { attemptsMax: 3 });
    if (crash === 0) await base.database.write((tx) => dying.enqueue(tx, { name: 'work', subject: 'a' }));
    await dying.start();
    while ((await base.rows())[0]?.attempts !== crash + 1) await new Promise(setImmediate);
  }
  let ran = 0;
  const last = tasksOver(base, async () => void ran++, { attemptsMax: 3 });
  await last.start();
  await last.drain();
  assert.equal(ran, 0);
  assert.equal((await base.rows())[0]?.state, 'failed');
  await last.stop();
});

test('what nobody handles, and what is too large, is refused when it is enqueued', async (t) => {
  const base = await setUp(t);
  const tasks = tasksOver(base, async () => {});
  const enqueue = (name: string, payload?: unknown) =>
    base.database.write((tx) => tasks.enqueue(tx, { name, subject: 'a', payload }));
  await assert.rejects(enqueue('other'), (error: unknown) => error instanceof Failure && error.code === 'TaskUnknown');
  await assert.rejects(
    enqueue('work', 'x'.repeat(65_536)),
    (error: unknown) => error instanceof Failure && error.kind === 'tooLarge',
  );
  await enqueue('work', 'x'.repeat(65_534));
});

test('a handler does not see the async context of the request that woke it', async (t) => {
  const base = await setUp(t);
  const request = new AsyncLocalStorage<string>();
  const seen = Promise.withResolvers<string | undefined>();
  const tasks = tasksOver(base, async () => seen.resolve(request.getStore()));
  await tasks.start();
  await base.clock.asleep(1);
  await request.run('a request', () => base.database.write((tx) => tasks.enqueue(tx, { name: 'work', subject: 'a' })));
  assert.equal(await seen.promise, undefined);
  await tasks.stop();
});

test('periodic work runs every so often, survives its own errors, and ends with stop', async (t) => {
  const base = await setUp(t);
  let runs = 0;
  const tasks = tasksOver(base, async () => {});
  tasks.periodic('sweep', 10_000, async () => {
    runs += 1;
    if (runs === 1) throw new Error('once');
  });
  await base.clock.advance(60_000);
  assert.equal(runs, 0);
  await tasks.start();
  await base.clock.advance(35_000);
  assert.equal(runs, 3);
  await tasks.stop();
  await base.clock.advance(60_000);
  assert.equal(runs, 3);
});

test('periodic work that is wanted at the start runs with it, and then every so often', async (t) => {
  const base = await setUp(t);
  let runs = 0;
  const tasks = tasksOver(base, async () => {});
  const ran = Promise.withResolvers<void>();
  const sweep = async () => {
    runs += 1;
    ran.resolve();
  };
  tasks.periodic('sweep', 10_000, sweep, { atStart: true });
  await tasks.start();
  await ran.promise;
  assert.equal(runs, 1);
  await base.clock.advance(25_000);
  assert.equal(runs, 3);
  await tasks.stop();
});

test('finished work is forgotten after a week, failed work is kept', async (t) => {
  const base = await setUp(t);
  const first = tasksOver(
    base,
    async ({ subject }) => {
      if (subject === 'bad') throw new Error('no');
    },
    { attemptsMax: 1 },
  );
  await base.database.write(async (tx) => {
    for (const subject of ['good', 'bad']) await first.enqueue(tx, { name: 'work', subject });
  });
  await first.drain();
  base.clock.jump(8 * 24 * 3_600_000);
  const second = tasksOver(base, async () => {});
  await second.start();
  assert.deepEqual(
    (await base.rows()).map(({ state }) => state),
    ['failed'],
  );
  await second.stop();
});
