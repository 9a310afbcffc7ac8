// For tests: the agent that a server started, as a process that can be killed.

import { readdir, readFile } from 'node:fs/promises';
import type { Child } from './child.fixture.ts';
import { until } from './work.fixture.ts';

/** Its process id, once there is one again. */
export async function agentOf(child: Child): Promise<number> {
  let pid = 0;
  await until(
    async () => {
      for (const name of (await readdir('/proc')).filter((each) => /^\d+$/.test(each))) {
        const [line, status] = await Promise.all(
          ['cmdline', 'status'].map((file) => readFile(`/proc/${name}/${file}`, 'utf8').catch(() => '')),
        );
        if (line?.includes('agent/src/main.ts') && status?.includes(`PPid:\t${child.pid}\n`)) pid = Number(name);
      }
      return await child.send('/healthz');
    },
    () => pid !== 0,
  );
  return pid;
}
