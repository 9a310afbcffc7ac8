// The agent: takes work from the server, runs it in sandboxes, reports. Its enrolment is the first line of standard input; the
// input stays open as a life line, and at its end, like at SIGTERM, everything that runs is killed. Promises that no secret is
// in an argument, in the environment or in what it prints, and that what the server holds for lost does not run on.

import { isDeepStrictEqual } from 'node:util';
import {
  type AgentEnrolment,
  type AgentPollAnswer,
  type AgentPollRequest,
  type AgentSessionRequest,
  agentEnrolment,
  agentLimits,
  agentPollAnswer,
  agentSessionAnswer,
  agentTokenAnswer,
  type KeptInputs,
  type OfferedPython,
} from '@strongroom/contract/agent';
import { Compile, type Static, type TSchema } from '@strongroom/contract/schema';
import { serveCalls } from './calls.ts';
import { createClient, isFinal, refusedBy } from './client.ts';
import { openGateway } from './gateway.ts';
import { createImages } from './images/images.ts';
import { createInputs } from './inputs/inputs.ts';
import { createItems } from './items.ts';
import { folderPrefix, placesOfLeftovers, removeLeftovers } from './leftovers.ts';
import { probeSandbox } from './sandbox/sandbox.ts';

const ENROLMENT_BYTES_MAX = 256 * 1024;
const REQUEST_MS = 15_000;
const RETRY_MS_MAX = 5_000;
const QUIT_MS = 4_000;

const say = (message: string): void => void process.stderr.write(`${message}\n`);
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A reader of answers: the server is trusted, its version may still differ. */
function reader<S extends TSchema>(schema: S, name: string): (value: unknown) => Static<S> {
  const compiled = Compile(schema);
  return (value) => {
    if (!compiled.Check(value)) throw new Error(`${name} has another form than this agent knows.`);
    return value as Static<S>; // checked on the line above
  };
}

/** The first line of standard input. What follows it is nothing; the end of it is the end of the agent. */
function readEnrolment(ended: () => void): Promise<AgentEnrolment> {
  const read = reader(agentEnrolment, 'The enrolment');
  return new Promise((resolve, reject) => {
    let text = '';
    let isRead = false;
    process.stdin.setEncoding('utf8');
    process.stdin.on('data', (chunk: string) => {
      if (isRead) return;
      text += chunk;
      const end = text.indexOf('\n');
      if (end === -1 && text.length <= ENROLMENT_BYTES_MAX) return;
      isRead = true;
      try {
        resolve(read(JSON.parse(end === -1 ? '' : text.slice(0, end))));
      } catch {
        // Not what it said: it holds a token.
        reject(new Error('The first line of standard input is not an enrolment.'));
      }
      text = '';
    });
    process.stdin.on('end', ended).on('close', ended).on('error', ended);
  });
}

let quitting = false;

