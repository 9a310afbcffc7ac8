// Agents, as the server knows them: who is enrolled for which target, and the session that each has. The target is the
// enrolment's: no agent can name another. A new enrolment of an agent ends what went before: its tokens are refused from that
// moment on, and its session is gone. Never holds or logs a token.

import type { AgentSessionRequest, KeptInputs, OfferedPython, ReachOffer } from '@strongroom/contract/agent';
import { agentLimits } from '@strongroom/contract/agent';
import { agentActions } from '@strongroom/contract/compute.actions';
import type { Tokens } from '#identity';
import { type Actor, createActor } from '#kernel/authority/actor';
import { refusedFromMs } from '#kernel/authority/facts';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import { type Failure, unreachable } from '#kernel/errors/failure';
import type { Log } from '#kernel/log/log';
import { computeFailures } from './compute.errors.ts';
import { mayOffer, type TargetId } from './targets.rules.ts';

export const agentAudience = 'urn:strongroom:agents';
const purpose = 'agent';
/** How long whoever needs to know what an agent has waits for one that is starting. */
const startMs = 30_000;
const itsActions = Object.values(agentActions).map(({ name }) => name);

export const agentScope = (agent: string): string => `/agents/${agent}`;

export type Session = {
  readonly id: string;
  readonly agent: string;
  readonly target: TargetId;
  readonly sandbox: AgentSessionRequest['sandbox'];
  readonly reach: ReachOffer;
  /** Aborted when it ends. */
  readonly gone: AbortSignal;
  /** Polls that it has made: only the newest says what the agent holds now. */
  polls: number;
  /** Nothing is handed out to it any more. */
  isLost: boolean;
  /** Bytes of inputs that its node keeps beyond memory, as it said last. */
  keptBytes: number;
};

export type Readiness =
  | { readonly state: 'ready' }
  /** Enrolled, and not heard of yet. */
  | { readonly state: 'starting' }
  | { readonly state: 'none' }
  /** Its agents end soon after each start: it is tried again, and takes nothing new until one stays. */
  | { readonly state: 'failing'; readonly trouble: Trouble }
  | { readonly state: 'unavailable'; readonly reason: string; readonly remedy: string };

export type Trouble = {
  /** Deaths in a row. */
  readonly times: number;
  /** Until the next start at most, and how long an agent has to live then. */
  readonly pauseMs: number;
  readonly holdMs: number;
};

export type AgentToken = { readonly token: string; readonly tokenSeconds: number };

export type Agents = {
  /** Whose token the header `Authorization` holds; undefined where it holds none. Throws `unauthenticated` for one that is refused. */
  identify(authorization: string | undefined): Promise<Actor | undefined>;
  /** Makes the agent known under a first token, for this target. Earlier tokens of it are refused from now on. */
  enrol(agent: string, target: TargetId): Promise<AgentToken>;
  renew(agent: string): Promise<AgentToken>;
  /** Its tokens are refused and its session has ended. Answers that session. */
  dismiss(agent: string): Session | undefined;
  /** Begins a session, and ends the one that the agent had: answered as `ended`. */
  begin(
    agent: string,
    request: AgentSessionRequest,
  ): { readonly session: Session; readonly ended: Session | undefined };
  /** The agent's present session, seen just now. Throws SessionEnded for any other. */
  seen(agent: string, sessionId: string): Session;
  /** The same, and it counts for no word of the agent: the poll is the heartbeat. */
  present(agent: string, sessionId: string): Session;
  /** The node of the present session has other Pythons than it said before. */
  offer(session: Session, pythons: readonly OfferedPython[]): void;
  /** The node of the present session keeps other inputs than it said before. */
  keep(session: Session, inputs: KeptInputs): void;
  end(session: Session): void;
  /** Whether the session is its agent's present one. */
  isPresent(session: Session): boolean;
  /** Sessions of agents that were not heard of for longer than a lease. */
  silent(): readonly Session[];
  readiness(target: TargetId): Readiness;
  /**
   * The Pythons that every agent of the target has that can run anything, alike in version and ABI: whichever takes the work has it.
   * The one that is taken when none is asked for is first. Waits a little for an agent that is starting. Throws where nothing can run,
   * with what to do.
   */
  pythons(target: TargetId): Promise<readonly OfferedPython[]>;
  /** The most bytes of inputs that a node of the target keeps. Waits a little for an agent that is starting. */
  keptBytes(target: TargetId): Promise<number>;
  /** The agents of a target do not stay; undefined: one does again. */
  setTrouble(target: TargetId, trouble: Trouble | undefined): void;
};

