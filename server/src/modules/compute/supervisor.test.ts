// The agent of this machine when it does not stay: growing pauses with an end, work refused by name meanwhile, and taken again
// by itself. Real processes, and a clock that the test holds.

import assert from 'node:assert/strict';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createTestClock } from '#kernel/clock/test-clock';
import { silentLog } from '#kernel/log/log';
import type { Trouble } from './agents.service.ts';
import { createEmbeddedAgent, holdMs } from './supervisor.service.ts';
import { build, createOwner, grant, openControl, openFolder, specOf } from './testing/world.ts';

/** An agent that lives as long as its standard input, while there is a file; otherwise it ends at once. */
async function openSupervised(t: TestContext) {
  const folder = await openFolder(t);
  const stays = join(folder, 'stays');
  const command = ['/bin/sh', '-c', 'test -e "$0" && exec cat >/dev/null || exit 1', stays] as const;
  return {
    folder,
    command,
    let: (lives: boolean) => (lives ? writeFileSync(stays, '') : existsSync(stays) && rmSync(stays)),
  };
}

describe('an agent that does not stay', () => {
  it('is started again after pauses that grow to half a minute, and is trouble until it holds', async (t) => {
    const { command, let: letLive } = await openSupervised(t);
    const clock = createTestClock();
    const pauses: number[] = [];
    const troubles: (Trouble | undefined)[] = [];
    let born = 0;
    const agent = createEmbeddedAgent({
      command,
      agent: 'local',
      url: 'https://localhost:1',
      caPem: '',
      hostNames: [],
      enrol: async () => {
        born += 1;
        return { token: 't', tokenSeconds: 1 };
      },
      gone: async () => undefined,
      setTrouble: (trouble) => void troubles.push(trouble),
      clock: {
        ...clock,
        sleep: (ms, signal) => {
          if (ms !== holdMs) pauses.push(ms);
          return clock.sleep(ms, signal);
        },
      },
      log: silentLog,
    });
    t.after(() => agent.stop());
    const paused = async (count: number) => {
      while (pauses.length < count) await new Promise(setImmediate);
    };
    for (let death = 1; death <= 9; death++) {
      await paused(death);
      await clock.advance(pauses.at(-1) ?? 0);
    }
    await paused(10);
    assert.deepEqual(pauses, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    assert.deepEqual(
      troubles.map((trouble) => trouble?.times),
      [4, 5, 6, 7, 8, 9, 10],
    );
    letLive(true);
    await clock.advance(30_000);
    while (agent.pid() === undefined) await new Promise(setImmediate);
    await clock.asleep(1);
    await clock.advance(holdMs - 1);
    assert.ok(troubles.at(-1) !== undefined);
    await clock.advance(1);
    assert.equal(troubles.at(-1), undefined);
    // One death after a long life is no trouble, and its pause is the first one again.
    letLive(false);
    process.kill(agent.pid() ?? 0, 'SIGKILL');
    await paused(11);
    assert.equal(pauses.at(-1), 250);
    assert.equal(troubles.at(-1), undefined);
    assert.equal(born, 11);
  });

  it('has work refused with why and for how long, and taken again without a restart', async (t) => {
    const { folder, command, let: letLive } = await openSupervised(t);
    const clock = createTestClock();
    const database = await openControl(folder);
    const { owner } = createOwner();
    const { compute } = await build({
      database,
      clock,
      owners: { job: owner, score: owner },
      agentCommand: [...command],
    });
    await compute.start?.();
    t.after(async () => {
      await compute.stop?.();
      await database.close();
    });
    compute.startAgent({ url: 'https://localhost:1', caPem: '', hostNames: [] });
    const early = specOf('early');
    await compute.work.submit(grant, early);
    const until = async (holds: () => boolean, stepMs: number) => {
      for (let turn = 0; turn < 4000 && !holds(); turn++) await clock.advance(stepMs);
      assert.ok(holds(), 'it never came to hold');
    };
    await until(() => compute.readiness().state === 'failing', 5);
    await assert.rejects(compute.work.submit(grant, specOf('late')), {
      code: 'AgentFailing',
      message: /ended [4-9] times in a row.*by itself|ended [4-9] times in a row.*server's log/,
      retryAfterSeconds: holdMs / 1000,
    });
    assert.equal(await compute.work.state(early.id), 'queued');
    letLive(true);
    await until(() => compute.agentPid() !== undefined && compute.readiness().state !== 'failing', 1_000);
    await compute.work.submit(grant, specOf('again'));
  });
});
