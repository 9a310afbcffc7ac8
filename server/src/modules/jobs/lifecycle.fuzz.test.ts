// Whatever is told about a job, in whatever order, by the work that stands for it now or by an earlier try, with requests to
// cancel and restarts of the server in between: it ends once, truly, and its run and its log say the same.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { closeScanPool } from '#kernel/database/database';
import {
  ended,
  exited,
  finalizing,
  lost,
  openBench,
  output,
  preparing,
  running,
} from '../../../test/lab/jobs.fixture.ts';
import { isEnd, runStatusOf } from './status.rules.ts';

after(() => closeScanPool());

const said = { preparing, running, finalizing, lost, done: exited(0), failed: exited(1), stopped: ended('stopped') };
type Step = keyof typeof said | 'output' | 'cancel' | 'restart';
const steps: readonly Step[] = [
  ...(['preparing', 'running', 'running', 'finalizing', 'lost', 'done', 'failed', 'stopped'] as const),
  ...(['output', 'output', 'output', 'cancel', 'restart'] as const),
];

test('a job ends once and truly, whatever is told', async (t) => {
  const { lab, submit, status, run, job, log, cancel, of, jobId } = await openBench(t);
  let count = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ step: fc.constantFrom(...steps), early: fc.nat(4) }), { maxLength: 12 }),
      async (told) => {
        const name = `fuzz-${count++}`;
        await submit(name);
        let printed = '';
        let end: object | undefined;
        for (const [index, { step, early }] of told.entries()) {
          const items = lab.work.of(jobId(name));
          // Now and then an earlier try speaks up; nothing of it counts.
          const item = early === 0 ? items[0] : items.at(-1);
          const counts = item === items.at(-1) && !isEnd(await status(name));
          if (step === 'cancel') await cancel(name);
          else if (step === 'restart') await lab.restart();
          else if (item && step === 'output') {
            await lab.work.tell(item, output(`${index};`));
            if (counts) printed += `${index};`;
          } else if (item && step !== 'output') await lab.work.tell(item, said[step]);
          const now = await job(name);
          const shown = { status: now.status, endTime: now.endTime, error: now.error };
          if (end !== undefined) assert.deepEqual(shown, end);
          else if (isEnd(now.status)) end = shown;
        }
        await lab.work.tell(of(name), exited(0));
        const last = await status(name);
        assert.ok(isEnd(last), last);
        assert.equal((await run(name)).info.status, runStatusOf(last));
        assert.equal((await log(name)).bytes.toString(), printed);
        assert.ok(lab.work.of(jobId(name)).length <= 3);
      },
    ),
    { numRuns: 40 },
  );
});