export function createAgents(deps: {
  readonly clock: Clock;
  readonly log: Log;
  readonly tokens: Pick<Tokens, 'issueToken' | 'verifyToken'>;
  readonly tenantId: string;
}): Agents {
  const { clock, log, tokens, tenantId } = deps;
  /** Without an id: known, and dismissed until it is enrolled anew. */
  const enrolments = new Map<string, { readonly id: string | undefined; readonly target: TargetId }>();
  const troubles = new Map<TargetId, Trouble>();
  const sessions = new Map<string, Present>();

  async function issue(agent: string, enrolment: string): Promise<AgentToken> {
    const { token } = await tokens.issueToken({
      purpose,
      audience: agentAudience,
      subject: agent,
      claims: { enrolment },
      ttlSeconds: agentLimits.tokenSeconds,
    });
    return { token, tokenSeconds: agentLimits.tokenSeconds };
  }

  function drop(agent: string): Session | undefined {
    const present = sessions.get(agent);
    sessions.delete(agent);
    present?.leave();
    return present?.session;
  }

  /** Who waits for an agent of a target to begin. */
  const waiting = new Set<{ readonly target: TargetId; readonly begun: AbortController }>();

  function readiness(target: TargetId): Readiness {
    const trouble = troubles.get(target);
    if (trouble !== undefined) return { state: 'failing', trouble };
    const all = [...sessions.values()].flatMap(({ session }) => (session.target === target ? [session.sandbox] : []));
    if (all.some(({ available }) => available)) return { state: 'ready' };
    for (const sandbox of all)
      if (!sandbox.available) return { state: 'unavailable', reason: sandbox.reason, remedy: sandbox.remedy };
    const isKnown = [...enrolments.values()].some((enrolment) => enrolment.target === target);
    return { state: isKnown ? 'starting' : 'none' };
  }

  /** Waits a little for an agent that is starting. */
  async function begun(target: TargetId): Promise<void> {
    if (readiness(target).state !== 'starting') return;
    const one = { target, begun: new AbortController() };
    waiting.add(one);
    await clock.sleep(startMs, one.begun.signal).catch(() => undefined);
    waiting.delete(one);
  }

  function keep(session: Session, inputs: KeptInputs): void {
    session.keptBytes = 'bytes' in inputs ? inputs.bytes : 0;
    const node = { module: 'compute', node: session.agent };
    if ('bytes' in inputs) log.info({ ...node, bytes: inputs.bytes }, 'the node keeps inputs of jobs on its disk');
    else log.info({ ...node, reason: inputs.reason }, 'the node keeps no inputs of jobs beyond its memory');
  }

  const end = (session: Session): void => {
    if (sessions.get(session.agent)?.session === session) drop(session.agent);
  };

  function presentOf(agent: string, sessionId: string): Present {
    const present = sessions.get(agent);
    if (present === undefined || present.session.id !== sessionId) throw computeFailures.SessionEnded();
    return present;
  }

  return {
    async identify(authorization) {
      const token = /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
      if (token === undefined) return undefined;
      const claims = await tokens.verifyToken(token, { purpose, audience: agentAudience });
      const agent = String(claims.sub);
      const enrolment = claims['enrolment'];
      // Fails closed: an agent that was dismissed, or enrolled anew, is nobody under its old token.
      if (typeof enrolment !== 'string' || enrolments.get(agent)?.id !== enrolment)
        throw computeFailures.agentReplaced();
      return createActor({
        kind: 'agent',
        objectId: agent,
        tenantId: tenantId,
        name: agent,
        method: 'bearer',
        tokenId: String(claims.jti),
        bounds: {
          roles: 'ignored',
          rules: [{ scope: agentScope(agent), actions: itsActions, reason: `token of the agent ${agent}` }],
          untilMs: refusedFromMs(claims),
        },
      });
    },
    async enrol(agent, target) {
      const id = randomUuid();
      enrolments.set(agent, { id, target });
      return issue(agent, id);
    },
    async renew(agent) {
      const enrolment = enrolments.get(agent)?.id;
      if (enrolment === undefined) throw notEnrolled();
      return issue(agent, enrolment);
    },
    dismiss(agent) {
      const known = enrolments.get(agent);
      if (known !== undefined) enrolments.set(agent, { ...known, id: undefined });
      return drop(agent);
    },
    begin(agent, { sandbox, reach, inputs }) {
      const enrolment = enrolments.get(agent);
      if (enrolment?.id === undefined) throw notEnrolled();
      const { target } = enrolment;
      if (!mayOffer(target, reach)) throw computeFailures.ReachRefused();
      const ended = drop(agent);
      const over = new AbortController();
      const session: Session = {
        id: randomUuid(),
        agent,
        target,
        sandbox,
        reach,
        gone: over.signal,
        polls: 0,
        isLost: false,
        keptBytes: 0,
      };
      if (inputs !== undefined) keep(session, inputs);
      const leave = () => over.abort(computeFailures.NodeUnreachable());
      const pythons = sandbox.available ? (sandbox.pythons ?? []) : undefined;
      sessions.set(agent, { session, pythons, seenMs: clock.elapsedMs(), leave });
      for (const one of waiting) if (one.target === target) one.begun.abort();
      if (pythons !== undefined)
        log.info(
          { module: 'compute', node: agent, version: releasesOf(pythons) },
          'a session begins, and these are the Pythons of its node',
        );
      return { session, ended };
    },
    seen(agent, sessionId) {
      const present = presentOf(agent, sessionId);
      present.seenMs = clock.elapsedMs();
      return present.session;
    },
    present: (agent, sessionId) => presentOf(agent, sessionId).session,
    offer({ agent, id }, pythons) {
      const present = presentOf(agent, id);
      if (present.pythons === undefined) return;
      present.pythons = pythons;
      log.info(
        { module: 'compute', node: agent, version: releasesOf(pythons) },
        'these are the Pythons of the node from now on',
      );
    },
    keep,
    end,
    isPresent: (session) => sessions.get(session.agent)?.session === session,
    silent() {
      const limit = clock.elapsedMs() - agentLimits.leaseSeconds * 1000;
      return [...sessions.values()].filter(({ seenMs }) => seenMs < limit).map(({ session }) => session);
    },
    readiness,
    async pythons(target) {
      await begun(target);
      const refused = refusalOf(readiness(target));
      if (refused !== undefined) throw refused;
      const each = [...sessions.values()].flatMap(({ session, pythons }) =>
        session.target === target && pythons !== undefined ? [pythons] : [],
      );
      return (each[0] ?? []).filter(({ version, abi }) =>
        each.every((others) => others.some((other) => other.version === version && other.abi === abi)),
      );
    },
    async keptBytes(target) {
      await begun(target);
      const all = [...sessions.values()].filter(({ session }) => session.target === target);
      return Math.max(0, ...all.map(({ session }) => session.keptBytes));
    },
    setTrouble(target, trouble) {
      if (trouble === undefined) troubles.delete(target);
      else troubles.set(target, trouble);
    },
  };
}

type Present = {
  readonly session: Session;
  /** As it said last; undefined: nothing can run there. */
  pythons: readonly OfferedPython[] | undefined;
  seenMs: number;
  readonly leave: () => void;
};

const releasesOf = (pythons: readonly OfferedPython[]): string => pythons.map(({ release }) => release).join(', ');

const notEnrolled = () => computeFailures.agentNotEnrolled();

/** What work is refused with that would be placed there; undefined: it is taken. */
export function refusalOf(readiness: Readiness): Failure | undefined {
  switch (readiness.state) {
    case 'none':
      return computeFailures.NoComputeAgent();
    case 'unavailable':
      return computeFailures.SandboxUnavailable(readiness.reason, readiness.remedy);
    case 'failing': {
      const { times, pauseMs, holdMs } = readiness.trouble;
      return computeFailures.AgentFailing(times, pauseMs, holdMs);
    }
    case 'ready':
    case 'starting':
      return undefined;
    default:
      return unreachable(readiness);
  }
}
