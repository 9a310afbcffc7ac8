// The tunnel: requests for what runs here, on connections that this agent opens to the server. A few connections wait for the
// next request; each that gets one leads it to the gateway, and its answer back on another that is begun at once, so that
// either side notices when the other breaks off. Must not lead anywhere but to the gateway.

import { Agent, type IncomingMessage, request } from 'node:http';
import { PassThrough, pipeline } from 'node:stream';
import { agentLimits, type CallHead, callHead, callHeader, gatewayHeaders } from '@strongroom/contract/agent';
import { Compile } from '@strongroom/contract/schema';
import { type Client, isFinal, refusedBy } from './client.ts';
import type { Gateway } from './gateway.ts';

export interface Calls {
  /** Breaks off everything that is under way. */
  close(): void;
}

/** Connections that wait at once: a request finds one, also when several come together. */
const WAITING = 8;
const REQUEST_MS = 15_000;
const RETRY_MS = 1_000;

const head = Compile(callHead);

function readHead(message: IncomingMessage): CallHead {
  const value: unknown = JSON.parse(Buffer.from(String(message.headers[callHeader]), 'base64url').toString('utf8'));
  if (!head.Check(value)) throw new Error('The head of a request has another form than this agent knows.');
  return value as CallHead; // checked on the line above
}

const joined = (headers: IncomingMessage['headers']): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
    ),
  );

/** Serves the requests of one session until it ends or is closed. */
export function serveCalls(options: {
  readonly client: Pick<Client, 'stream'>;
  readonly session: string;
  readonly gateway: Pick<Gateway, 'socketPath' | 'key'>;
}): Calls {
  const { client, session, gateway } = options;
  const toGateway = new Agent({ keepAlive: true, maxFreeSockets: WAITING });
  const closing = new AbortController();
  const place = `sessions/${session}/calls`;
  let waiting = 0;
  let running = 0;

  /** Resolves when the request is answered or broken off. */
  async function carry(asked: IncomingMessage): Promise<void> {
    const broken = new AbortController();
    const cut = () => broken.abort();
    closing.signal.addEventListener('abort', cut, { once: true });
    const answer = new PassThrough();
    let id = '';
    try {
      const { call, work, method, path, headers } = readHead(asked);
      id = call;
      const taken = client.stream(`${place}/${call}`, { body: answer, signal: broken.signal });
      // Of the one that the server does not want any more, nothing goes on.
      taken.then((response) => response.resume(), cut);
      const outgoing = request(
        {
          agent: toGateway,
          socketPath: gateway.socketPath,
          method,
          path,
          headers: { ...headers, [gatewayHeaders.work]: work, [gatewayHeaders.key]: gateway.key },
          signal: broken.signal,
        },
        (response) => {
          answer.write(`${JSON.stringify({ status: response.statusCode, headers: joined(response.headers) })}\n`);
          pipeline(response, answer, (error) => error && cut());
        },
      );
      outgoing.on('error', cut);
      pipeline(asked, outgoing, (error) => error && cut());
      await taken;
    } catch (error) {
      cut();
      // Broken off here, maybe before the server had heard of an answer: nothing instead of one says so.
      if (refusedBy(error) === undefined && id !== '' && !closing.signal.aborted)
        await client.stream(`${place}/${id}`, { signal: closing.signal, timeoutMs: REQUEST_MS }).then(
          (response) => response.resume(),
          () => undefined,
        );
    } finally {
      closing.signal.removeEventListener('abort', cut);
      asked.destroy();
    }
  }

  async function take(): Promise<void> {
    let asked: IncomingMessage;
    try {
      const timeoutMs = agentLimits.pollSeconds * 1000 + REQUEST_MS;
      asked = await client.stream(place, { signal: closing.signal, timeoutMs });
    } catch (error) {
      const refusal = refusedBy(error);
      // The session has ended: whoever polls hears of it too.
      if (refusal !== undefined && isFinal(refusal)) closing.abort();
      if (!closing.signal.aborted) await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
      waiting -= 1;
      return;
    }
    waiting -= 1;
    if (asked.statusCode !== 200) {
      asked.resume();
      return;
    }
    running += 1;
    keepTaking();
    await carry(asked);
    running -= 1;
  }

  function keepTaking(): void {
    while (!closing.signal.aborted && waiting < WAITING && waiting + running < agentLimits.calls) {
      waiting += 1;
      void take().finally(keepTaking);
    }
  }

  keepTaking();
  return {
    close() {
      closing.abort();
      toGateway.destroy();
    },
  };
}
