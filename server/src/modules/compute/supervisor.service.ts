// The agent of this machine, as a child process: started, watched, started again with growing pauses, stopped. One that keeps
// ending soon after its start is told as trouble, and one that stays takes that back: nobody has to restart anything. Its enrolment
// goes to its standard input, so that no argument and no environment ever holds a token; that input stays open as its life
// line, and an agent whose server dies ends everything that it runs.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { AgentEnrolment } from '@strongroom/contract/agent';
import type { Clock } from '#kernel/clock/clock';
import type { Log } from '#kernel/log/log';
import type { AgentToken, Trouble } from './agents.service.ts';

export type EmbeddedAgent = {
  /** The process, while there is one. */
  pid(): number | undefined;
  /** Ends the agent and everything that it runs. */
  stop(): Promise<void>;
};

const pauseMsMin = 250;
const pauseMsMax = 30_000;
/** One that lived this long holds. */
export const holdMs = 60_000;
/** Deaths in a row after which work is refused rather than kept waiting. */
const failuresMax = 4;
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
  /** What the node keeps of images; absent: what an agent keeps by itself. */
  readonly images?: AgentEnrolment['images'];
  /** What it keeps of inputs; absent: none. */
  readonly inputs?: AgentEnrolment['inputs'];
  /** Interpreters that the operator names. */
  readonly pythons?: readonly string[];
  readonly enrol: () => Promise<AgentToken>;
  readonly gone: () => Promise<void>;
  /** Told after each death while it does not stay, and with undefined as soon as it has lived for a while. */
  readonly setTrouble: (trouble: Trouble | undefined) => void;
  readonly clock: Clock;
  readonly log: Log;
}): EmbeddedAgent {
  const { command, agent, url, caPem, hostNames, images, inputs, pythons, clock, log } = options;
  const stopping = new AbortController();
  let child: ChildProcess | undefined;

  /** One life of the agent. True: it held. */
  async function live(): Promise<boolean> {
    const token = await options.enrol();
    if (stopping.signal.aborted) return true;
    const enrolment: AgentEnrolment = {
      agent,
      url,
      caPem,
      ...token,
      hostNames: [...hostNames],
      reach: 'unix',
      ...(images === undefined ? {} : { images }),
      ...(inputs === undefined ? {} : { inputs }),
      ...(pythons === undefined ? {} : { pythons: [...pythons] }),
    };
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
    const dead = new AbortController();
    const holding = clock.sleep(holdMs, dead.signal).then(
      () => {
        options.setTrouble(undefined);
        return true;
      },
      () => false,
    );
    const { exitCode, signal } = await ended;
    dead.abort();
    child = undefined;
    if (!stopping.signal.aborted)
      log.error({ module: 'compute', node: agent, exitCode, signal }, 'the agent ended; it is started again');
    return await holding;
  }

  async function run(): Promise<void> {
    let pauseMs = pauseMsMin;
    let failures = 0;
    while (!stopping.signal.aborted) {
      let held = false;
      try {
        held = await live();
        await options.gone();
      } catch (error) {
        log.error({ module: 'compute', node: agent, error }, 'the agent could not be kept running');
      }
      if (stopping.signal.aborted) break;
      if (held) pauseMs = pauseMsMin;
      failures = held ? 0 : failures + 1;
      if (failures >= failuresMax) options.setTrouble({ times: failures, pauseMs: pauseMsMax, holdMs });
      await clock.sleep(pauseMs, stopping.signal).catch(() => undefined);
      pauseMs = Math.min(pauseMs * 2, pauseMsMax);
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
