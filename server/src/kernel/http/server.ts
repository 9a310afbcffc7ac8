// Listens. TLS 1.2 or newer, hard limits and timeouts on everything, certificates replaced without a restart, a clean
// stop that lets running requests finish. Fastify carries the transport; every request goes to the one door.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import type { Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import Fastify from 'fastify';
import type { OutsideLeaf } from '#kernel/http/certificate-files';
import type { Leaf } from '#kernel/http/certificates';
import type { Door } from '#kernel/http/mount';
import type { Log } from '#kernel/log/log';

export type Listener = {
  readonly port: number;
  /** New handshakes use the new certificate; running connections go on. */
  replaceCertificate(leaf: Leaf): void;
  /** The certificate of somebody else's authority, shown to whoever asks for a name that it is for. */
  replaceOutside(leaf: OutsideLeaf): void;
  close(): Promise<void>;
};

/** Bounds of the transport. Bodies have their own, one for each route. */
export const limits = {
  headerBytes: 32_768,
  headersTimeoutMs: 20_000,
  /** A slow body may take this long; long polls and streams answer well within. */
  requestTimeoutMs: 600_000,
  idleMs: 72_000,
  /** How long running requests may take when the server stops. Long polls take longer, and are cut off. */
  closeGraceMs: 1_500,
  /** How long what was cut off may take to notice. */
  closeAfterMs: 500,
  connections: 4096,
  requestsPerConnection: 100_000,
} as const;

export async function listen(options: {
  readonly door: Door;
  readonly host: string;
  readonly port: number;
  readonly leaf: Leaf;
  readonly outside?: OutsideLeaf | undefined;
  readonly log: Log;
}): Promise<Listener> {
  const byName = createByName(options.outside);
  const running = new Set<Promise<void>>();
  const handle = (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const answering = options.door.handle(request, response).finally(() => running.delete(answering));
    running.add(answering);
    return answering;
  };
  const app = Fastify({
    https: { ...transport(options.leaf), SNICallback: byName.choose },
    clientErrorHandler: refuseUnread,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.idleMs,
    maxRequestsPerSocket: limits.requestsPerConnection,
    // Closes idle connections at once and running ones when they finish.
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    logger: false,
    // The door reads the URL itself, once (kernel/http/target.ts); Fastify must not refuse or rewrite it first.
    frameworkErrors: (_error, request, reply) => {
      reply.hijack();
      void handle(request.raw, reply.raw);
    },
    routerOptions: { ignoreTrailingSlash: false, maxParamLength: 16_384 },
  });
  const { server } = app;
  server.maxConnections = limits.connections;
  // Bodies stay untouched until the caller was allowed to send them.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null, undefined));
  app.addHook('onRequest', async (request, reply) => {
    reply.hijack();
    await handle(request.raw, reply.raw);
  });
  app.all('/*', async () => undefined);

  const addresses = options.host === 'localhost' ? ['127.0.0.1'] : [options.host];
  await app.listen({ host: addresses[0] ?? '127.0.0.1', port: options.port });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  // Clients resolve `localhost` to either loopback; the second listener shares the door.
  const second =
    options.host === '127.0.0.1' ? await listenAlso({ ...options, handle, choose: byName.choose }, port) : undefined;
  options.log.info({ port, address: options.host }, 'listening');
  return {
    port,
    replaceCertificate(leaf) {
      for (const one of [server, second])
        one?.setSecureContext({ key: leaf.privateKeyPem, cert: leaf.certificatePem, minVersion: 'TLSv1.2' });
    },
    replaceOutside: byName.use,
    async close() {
      const closing = second ? new Promise<void>((resolve) => second.close(() => resolve())) : Promise.resolve();
      second?.closeIdleConnections();
      const cut = setTimeout(() => {
        for (const one of [server, second]) one?.closeAllConnections();
      }, limits.closeGraceMs);
      await app.close();
      await closing;
      clearTimeout(cut);
      // What the handlers stand on is closed next: they end first, if they can.
      const late = new AbortController();
      await Promise.race([
        Promise.allSettled(running),
        pause(limits.closeAfterMs, undefined, { signal: late.signal }).catch(() => {}),
      ]);
      late.abort();
    },
  };
}

type Choose = (name: string, done: (error: Error | null, context?: SecureContext) => void) => void;

/** Which certificate a handshake is answered with: the outside one for its names, the server's own for everything else. */
function createByName(outside: OutsideLeaf | undefined) {
  const contextOf = (leaf: OutsideLeaf) => ({
    covers: leaf.covers,
    context: createSecureContext({ key: leaf.privateKeyPem, cert: leaf.certificatePem, minVersion: 'TLSv1.2' }),
  });
  let present = outside && contextOf(outside);
  return {
    use(leaf: OutsideLeaf): void {
      present = contextOf(leaf);
    },
    choose: ((name, done) =>
      present?.covers(name.toLowerCase()) === true ? done(null, present.context) : done(null)) satisfies Choose,
  };
}

const transport = (leaf: Leaf) => ({
  key: leaf.privateKeyPem,
  cert: leaf.certificatePem,
  minVersion: 'TLSv1.2' as const,
  maxHeaderSize: limits.headerBytes,
  headersTimeout: limits.headersTimeoutMs,
});

/** What the parser of HTTP does not take (smuggling with two lengths, a header past its bound, bytes that trickle in). */
function refuseUnread(error: NodeJS.ErrnoException, socket: Writable): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, code, message] = unread[error.code ?? ''] ?? [
    '400 Bad Request',
    'BadRequest',
    'This is no HTTP request.',
  ];
  const body = JSON.stringify({ error: { code, message } });
  const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`;
  socket.end(`${head}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n${body}`);
}

const unread: Readonly<Record<string, readonly [status: string, code: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'RequestHeaderTooLarge',
    `The request line and the headers are longer than ${limits.headerBytes} bytes.`,
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'RequestTimeout', 'The request did not arrive in time.'],
};

/** ::1 beside 127.0.0.1, at the same port; a machine without IPv6 does without. */
async function listenAlso(
  options: { readonly handle: Door['handle']; readonly leaf: Leaf; readonly choose: Choose; readonly log: Log },
  port: number,
): Promise<Server | undefined> {
  const { createServer } = await import('node:https');
  const server = createServer(
    {
      ...transport(options.leaf),
      SNICallback: options.choose,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.idleMs,
    },
    (request, response) => void options.handle(request, response),
  );
  server.on('clientError', refuseUnread);
  server.maxConnections = limits.connections;
  server.maxRequestsPerSocket = limits.requestsPerConnection;
  return new Promise((resolve) => {
    server.once('error', (error) => {
      options.log.warn({ address: '::1', port, error }, 'not listening on the second loopback address');
      resolve(undefined);
    });
    server.listen({ host: '::1', port, ipv6Only: true }, () => resolve(server));
  });
}

/** A port that was free a moment ago, for `--port 0`: names and audiences hold the port, so it must be known first. */
export async function freePort(host: string): Promise<number> {
  const { createServer } = await import('node:net');
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, host, () => resolve()));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
