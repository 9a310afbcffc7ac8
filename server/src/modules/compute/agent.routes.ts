// The routes of agents. An agent acts at its own scope and nowhere else: its token is bound to it, so that the path of another
// agent is refused before anything is looked up.

import {
  agentEventsAnswer,
  agentEventsRequest,
  agentLimits,
  agentPollAnswer,
  agentPollRequest,
  agentSessionAnswer,
  agentSessionRequest,
  agentTokenAnswer,
  callHeader,
} from '@strongroom/contract/agent';
import { agentActions } from '@strongroom/contract/compute.actions';
import { activity, empty, json, needs, type Params, type Route, route, unrecorded, whole } from '#kernel/http/route';
import { type Agents, agentScope } from './agents.service.ts';
import type { Dispatch } from './dispatch.service.ts';
import type { TunnelReach } from './tunnel-reach.service.ts';

export function agentRoutes(deps: {
  readonly agents: Agents;
  readonly dispatch: Dispatch;
  readonly tunnel: TunnelReach;
}): readonly Route[] {
  const { agents, dispatch, tunnel } = deps;
  const agentOf = (params: Params) => params['agent'] ?? '';
  const atAgent = (params: Params) => agentScope(agentOf(params));
  const atSession = (params: Params) => `${atAgent(params)}/sessions/${params['session'] ?? ''}`;
  return [
    route({
      operation: 'Agent_BeginSession',
      surface: 'agent',
      method: 'POST',
      path: '/agent/{agent}/session',
      summary: 'Begins the session of an agent; what it held in an earlier one is lost.',
      access: needs(agentActions.beginSession, atAgent, whole),
      goesOnWhenLow: 'what runs goes on, and ends',
      audit: activity('agent', 'sandbox.available'),
      body: { kind: 'json', schema: agentSessionRequest, maxBytes: 16_384 },
      responses: { 200: agentSessionAnswer },
      async handle(_grant, { params, body }) {
        const { session, ended } = agents.begin(agentOf(params), body);
        if (ended) await dispatch.lose(ended);
        const { pollSeconds, leaseSeconds } = agentLimits;
        return json(200, { session: session.id, pollSeconds, leaseSeconds });
      },
    }),
    route({
      operation: 'Agent_Poll',
      surface: 'agent',
      method: 'POST',
      path: '/agent/{agent}/poll',
      summary: 'What the agent is to start and to stop, and new tokens; waits until there is something.',
      access: needs(agentActions.poll, atAgent, whole),
      goesOnWhenLow: 'what runs goes on, and ends',
      audit: unrecorded('a heartbeat; what it hands out is recorded where it was submitted'),
      body: { kind: 'json', schema: agentPollRequest, maxBytes: 262_144 },
      responses: { 200: agentPollAnswer },
      async handle(_grant, { params, body, exchange }) {
        const session = agents.seen(agentOf(params), body.session);
        if (body.pythons !== undefined) agents.offer(session, body.pythons);
        if (body.inputs !== undefined) agents.keep(session, body.inputs);
        const answer = await dispatch.poll(session, body.held, exchange.signal);
        agents.seen(agentOf(params), body.session);
        return json(200, answer);
      },
    }),
    route({
      operation: 'Agent_Report',
      surface: 'agent',
      method: 'POST',
      path: '/agent/{agent}/items/{id}/events',
      summary: 'Events of one item, in order; those that were taken before are skipped.',
      access: needs(agentActions.report, (params) => `${atAgent(params)}/items/${params['id'] ?? ''}`, whole),
      goesOnWhenLow: 'what runs goes on, and ends; what it prints is held back where it is stored',
      audit: unrecorded('output of what runs, many times a second; it is kept as the log of the job'),
      body: { kind: 'json', schema: agentEventsRequest, maxBytes: agentLimits.batchBytes },
      responses: { 200: agentEventsAnswer },
      async handle(_grant, { params, body }) {
        const session = agents.seen(agentOf(params), body.session);
        return json(200, { lastSeq: await dispatch.report(session, params['id'] ?? '', body) });
      },
    }),
    route({
      operation: 'Agent_TakeCall',
      surface: 'agent',
      method: 'POST',
      path: '/agent/{agent}/sessions/{session}/calls',
      summary:
        'The next request for what runs in this session: its head in a header, its body as the body; waits for one.',
      access: needs(agentActions.takeCall, (params) => `${atSession(params)}/calls`, whole),
      goesOnWhenLow: 'what runs goes on, and ends',
      audit: unrecorded('a request for what runs; it is recorded where it came in'),
      async handle(_grant, { params, exchange }) {
        const session = agents.present(agentOf(params), params['session'] ?? '');
        const call = await tunnel.take(session, exchange.signal);
        return call === undefined ? empty(204) : { status: 200, headers: { [callHeader]: call.head }, body: call.body };
      },
    }),
    route({
      operation: 'Agent_AnswerCall',
      surface: 'agent',
      method: 'POST',
      path: '/agent/{agent}/sessions/{session}/calls/{call}',
      summary: 'The answer to a request, begun at once: a line of JSON when there is one, then its body.',
      access: needs(agentActions.answerCall, (params) => `${atSession(params)}/calls/${params['call'] ?? ''}`, whole),
      goesOnWhenLow: 'what runs goes on, and ends',
      audit: unrecorded('the answer to a request that is recorded where it came in'),
      body: { kind: 'stream', maxBytes: agentLimits.answerHeadBytes + agentLimits.answerBytes },
      async handle(_grant, { params, body }) {
        const session = agents.present(agentOf(params), params['session'] ?? '');
        await tunnel.answer(session, params['call'] ?? '', body);
        return empty(204);
      },
    }),
    route({
      operation: 'Agent_RenewToken',
      surface: 'agent',
      method: 'POST',
      path: '/agent/{agent}/token',
      summary: 'A new token for the agent, before the present one ends.',
      access: needs(agentActions.renewToken, atAgent, whole),
      goesOnWhenLow: 'what runs goes on, and ends',
      audit: unrecorded('every half hour for each agent; the enrolment is what is decided on'),
      responses: { 200: agentTokenAnswer },
      handle: async (_grant, { params }) => json(200, await agents.renew(agentOf(params))),
    }),
  ];
}
