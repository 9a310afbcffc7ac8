// The reach of agents on this machine: the Unix socket of their gateway, with the key that it was given for this life.

import { gatewayHeaders } from '@strongroom/contract/agent';
import { createSocketClient } from '#kernel/http/client';
import { computeFailures } from './compute.errors.ts';
import type { ComputeReach } from './reach.types.ts';

/** The gateway closes connections that were idle for two minutes. */
const idleMs = 45_000;
const connectionsMax = 512;

export function createUnixReach(): ComputeReach {
  const client = createSocketClient({ connectionsMax, idleMs });
  return {
    call({ session, workId }, request) {
      const { reach } = session;
      if (reach.kind !== 'unix') throw new Error(`the reach of this session is ${reach.kind}`);
      const headers = { ...request.headers, [gatewayHeaders.work]: workId, [gatewayHeaders.key]: reach.key };
      const call = client.call({ ...request, headers, socketPath: reach.socketPath });
      const answer = call.answer.catch((thrown: unknown) => {
        throw isSocketMissing(thrown) ? computeFailures.NodeUnreachable({ cause: thrown }) : thrown;
      });
      return { ...call, answer };
    },
    close: () => client.close(),
  };
}

/** The agent itself is not there: its socket is gone or nobody listens. */
const isSocketMissing = (thrown: unknown): boolean =>
  thrown instanceof Error && 'code' in thrown && (thrown.code === 'ENOENT' || thrown.code === 'ECONNREFUSED');
