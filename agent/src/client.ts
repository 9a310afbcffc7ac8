// The agent's side of the protocol: JSON over TLS on connections that stay open, to the one server whose authority was given at
// enrolment. Promises that no other authority is trusted, and that the token is in a header and nowhere else.

import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { pipeline, type Readable } from 'node:stream';
import type { AgentEnrolment } from '@strongroom/contract/agent';

/** The server answered, and it was no. */
export interface Refused {
  readonly status: number;
  readonly code: string;
}

export interface Client {
  /** Posts below `/agent/{agent}` and answers the JSON. Rejects with a `ProtocolError`, or with what broke the connection. */
  post(path: string, body: object, timeoutMs: number): Promise<unknown>;
  /**
   * Posts without an end in sight and answers with the stream of the answer, on connections of its own. Rejects like `post`; the
   * signal breaks it off wherever it is.
   */
  stream(path: string, of: Streamed): Promise<IncomingMessage>;
  setToken(token: string): void;
  close(): void;
}

export interface Streamed {
  readonly body?: Readable;
  readonly signal: AbortSignal;
  /** Until the head of the answer; absent: for ever. */
  readonly timeoutMs?: number;
}

const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
const SOCKETS_MAX = 32;
/** A header holds the head of a request, in base64. */
const HEADER_BYTES_MAX = 131_072;
const REFUSAL_BYTES_MAX = 65_536;

/** What a rejection of `post` means: refused for good, or worth another try. */
export function refusedBy(error: unknown): Refused | undefined {
  if (!(error instanceof Error) || !(error.cause instanceof Object)) return undefined;
  const { status, code } = error.cause as { status?: unknown; code?: unknown };
  return typeof status === 'number' && typeof code === 'string' ? { status, code } : undefined;
}

/** True for refusals that another try of the same cannot change. */
export function isFinal({ status }: Refused): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

function codeOf(text: string): string {
  try {
    const value = JSON.parse(text) as { error?: { code?: unknown } };
    return typeof value.error?.code === 'string' ? value.error.code.slice(0, 64) : 'Unknown';
  } catch {
    return 'Unknown';
  }
}

/** What the server said instead of yes. */
async function refusalOf(path: string, response: IncomingMessage): Promise<Error> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    text += chunk;
    if (text.length > REFUSAL_BYTES_MAX) break;
  }
  const cause: Refused = { status: response.statusCode ?? 0, code: codeOf(text) };
  return new Error(`The server answered ${cause.status} ${cause.code} to ${path.split('/')[0]}.`, { cause });
}

export function createClient({ agent, url, caPem, token: first }: AgentEnrolment): Client {
  const connections = new Agent({ keepAlive: true, maxSockets: SOCKETS_MAX, ca: caPem, minVersion: 'TLSv1.2' });
  const streams = new Agent({ keepAlive: true, ca: caPem, minVersion: 'TLSv1.2' });
  let token = first;
  return {
    stream(path, { body, signal, timeoutMs }) {
      return new Promise((resolve, reject) => {
        const sent = request(new URL(`/agent/${encodeURIComponent(agent)}/${path}`, url), {
          method: 'POST',
          agent: streams,
          maxHeaderSize: HEADER_BYTES_MAX,
          headers: { authorization: `Bearer ${token}` },
          signal,
        });
        sent.on('response', (response) => {
          sent.setTimeout(0);
          // Broken off while nobody reads it: whoever does hears of it too.
          response.on('error', () => undefined);
          if ((response.statusCode ?? 0) < 300) resolve(response);
          else refusalOf(path, response).then(reject, reject);
        });
        sent.on('error', reject);
        sent.setTimeout(timeoutMs ?? 0, () => sent.destroy(new Error('The server did not answer in time.')));
        if (body === undefined) return void sent.end();
        // The server is to know of it now, long before there is something to say.
        sent.flushHeaders();
        pipeline(body, sent, (error) => error && reject(error));
      });
    },
    post(path, body, timeoutMs) {
      const content = Buffer.from(JSON.stringify(body));
      return new Promise((resolve, reject) => {
        const sent = request(
          new URL(`/agent/${encodeURIComponent(agent)}/${path}`, url),
          {
            method: 'POST',
            agent: connections,
            headers: {
              authorization: `Bearer ${token}`,
              'content-type': 'application/json',
              'content-length': content.length,
            },
          },
          (response) => {
            const chunks: Buffer[] = [];
            let size = 0;
            response.on('data', (chunk: Buffer) => {
              size += chunk.length;
              if (size > ANSWER_BYTES_MAX) sent.destroy(new Error('The answer of the server is too long.'));
              else chunks.push(chunk);
            });
            response.on('error', reject);
            response.on('end', () => {
              const text = Buffer.concat(chunks).toString('utf8');
              const status = response.statusCode ?? 0;
              if (status !== 200) {
                const cause: Refused = { status, code: codeOf(text) };
                reject(new Error(`The server answered ${status} ${cause.code} to ${path.split('/')[0]}.`, { cause }));
                return;
              }
              try {
                resolve(JSON.parse(text));
              } catch (error) {
                reject(error);
              }
            });
          },
        );
        // A connection that hangs is broken off; polls are given more than they may take.
        sent.setTimeout(timeoutMs, () => sent.destroy(new Error('The server did not answer in time.')));
        sent.on('error', reject);
        sent.end(content);
      });
    },
    setToken(next) {
      token = next;
    },
    close() {
      connections.destroy();
      streams.destroy();
    },
  };
}
