// What one sees of a job that runs: its metrics as they come, its lines as they were printed.

import { setTimeout as sleep } from 'node:timers/promises';
import type { MlflowRun } from '../../cli/src/work.ts';
import type { Narrator } from './narrator.ts';

/** Says each new step of the metrics, until `end` is called; then looks a last time. */
export function watchMetrics(read: () => Promise<MlflowRun>, tell: Narrator) {
  let ended = false;
  let told = -1;
  const look = async () => {
    const latest = (await read()).data.metrics ?? [];
    const step = Math.max(-1, ...latest.map((metric) => metric.step));
    if (step <= told) return;
    told = step;
    const values = latest.map(({ key, value }) => `${key} ${Number(value).toFixed(4)}`).join(', ');
    tell.quiet(`  metrics at step ${step}: ${values}`);
  };
  const watching = (async () => {
    while (!ended) {
      await look();
      await sleep(100);
    }
    await look();
  })();
  // Thrown again by `end`.
  watching.catch(() => undefined);
  return {
    async end() {
      ended = true;
      await watching;
    },
  };
}

/** Calls back with whole lines, however the text was cut. */
export function lines(each: (line: string) => void) {
  let rest = '';
  return {
    write(text: string) {
      const parts = (rest + text).split('\n');
      rest = parts.pop() ?? '';
      for (const line of parts) each(line);
    },
    end() {
      if (rest !== '') each(rest);
      rest = '';
    },
  };
}
