// The agent of this machine, as a child process: started, watched, started again with growing pauses, stopped. Its enrolment
// goes to its standard input, so that no argument and no environment ever holds a token; that input stays open as its life
// line, and an agent whose server dies ends everything that it runs.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { AgentEnrolment } from '@strongroom/contract/agent';
import type { Clock } from '#kernel/clock/clock';
import type { Log } from '#kernel/log/log';
import type { AgentToken } from './agents.service.ts';

export type EmbeddedAgent = {
  /** The process, while there is one. */
  pid(): number | undefined;
  /** Ends the agent and everything that it runs. */
  stop(): Promise<void>;
};

const backOffMsMax = 30_000;
/** One that lived this long did not fail to start. */
const healthyMs = 60_000;
const stopMs = 5_000;
const logLineMax = 2_000;

/**
 * Starts the agent and keeps it running until `stop`. `command` is a program with its arguments; `enrol` makes its next token
 * and thereby ends its earlier life; `gone` is told each time that the process has ended.
 */
export function createEmbeddedAgent(options: {
  readonly command: readonly [string, ...string[]];
  readonly agent: string;
  readonly url: string;
  readonly caPem: string;
  readonly hostNames: readonly string[];
  readonly enrol: () => Promise<AgentToken>;
  readonly gone: () => Promise<void>;
  /** It ended this often in a row soon after its start. */
  readonly failing: (times: number) => void;
  readonly clock: Clock;
  readonly log: Log;
}): EmbeddedAgent {
  const { command, agent, url, caPem, hostNames, clock, log } = options;
  const stopping = new AbortController();
  let child: ChildProcess | undefined;

  async function live(): Promise<void> {
    const token = await options.enrol();
    if (stopping.signal.aborted) return;
    const enrolment: AgentEnrolment = { agent, url, caPem, ...token, hostNames: [...hostNames] };
    const [program, ...args] = command;
    const started = spawn(program, args, {
      cwd: '/',
      // Only where to find bubblewrap and Python: nothing of the server's environment is the agent's business.
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    child = started;
    const ended = new Promise<{ exitCode: number | null; signal: string | null }>((resolve) => {
      started.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
      started.once('error', (error) => {
        log.error({ module: 'compute', node: agent, error }, 'the agent could not be started');
        if (started.pid === undefined) resolve({ exitCode: null, signal: null });
      });
    });
    // An agent that ends early closes its side first; `ended` tells.
    started.stdin.on('error', () => undefined);
    started.stdin.write(`${JSON.stringify(enrolment)}\n`);
    createInterface({ input: started.stderr }).on('line', (line) =>
      log.warn({ module: 'compute', node: agent, reason: line.slice(0, logLineMax) }, 'the agent says'),
    );
    log.info({ module: 'compute', node: agent, pid: started.pid }, 'agent started');
    const { exitCode, signal } = await ended;
    child = undefined;
    if (!stopping.signal.aborted)
      log.error({ module: 'compute', node: agent, exitCode, signal }, 'the agent ended; it is started again');
  }

  async function run(): Promise<void> {
    let pauseMs = 250;
    let failures = 0;
    while (!stopping.signal.aborted) {
      const startedMs = clock.epochMs();
      try {
        await live();
        await options.gone();
      } catch (error) {
        log.error({ module: 'compute', node: agent, error }, 'the agent could not be kept running');
      }
      const wasHealthy = clock.epochMs() - startedMs > healthyMs;
      if (wasHealthy) pauseMs = 250;
      failures = wasHealthy ? 0 : failures + 1;
      if (failures > 0 && !stopping.signal.aborted) options.failing(failures);
      await clock.sleep(pauseMs, stopping.signal).catch(() => undefined);
      pauseMs = Math.min(pauseMs * 2, backOffMsMax);
    }
  }

  const running = run();
  return {
    pid: () => child?.pid,
    async stop() {
      stopping.abort();
      const present = child;
      if (present !== undefined) {
        present.stdin?.end();
        present.kill('SIGTERM');
        const killing = setTimeout(() => present.kill('SIGKILL'), stopMs);
        await running;
        clearTimeout(killing);
      } else await running;
    },
  };
}