async function main(): Promise<void> {
  let quit: () => Promise<void> = async () => undefined;
  const leave = (): void => {
    if (quitting) return;
    quitting = true;
    // A sandbox that does not end must not keep the agent: its own end kills what is left.
    setTimeout(() => process.exit(1), QUIT_MS).unref();
    void quit().finally(() => process.exit(0));
  };
  process.on('SIGTERM', leave).on('SIGINT', leave);
  const enrolment = await readEnrolment(leave);
  const { hostname, port } = new URL(enrolment.url);

  removeLeftovers(placesOfLeftovers([enrolment.images?.folder, enrolment.inputs?.folder]));
  const [probe, gateway] = await Promise.all([
    probeSandbox({ named: enrolment.pythons ?? [] }),
    openGateway(folderPrefix),
  ]);
  const client = createClient(enrolment);
  let session = '';
  /** The Pythons of this node, as the server knows them. */
  let told: readonly OfferedPython[] = [];
  /** The same of the inputs that it keeps. */
  let toldInputs: KeptInputs | undefined;
  const pythons = probe.available ? probe.pythons : undefined;
  const images = createImages({ enrolment, prefix: folderPrefix, interpreter: pythons?.own.program });
  const inputs = createInputs({ enrolment, prefix: folderPrefix, interpreter: () => pythons?.own.program, say });
  const items = createItems({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port === '' ? '443' : port),
    caPem: enrolment.caPem,
    hostNames: enrolment.hostNames,
    pythons,
    gateway,
    images,
    inputs,
    prefix: folderPrefix,
    report: async (id, fence, events) => {
      await client.post(`items/${id}/events`, { session, fence, events }, REQUEST_MS * 4);
    },
  });
  quit = async () => {
    await items.dropAll();
    await Promise.allSettled([images.close(), inputs.close()]);
    gateway.close();
    client.close();
  };

  const readSession = reader(agentSessionAnswer, 'The answer to a session');
  const readPoll = reader(agentPollAnswer, 'The answer to a poll');
  const readToken = reader(agentTokenAnswer, 'The answer to a renewal');

  async function renewOn(): Promise<void> {
    for (let seconds = enrolment.tokenSeconds; !quitting; ) {
      await pause((seconds * 1000) / 2);
      for (let pauseMs = 1_000; !quitting; pauseMs = Math.min(pauseMs * 2, 60_000)) {
        try {
          const { token, tokenSeconds } = readToken(await client.post('token', {}, REQUEST_MS));
          client.setToken(token);
          seconds = tokenSeconds;
          break;
        } catch (error) {
          say(`The token was not renewed: ${messageOf(error)}`);
          await pause(pauseMs);
        }
      }
    }
  }

  function obey({ start, stop, tokens }: AgentPollAnswer): void {
    for (const order of stop) items.stop(order);
    for (const token of tokens) items.renew(token);
    for (const item of start) items.start(item);
  }

  const offered = () => pythons?.offered().map(({ version, release, abi }) => ({ version, release, abi })) ?? [];
  const remarked = new Set<string>();

  /** Once each: what is found at every look is nothing new. */
  function sayRemarks(): void {
    const remarks = pythons?.remarks ?? [];
    for (const remark of remarks) if (!remarked.has(remark)) say(remark);
    remarked.clear();
    for (const remark of remarks) remarked.add(remark);
  }

  /** Beside the polls, which wait for nothing: to look takes as long as its interpreters take to answer. */
  function lookAtPythons(): void {
    pythons
      ?.refresh()
      .then(sayRemarks, (error: unknown) => say(`Interpreters were not looked at: ${messageOf(error)}`));
  }

  /** Polls until the session has ended, or until the server must hold it for ended. */
  async function serve(leaseMs: number): Promise<void> {
    let heardAt = performance.now();
    let pauseMs = 100;
    for (;;) {
      lookAtPythons();
      const now = offered();
      if (probe.available) void inputs.look();
      const nowInputs = inputs.offered();
      try {
        const request: AgentPollRequest = {
          session,
          held: items.held(),
          ...(isDeepStrictEqual(now, told) ? {} : { pythons: now }),
          ...(nowInputs === undefined || isDeepStrictEqual(nowInputs, toldInputs) ? {} : { inputs: nowInputs }),
        };
        obey(readPoll(await client.post('poll', request, agentLimits.pollSeconds * 1000 + REQUEST_MS)));
        told = now;
        toldInputs = nowInputs;
        heardAt = performance.now();
        pauseMs = 100;
      } catch (error) {
        if (quitting) return;
        const refusal = refusedBy(error);
        if (refusal?.code === 'SessionEnded') return;
        if (refusal !== undefined && isFinal(refusal)) throw error;
        if (performance.now() - heardAt > leaseMs) return;
        await pause(pauseMs);
        pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX);
      }
    }
  }

  async function beginSession(): Promise<number> {
    const sandbox: AgentSessionRequest['sandbox'] = probe.available
      ? {
          available: true,
          version: probe.version,
          pythons: offered(),
        }
      : { available: false, reason: probe.reason, remedy: probe.remedy };
    const reach: AgentSessionRequest['reach'] =
      enrolment.reach === 'tunnel'
        ? { kind: 'tunnel' }
        : { kind: 'unix', socketPath: gateway.socketPath, key: gateway.key };
    toldInputs = inputs.offered();
    const request: AgentSessionRequest = {
      sandbox,
      reach,
      ...(toldInputs === undefined ? {} : { inputs: toldInputs }),
    };
    told = offered();
    let said = '';
    for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX)) {
      try {
        const answer = readSession(await client.post('session', request, REQUEST_MS));
        session = answer.session;
        return answer.leaseSeconds * 1000;
      } catch (error) {
        const refusal = refusedBy(error);
        if (quitting || (refusal !== undefined && isFinal(refusal))) throw error;
        // Once for each reason: until a session begins work waits, and nowhere else is it told why.
        if (messageOf(error) !== said) say(`No session with ${enrolment.url} yet: ${messageOf(error)}`);
        said = messageOf(error);
        await pause(pauseMs);
      }
    }
  }

  void renewOn();
  sayRemarks();
  if (!probe.available) say(`No work can run here: ${probe.reason} Remedy: ${probe.remedy}`);
  // Before the first word to the server: what is placed here follows from it.
  if (probe.available) await inputs.look();
  while (!quitting) {
    const leaseMs = await beginSession();
    const calls = enrolment.reach === 'tunnel' ? serveCalls({ client, session, gateway }) : undefined;
    await serve(leaseMs);
    calls?.close();
    // order matters: the server holds all of it for lost, so nothing of it may run when a new session begins.
    await items.dropAll();
  }
}

main().catch((error: unknown) => {
  // On the way out the end comes by itself, when everything is cleaned up.
  if (quitting) return;
  // Whoever supervises starts it again, with a new token.
  say(`The agent ends: ${messageOf(error)}`);
  process.exit(1);
});
