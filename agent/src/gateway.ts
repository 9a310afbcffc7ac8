// The way from the server's scoring gateway to the scoring servers in the sandboxes: one Unix socket in a private folder, and a
// key that is drawn for each life of the agent. A request names the work that it is for; everything else is passed on as it is,
// streaming in both directions. Must not lead anywhere but to sandboxes of this agent.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { gatewayHeaders } from '@strongroom/contract/agent';
import { connectToService } from './sandbox/sandbox.ts';

export interface Gateway {
  readonly socketPath: string;
  readonly key: string;
  /** Leads requests for this work to the scoring server of that folder. */
  open(id: string, socketFolder: string): void;
  shut(id: string): void;
  close(): void;
}

const REQUESTS_MAX = 512;
const CONNECTIONS_OF_SANDBOX = 128;
const IDLE_CONNECTIONS = 16;
/** A scoring server closes idle connections after five minutes; ours go first. */
const IDLE_MS = 60_000;
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'upgrade']);

/** constant time: both sides are hashed, so that neither length nor content shows. */
function sameKey(given: string, key: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(key));
}

/** Connections to one sandbox, kept open between requests. */
function connectionsTo(socketFolder: string): Agent {
  const agent = new Agent({
    keepAlive: true,
    maxSockets: CONNECTIONS_OF_SANDBOX,
    maxFreeSockets: IDLE_CONNECTIONS,
    timeout: 0,
  });
  agent.createConnection = (_options, done) => {
    connectToService(socketFolder).then(
      (socket) => {
        // Only an idle connection has a time limit: it is set when the connection is free and taken away when it is used.
        socket.on('timeout', () => socket.destroy());
        done?.(null, socket);
      },
      (error: unknown) =>
        done?.(error instanceof Error ? error : new Error('no scoring server'), undefined as unknown as Duplex),
    );
    return undefined;
  };
  agent.on('free', (socket) => socket.setTimeout(IDLE_MS));
  return agent;
}

function passedOn(message: IncomingMessage): string[] {
  const named = new Set((message.headers.connection ?? '').toLowerCase().split(/\s*,\s*/));
  const kept: string[] = [];
  for (let at = 0; at + 1 < message.rawHeaders.length; at += 2) {
    const [name = '', value = ''] = message.rawHeaders.slice(at, at + 2);
    const lower = name.toLowerCase();
    const isOurs = lower === gatewayHeaders.work || lower === gatewayHeaders.key;
    if (!isOurs && !HOP_BY_HOP.has(lower) && !named.has(lower)) kept.push(name, value);
  }
  return kept;
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const body = JSON.stringify({ error: { code, message } });
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'x-strongroom-gateway': code,
    connection: 'close',
  });
  response.end(body);
}

/** Listens in a new private folder; `prefix` names it. */
export async function openGateway(prefix: string): Promise<Gateway> {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), prefix));
  chmodSync(folder, 0o700);
  const socketPath = join(folder, 'gateway.sock');
  const key = randomBytes(32).toString('base64url');
  const services = new Map<string, Agent>();
  let running = 0;

  function forward(incoming: IncomingMessage, response: ServerResponse, agent: Agent): void {
    const headers = passedOn(incoming);
    running += 1;
    let counted = true;
    const done = () => {
      if (counted) running -= 1;
      counted = false;
    };
    const unreachable = () => {
      refuse(response, 502, 'ScoringServerUnreachable', 'The scoring server did not answer.');
      outgoing.destroy();
    };
    const outgoing = request({ agent, method: incoming.method, path: incoming.url, headers }, (answer) => {
      const { statusCode = 0 } = answer;
      // What answers is in the user's hands: a status that is none would be thrown by our own server, and end this agent with
      // everything that it runs. The words beside the number are passed on to nobody.
      if (statusCode < 200 || statusCode > 599) return unreachable();
      response.writeHead(statusCode, passedOn(answer));
      answer.on('error', () => response.destroy());
      answer.pipe(response);
    });
    outgoing.on('socket', (socket) => socket.setTimeout(0));
    // An upgrade was never asked for, so one that is answered is no answer.
    outgoing.on('error', unreachable).on('upgrade', unreachable);
    response.on('close', () => {
      done();
      if (!response.writableFinished) outgoing.destroy();
    });
    incoming.on('error', () => outgoing.destroy());
    incoming.pipe(outgoing);
  }

  const server = createServer({ maxHeaderSize: 65_536, requestTimeout: 0 }, (incoming, response) => {
    const work = incoming.headers[gatewayHeaders.work];
    const given = incoming.headers[gatewayHeaders.key];
    if (typeof given !== 'string' || !sameKey(given, key))
      return refuse(response, 403, 'KeyRefused', 'This request does not show the key of this gateway.');
    const agent = typeof work === 'string' ? services.get(work) : undefined;
    if (agent === undefined) return refuse(response, 404, 'WorkNotHere', 'No sandbox of this agent runs that work.');
    if (running >= REQUESTS_MAX)
      return refuse(response, 503, 'GatewayBusy', 'Too many scoring requests run at once. Try again.');
    forward(incoming, response, agent);
  });
  server.keepAliveTimeout = IDLE_MS * 2;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, resolve);
  });
  chmodSync(socketPath, 0o600);
  // A connection that cannot be taken is that connection's loss, not the agent's.
  server.on('error', () => undefined);

  return {
    socketPath,
    key,
    open: (id, socketFolder) => void services.set(id, connectionsTo(socketFolder)),
    shut(id) {
      services.get(id)?.destroy();
      services.delete(id);
    },
    close() {
      server.close();
      server.closeAllConnections();
      for (const agent of services.values()) agent.destroy();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
