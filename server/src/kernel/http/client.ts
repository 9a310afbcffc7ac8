// A small HTTP/1.1 client over Unix sockets of this machine, with connections kept alive: how the scoring gateway reaches
// the agent. Bodies stream in both directions. It retries nothing and follows nothing; whoever calls decides what a failure
// means. Must not be used for anything that is not a socket of our own: there is no TLS here.

import { Agent, type IncomingMessage, request } from 'node:http';
import { pipeline, type Readable } from 'node:stream';

export type SocketRequest = {
  readonly socketPath: string;
  readonly method: string;
  /** Path and query, as they go onto the request line. */
  readonly path: string;
  /** Lower-case names. A stream as the body needs `content-length`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Readable | Uint8Array;
  /** Aborted: the request is cut off wherever it is, the answer's body included. */
  readonly signal: AbortSignal;
};

export type SocketAnswer = {
  readonly status: number;
  /** Lower-case names; a repeated header is joined as Node joins it. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Read it to its end, or destroy it. */
  readonly body: Readable;
};

/** A request under way. */
export type SocketCall = {
  /** Resolves with the head of the answer. Rejects with the stream's own error when the request's body fails. */
  readonly answer: Promise<SocketAnswer>;
  /** Whether the other side has the whole request, or takes no more of it: then it is the other side that is waited for. */
  isWithTheOther(): boolean;
};

export type SocketClient = {
  call(request: SocketRequest): SocketCall;
  /** The answer of a `call`. */
  send(request: SocketRequest): Promise<SocketAnswer>;
  close(): void;
};

/** @param idleMs connections that were idle for so long are closed; less than the other side's own limit */
export function createSocketClient(options: {
  readonly connectionsMax: number;
  readonly idleMs: number;
}): SocketClient {
  const agent = new Agent({ keepAlive: true, maxSockets: options.connectionsMax, maxFreeSockets: 64 });
  const watched = new WeakSet<object>();
  agent.on('free', (socket) => {
    // One listener for a connection's whole life, however often it is free.
    if (!watched.has(socket)) socket.on('timeout', () => socket.destroy());
    watched.add(socket);
    socket.setTimeout(options.idleMs);
  });

  function call({ socketPath, method, path, headers, body, signal }: SocketRequest): SocketCall {
    const { promise, resolve, reject } = Promise.withResolvers<SocketAnswer>();
    const outgoing = request({ agent, socketPath, method, path, headers, signal }, (answer) =>
      resolve({ status: answer.statusCode ?? 0, headers: joined(answer), body: answer }),
    );
    outgoing.on('socket', (socket) => void socket.setTimeout(0));
    outgoing.on('error', reject);
    if (body === undefined || body instanceof Uint8Array) outgoing.end(body);
    else
      pipeline(body, outgoing, (error) => {
        if (error) reject(error);
      });
    return { answer: promise, isWithTheOther: () => outgoing.writableEnded || outgoing.writableNeedDrain };
  }

  return {
    call,
    send: (asked) => call(asked).answer,
    close: () => agent.destroy(),
  };
}

function joined(answer: IncomingMessage): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(
    Object.entries(answer.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
}
