// How the server reaches what runs: a port. What a session offers (`ReachOffer`) is data; whoever holds a request for its work
// asks here and learns neither path nor key. `reach.contract.ts` is the port as tests. Types only.

import type { SocketAnswer, SocketCall, SocketRequest } from '#kernel/http/client';
import type { Session } from './agents.service.ts';

/** One request, its place left out. */
export type ReachRequest = Omit<SocketRequest, 'socketPath'>;
export type ReachCall = SocketCall;
export type ReachAnswer = SocketAnswer;

/** What of a session matters to reach it. */
export type ReachSession = Pick<Session, 'reach' | 'gone'>;
export type ReachPlace = { readonly session: ReachSession; readonly workId: string };

export type ComputeReach = {
  /**
   * Streams both ways, retries nothing, and is broken off by the request's signal and by the end of the session. Rejects with
   * `NodeUnreachable` where nobody is at the other end, and with `NodeBusy` where it takes no more.
   */
  call(place: ReachPlace, request: ReachRequest): ReachCall;
  /** Ends what is under way. */
  close(): void;
};
