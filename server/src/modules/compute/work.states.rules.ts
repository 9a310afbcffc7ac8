// The states of a piece of work and what may follow what: one table, which the queue and the rows alike are held to. What is
// not in it does not happen. `work-queue.service.ts` alone carries it out.

import type { AgentEvent } from '@strongroom/contract/agent';
import type { WorkState } from './work.types.ts';

type Moves = Readonly<Partial<Record<WorkState, WorkState>>>;

export const transitions = {
  /** An agent of its target takes it, under a new fence. */
  lease: { queued: 'leased' },
  /** The lease could not be written, so that no agent has heard of it. */
  giveBack: { leased: 'queued' },
  /** What the agent has started runs. */
  begin: { leased: 'running', running: 'running' },
  /** Ended by its owner's wish before anybody took it. */
  withdraw: { queued: 'finished' },
  /** It ended, or could not be prepared. */
  finish: { leased: 'finished', running: 'finished' },
  /** Its agent or the server is gone, or has let go of it. */
  lose: { leased: 'lost', running: 'lost' },
} as const satisfies Readonly<Record<string, Moves>>;

export type Transition = keyof typeof transitions;
/** Those that end work. */
export type EndTransition = 'withdraw' | 'finish' | 'lose';

/** Only for whoever holds it, under the present fence: of anybody else they are refused. */
export const ofHolder: ReadonlySet<Transition> = new Set(['giveBack', 'begin', 'finish', 'lose']);

/** Undefined: this cannot happen now. */
export const after = (state: WorkState, transition: Transition): WorkState | undefined =>
  (transitions[transition] as Moves)[state];

const all = ['queued', 'leased', 'running', 'finished', 'lost'] as const satisfies readonly WorkState[];
export type LiveState = Exclude<WorkState, 'finished' | 'lost'>;

const leads = (state: WorkState): boolean =>
  Object.values(transitions).some((moves: Moves) => moves[state] !== undefined);
export const isLive = (state: WorkState): state is LiveState => leads(state);
/** States that end. */
export const liveStates = all.filter(isLive);
/** States that nothing follows. */
export const endStates: readonly WorkState[] = all.filter((state) => !isLive(state));
/** States in which an agent has it. */
export const heldStates = Object.keys(transitions.lose) as readonly LiveState[];

/** What an event of the agent means for the state; most mean nothing. */
export const transitionOf = ({ type }: AgentEvent): Transition | undefined =>
  type === 'running' || type === 'ready' ? 'begin' : type === 'finished' ? 'finish' : undefined;
