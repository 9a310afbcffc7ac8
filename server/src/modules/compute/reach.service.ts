// The one way to what runs, whatever its session offers. The end of a session breaks off what is with it, so that nobody waits
// for an answer that the agent of another session would have to bring.

import type { ReachOffer } from '@strongroom/contract/agent';
import { Failure } from '#kernel/errors/failure';
import type { ComputeReach } from './reach.types.ts';

export function createReaches(of: Readonly<Record<ReachOffer['kind'], ComputeReach>>): ComputeReach {
  return {
    call(place, request) {
      const { reach, gone } = place.session;
      const signal = AbortSignal.any([request.signal, gone]);
      const call = of[reach.kind].call(place, { ...request, signal });
      const answer = call.answer.catch((thrown: unknown) => {
        // An aborted request says only that it was aborted; whose doing it was matters to whoever has to answer.
        throw gone.aborted && !request.signal.aborted ? gone.reason : thrown;
      });
      return { ...call, answer };
    },
    close() {
      for (const reach of Object.values(of)) reach.close();
    },
  };
}

/** What a request's end means for whoever sent it, where it is the way's fault; undefined for any other end. */
export function reachTroubleOf(thrown: unknown): 'unreachable' | 'busy' | undefined {
  if (!(thrown instanceof Failure)) return undefined;
  return thrown.code === 'NodeUnreachable' ? 'unreachable' : thrown.code === 'NodeBusy' ? 'busy' : undefined;
}
