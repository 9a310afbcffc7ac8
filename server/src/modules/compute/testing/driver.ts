// For tests: the routes of agents without a door, one call at a time and without waiting, so that thousands of steps take
// seconds. What the door holds (tokens, paths) is tested at the door.

import type { AgentEvent, AgentItem, AgentPollAnswer, HeldItem } from '@strongroom/contract/agent';
import type { Exchange } from '#kernel/http/exchange';
import { testGrant } from '#kernel/testing/authority';
import { createTurn, createTurns } from '#kernel/turns/turns';
import type { Compute } from '../index.ts';
import type { TargetId } from '../targets.rules.ts';

/** An agent whose server is called in process. What it holds is what it was handed and has not seen the end of. */
export function createDriven(compute: () => Compute, name: string, target: TargetId) {
  let session = '';
  const held = new Map<string, { readonly fence: number; seq: number }>();
  const turns = createTurns();
  const lives = createTurn();

  async function call<T>(operation: string, params: object, body: object): Promise<T> {
    const route = compute().routes?.find((one) => one.operation === operation);
    if (route === undefined) throw new Error(`there is no ${operation}`);
    // Gone already, so that a poll without orders does not wait.
    const exchange = { signal: AbortSignal.abort() } as unknown as Exchange;
    const input = { params: { agent: name, ...params }, query: {}, body, exchange };
    return (await route.handle(testGrant(), input as never)).body as T;
  }

  return {
    name,
    target,
    held,
    session: () => session,
    /** A new life of its process. */
    enrol: (): Promise<void> =>
      lives(async () => {
        held.clear();
        session = '';
        await compute().enrol(name, target);
      }),
    /** One after the other: the answer that comes last is of the session that holds. */
    begin: (): Promise<void> =>
      lives(async () => {
        held.clear();
        session = '';
        const sandbox = { available: true, version: '1' };
        const answer = await call<{ session: string }>(
          'Agent_BeginSession',
          {},
          { sandbox, reach: { kind: 'tunnel' } },
        );
        session = answer.session;
      }),
    /** @param options.drops the answer is lost on its way; `without` is no longer held */
    async poll(options: { readonly drops?: boolean; readonly without?: string } = {}): Promise<readonly AgentItem[]> {
      if (options.without !== undefined) held.delete(options.without);
      const list: HeldItem[] = [...held].map(([id, { fence }]) => ({ id, fence }));
      const answer = await call<AgentPollAnswer>('Agent_Poll', {}, { session, held: list });
      if (options.drops === true) return [];
      for (const { id, fence, graceSeconds } of answer.stop)
        if (graceSeconds === 0 && held.get(id)?.fence === fence) held.delete(id);
      for (const { id, fence } of answer.start) held.set(id, { fence, seq: 0 });
      return answer.start;
    },
    /** The next event of what it holds, when the one before was answered. Sent again under the same number when it was refused. */
    report(id: string, event: AgentEvent): Promise<void> {
      return turns(id, async () => {
        const one = held.get(id);
        if (one === undefined) throw new Error('it does not hold that');
        await this.say({ session, id, fence: one.fence, seq: one.seq + 1 }, event);
        one.seq += 1;
        if (event.type === 'finished') held.delete(id);
      });
    },
    /** Whatever is said about whatever. */
    say: (
      of: { readonly session: string; readonly id: string; readonly fence: number; readonly seq: number },
      event: AgentEvent,
    ): Promise<unknown> =>
      call('Agent_Report', { id: of.id }, { session: of.session, fence: of.fence, events: [{ seq: of.seq, event }] }),
  };
}

export type Driven = ReturnType<typeof createDriven>;
