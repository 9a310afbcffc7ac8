// For tests: requests to a running server as clients send them, over TLS that trusts the server's own authority only, to
// the server's own host or to that of a vault or an account. Answers are picked apart, never judged.

import { Agent, type RequestOptions, request } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';

export type Reply = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
  readonly text: string;
  // A test reads what it expects to be there; what is not there is undefined and fails its assertion.
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape are picked apart by assertions.
  readonly body: any;
};

export type Sent = {
  readonly method?: string;
  /** Name before the port; the server's own when left out. */
  readonly host?: string;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes and text are sent as they are, anything else as JSON. */
  readonly body?: unknown;
};

export type Credentials = { readonly clientId: string; readonly secret: string };

export type Client = {
  readonly url: string;
  readonly port: number;
  send(path: string, sent?: Sent): Promise<Reply>;
  /** For streams and for connections that are cut: the options of a request, signed and addressed. */
  options(path: string, sent?: Sent): RequestOptions;
  token(credentials: Credentials, resource: string): Promise<string>;
  /** A request of the resource manager. `path` may hold a query; an api-version is added where there is none. */
  arm(token: string, method: string, path: string, body?: unknown, headers?: Sent['headers']): Promise<Reply>;
  /** The same, and the end of the long-running operation that it began. */
  armDone(token: string, method: string, path: string, body?: unknown): Promise<Reply>;
  close(): void;
};

export const apiVersion = '2023-10-01';
const pollMs = 50;
const pollsMax = 1_200;

export const withVersion = (path: string) =>
  /[?&]api-version=/.test(path) ? path : `${path}${path.includes('?') ? '&' : '?'}api-version=${apiVersion}`;

const isRaw = (body: unknown): body is string | Uint8Array => typeof body === 'string' || body instanceof Uint8Array;

export function createClient(server: {
  readonly url: string;
  readonly caPem: string;
  readonly tenantId: string;
}): Client {
  const { port, hostname } = new URL(server.url);
  const agent = new Agent({ keepAlive: true, maxSockets: 16, ca: server.caPem });
  const tokens = new Map<string, Promise<string>>();

  const options: Client['options'] = (path, { method, host = hostname, token, headers, body } = {}) => ({
    host: '127.0.0.1',
    port: Number(port),
    path,
    method: method ?? 'GET',
    agent,
    servername: host,
    headers: {
      host: `${host}:${port}`,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      // Node sends the body of a DELETE without saying how long it is.
      ...(isRaw(body) ? { 'content-length': String(Buffer.byteLength(body)) } : {}),
      ...headers,
    },
  });

  const send: Client['send'] = (path, sent = {}) =>
    new Promise<Reply>((resolve, reject) => {
      const isJson = sent.body !== undefined && !isRaw(sent.body);
      const body = isJson ? JSON.stringify(sent.body) : (sent.body as string | Uint8Array | undefined);
      const headers = { ...(isJson ? { 'content-type': 'application/json' } : {}), ...sent.headers };
      const call = request(options(path, { ...sent, headers, ...(body === undefined ? {} : { body }) }), (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => resolve(reply(answer.statusCode ?? 0, answer.headers, Buffer.concat(chunks))));
      });
      call.on('error', reject);
      call.end(body);
    });

  const arm: Client['arm'] = (token, method, path, body, headers) =>
    send(withVersion(path), {
      method,
      token,
      ...(body === undefined ? {} : { body }),
      ...(headers === undefined ? {} : { headers }),
    });

  return {
    url: server.url,
    port: Number(port),
    send,
    options,
    arm,
    token({ clientId, secret }, resource) {
      const key = `${clientId} ${resource}`;
      const known = tokens.get(key);
      if (known) return known;
      const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: secret };
      const made = send(`/${server.tenantId}/oauth2/v2.0/token`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: String(new URLSearchParams({ ...form, scope: `${resource}/.default` })),
      }).then((answer) => {
        if (answer.status !== 200) throw new Error(`no token for ${resource}: ${answer.text}`);
        return String(answer.body.access_token);
      });
      tokens.set(key, made);
      return made;
    },
    async armDone(token, method, path, body) {
      const begun = await arm(token, method, path, body);
      const status = begun.headers['azure-asyncoperation'];
      if (begun.status >= 300 || typeof status !== 'string') return begun;
      const { pathname, search } = new URL(status);
      for (let polls = 0; polls < pollsMax; polls++) {
        const asked = await send(`${pathname}${search}`, { token });
        if (asked.status >= 300 || !['InProgress', 'Running', 'Accepted', 'Creating'].includes(asked.body.status))
          return asked;
        await pause(pollMs);
      }
      throw new Error(`${method} ${path} did not end`);
    },
    close: () => agent.destroy(),
  };
}

function reply(status: number, headers: Reply['headers'], bytes: Buffer): Reply {
  const text = bytes.toString('utf8');
  const isJson = String(headers['content-type']).includes('json');
  return { status, headers, bytes, text, body: isJson && text !== '' ? JSON.parse(text) : undefined };
}
