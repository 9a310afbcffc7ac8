// Agents, as the server knows them: who is enrolled, and the session that each has. A new enrolment of an agent ends what went
// before: its tokens are refused from that moment on, and its session is gone. Never holds or logs a token.

import type { AgentSessionRequest } from '@strongroom/contract/agent';
import { agentLimits } from '@strongroom/contract/agent';
import { agentActions } from '@strongroom/contract/compute.actions';
import type { Tokens } from '#identity';
import { type Actor, createActor } from '#kernel/authority/actor';
import { refusedFromMs } from '#kernel/authority/facts';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import { computeFailures } from './compute.errors.ts';

export const agentAudience = 'urn:strongroom:agents';
const purpose = 'agent';
const itsActions = Object.values(agentActions).map(({ name }) => name);

export const agentScope = (agent: string): string => `/agents/${agent}`;

export type Session = {
  readonly id: string;
  readonly agent: string;
  readonly sandbox: AgentSessionRequest['sandbox'];
  readonly socketPath: string;
  readonly key: string;
};

export type Readiness =
  | { readonly state: 'ready' }
  /** Enrolled, and not heard of yet. */
  | { readonly state: 'starting' }
  | { readonly state: 'none' }
  | { readonly state: 'unavailable'; readonly reason: string; readonly remedy: string };

export type AgentToken = { readonly token: string; readonly tokenSeconds: number };

export type Agents = {
  /** Whose token the header `Authorization` holds; undefined where it holds none. Throws `unauthenticated` for one that is refused. */
  identify(authorization: string | undefined): Promise<Actor | undefined>;
  /** Makes the agent known under a first token. Earlier tokens of it are refused from now on. */
  enrol(agent: string): Promise<AgentToken>;
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
  end(session: Session): void;
  /** Sessions of agents that were not heard of for longer than a lease. */
  silent(): readonly Session[];
  readiness(): Readiness;
  /** The agent of this machine does not come up; forgotten as soon as any agent begins a session. */
  setTrouble(trouble: { readonly reason: string; readonly remedy: string }): void;
};

export function createAgents(deps: {
  readonly clock: Clock;
  readonly tokens: Pick<Tokens, 'issueToken' | 'verifyToken'>;
  readonly tenantId: string;
}): Agents {
  const { clock, tokens, tenantId } = deps;
  /** Undefined: known, and dismissed until it is enrolled anew. */
  const enrolments = new Map<string, string | undefined>();
  let trouble: { readonly reason: string; readonly remedy: string } | undefined;
  const sessions = new Map<string, { readonly session: Session; seenMs: number }>();

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

  const end = (session: Session): void => {
    if (sessions.get(session.agent)?.session === session) sessions.delete(session.agent);
  };

  return {
    async identify(authorization) {
      const token = /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
      if (token === undefined) return undefined;
      const claims = await tokens.verifyToken(token, { purpose, audience: agentAudience });
      const agent = String(claims.sub);
      const enrolment = claims['enrolment'];
      // Fails closed: an agent that was dismissed, or enrolled anew, is nobody under its old token.
      if (typeof enrolment !== 'string' || enrolments.get(agent) !== enrolment)
        throw computeFailures.InvalidAuthenticationToken(
          'This token belongs to an agent that has ended or was enrolled anew.',
        );
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
    async enrol(agent) {
      const enrolment = randomUuid();
      enrolments.set(agent, enrolment);
      return issue(agent, enrolment);
    },
    async renew(agent) {
      const enrolment = enrolments.get(agent);
      if (enrolment === undefined) throw computeFailures.InvalidAuthenticationToken('This agent is not enrolled.');
      return issue(agent, enrolment);
    },
    dismiss(agent) {
      enrolments.set(agent, undefined);
      const present = sessions.get(agent)?.session;
      sessions.delete(agent);
      return present;
    },
    begin(agent, { sandbox, socketPath, key }) {
      const ended = sessions.get(agent)?.session;
      const session: Session = { id: randomUuid(), agent, sandbox, socketPath, key };
      sessions.set(agent, { session, seenMs: clock.epochMs() });
      trouble = undefined;
      return { session, ended };
    },
    seen(agent, sessionId) {
      const present = sessions.get(agent);
      if (present === undefined || present.session.id !== sessionId) throw computeFailures.SessionEnded();
      present.seenMs = clock.epochMs();
      return present.session;
    },
    end,
    silent() {
      const limit = clock.epochMs() - agentLimits.leaseSeconds * 1000;
      return [...sessions.values()].filter(({ seenMs }) => seenMs < limit).map(({ session }) => session);
    },
    readiness() {
      const all = [...sessions.values()].map(({ session }) => session.sandbox);
      if (all.some(({ available }) => available)) return { state: 'ready' };
      for (const sandbox of all)
        if (!sandbox.available) return { state: 'unavailable', reason: sandbox.reason, remedy: sandbox.remedy };
      if (trouble) return { state: 'unavailable', ...trouble };
      return { state: enrolments.size > 0 ? 'starting' : 'none' };
    },
    setTrouble(next) {
      trouble = next;
    },
  };
}
