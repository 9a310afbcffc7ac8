// The one door. Takes surfaces and routes as data, refuses at start what must not exist (a duplicate operation, a route
// of an unknown surface, a scope that ignores a path parameter), and registers one catch-all with Fastify that leads
// every request through the pipeline. Nothing else registers a route.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { anonymous } from '#kernel/authority/actor';
import type { Action } from '#kernel/authority/grant';
import { releasePiece } from '#kernel/bytes/pieces';
import { type Clock, systemClock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import { asFailure, type Failure } from '#kernel/errors/failure';
import type { Exchange } from '#kernel/http/exchange';
import type { Hosts } from '#kernel/http/hosts';
import { type Observed, type Ports, serve } from '#kernel/http/pipeline';
import type { ClientOf } from '#kernel/http/proxies';
import type { Answer, Route } from '#kernel/http/route';
import { createRouter, paramsOf, type Router } from '#kernel/http/router';
import { createStrangers } from '#kernel/http/strangers';
import type { Surface } from '#kernel/http/surface';
import { noTarget, readableOf, readTarget, type Target } from '#kernel/http/target';
import { isWithin } from '#kernel/ids/ids';
import type { Log } from '#kernel/log/log';
import { silentTelemetry, type Telemetry } from '#kernel/telemetry/telemetry';
import { httpFailures } from './http.errors.ts';
import { httpMeters } from './http.meters.ts';

export type Door = {
  /** Answers one request, whatever it is; never throws. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  readonly routes: readonly Route[];
};

export function mount(options: {
  readonly surfaces: readonly Surface[];
  readonly routes: readonly Route[];
  readonly ports: Ports;
  readonly log: Log;
  /** Names that are believed; absent, every one is (a test's). */
  readonly hosts?: Hosts;
  /** Whose address a connection stands for; absent, its peer's. */
  readonly clientOf?: ClientOf;
  /** Drives the limits of strangers; the system's unless a test holds it. */
  readonly clock?: Clock;
  /** Absent, nobody reads what is counted (a test's). */
  readonly telemetry?: Telemetry;
  /** Every action that roles can be written against; a route that asks for another one is a mistake. */
  readonly declared?: readonly Action[];
}): Door {
  const { surfaces, routes, log, telemetry = silentTelemetry } = options;
  const requests = telemetry.counter(httpMeters.requests);
  const requestTime = telemetry.duration(httpMeters.requestTime);
  const strangers = createStrangers(options.clock ?? systemClock, telemetry);
  const ports = { ...options.ports, strangers };
  checkRoutes(surfaces, routes, options.declared);
  const routers = new Map<string, Router>(
    surfaces.map((surface) => [
      surface.name,
      createRouter(
        surface,
        routes.filter((route) => route.surface === surface.name),
      ),
    ]),
  );

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = performance.now();
    const exchange = createExchange(request, response, options.clientOf);
    const observed: Observed = { actor: anonymous, code: undefined };
    let surface: Surface = unknownSurface;
    let operation = 'none';
    let answer: Answer;
    try {
      const read = withTarget(exchange, request, options.hosts);
      const recognised = recognise(surfaces, read.target);
      if (!recognised) throw httpFailures.noProtocol();
      surface = recognised.surface;
      const segments = surface.collapsesSlashes
        ? recognised.segments.filter((segment) => segment !== '')
        : recognised.segments;
      const router = routers.get(surface.name);
      if (!router) throw new Error(`surface ${surface.name} has no router`);
      const matched = router.match(read.method, segments);
      operation = matched.route.operation;
      answer = await serve(read, surface, matched, ports, observed);
      if (answer.takeOver) {
        await answer.takeOver(request, response);
      } else send(response, request.method ?? 'GET', answer, surface.headers?.(exchange));
    } catch (thrown) {
      const failure = asFailure(thrown);
      observed.code = failure.code;
      // A URL that cannot be read belongs to no surface, but whoever sent it speaks a protocol and reads its errors.
      if (exchange.target === noTarget)
        surface = recognise(surfaces, readableOf(request.url ?? '/', request.headers.host))?.surface ?? surface;
      complain(log, failure, { requestId: exchange.requestId, operation });
      refuse({ request, response, surface, failure, exchange, isProved: observed.actor.kind !== 'anonymous' });
    }
    const milliseconds = Math.round((performance.now() - started) * 100) / 100;
    const status = response.statusCode;
    requests.add({ surface: surface.name, operation, status: String(status) });
    requestTime.observe({ surface: surface.name }, milliseconds / 1000);
    log.info(
      {
        requestId: exchange.requestId,
        surface: surface.name,
        operation,
        method: exchange.method,
        status,
        code: observed.code,
        milliseconds,
        actor: observed.actor.objectId,
        actorKind: observed.actor.kind,
        address: exchange.address,
      },
      'request',
    );
  }
  return { handle, routes };
}

/**
 * What an operator has to know beside the line of the request. A wish for what is not served is the caller's affair; a server
 * that stops or is busy is an ordinary thing, told without its place in the code unless something else made it so.
 */
function complain(log: Log, failure: Failure, about: { readonly requestId: string; readonly operation: string }): void {
  if (failure.status < 500 || failure.kind === 'notImplemented') return;
  const { code, message, cause } = failure;
  if (failure.kind !== 'unavailable') log.error({ ...about, error: failure }, 'request failed');
  else if (cause !== undefined) log.warn({ ...about, code, error: failure }, 'request put off');
  else if (code === 'ServerStopping') log.info({ ...about, code }, 'request put off');
  else log.warn({ ...about, code, reason: message }, 'request put off');
}

function recognise(
  surfaces: readonly Surface[],
  target: Target,
): { surface: Surface; segments: readonly string[] } | undefined {
  for (const surface of surfaces) {
    const segments = surface.recognise(target);
    if (segments) return { surface, segments };
  }
  return undefined;
}

function refuse(parts: {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly surface: Surface;
  readonly failure: Failure;
  readonly exchange: Exchange;
  readonly isProved: boolean;
}): void {
  const { request, response, surface, failure, exchange, isProved } = parts;
  if (response.headersSent || response.destroyed) {
    // A stream broke half-way: cutting the connection is the only truthful end.
    response.destroy();
    return;
  }
  // A library that took over may have begun an answer: a length of its own would cut ours, and what is cut off would pass
  // for the beginning of the next answer on this connection.
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  const rendered = surface.render(failure, exchange);
  const headers: Record<string, string> = { ...surface.headers?.(exchange), ...rendered.headers, ...failure.headers };
  if (failure.kind === 'unauthenticated')
    Object.assign(headers, surface.challenge?.(exchange, failure), failure.headers);
  if (failure.retryAfterSeconds !== undefined) headers['retry-after'] = String(failure.retryAfterSeconds);
  // Order matters: the answer first, then what is still coming is read and thrown away, within bounds. Many clients read nothing
  // before they have sent everything, and a connection that is cut takes the answer with it. Whoever proved who he is and sent too
  // much gets more patience than a stranger.
  drain(request, failure.kind === 'tooLarge' && isProved ? patient : brief);
  send(response, request.method ?? 'GET', { ...rendered, headers }, undefined);
}

type Patience = { readonly bytes: number; readonly milliseconds: number };
const patient: Patience = { bytes: 1_073_741_824, milliseconds: 60_000 };
const brief: Patience = { bytes: 16_777_216, milliseconds: 10_000 };

/** Whoever goes on beyond the bounds is cut off; whoever ends within them keeps his connection. */
function drain(request: IncomingMessage, { bytes, milliseconds }: Patience): void {
  // From whoever was to read it: one that reads no more would hold up the rest of the body.
  request.unpipe();
  if (request.complete) return void request.resume();
  let left = bytes;
  const cut = setTimeout(() => request.socket.destroy(), milliseconds).unref();
  request.once('close', () => clearTimeout(cut)).once('end', () => clearTimeout(cut));
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.socket.destroy();
  });
  request.resume();
}

function send(
  response: ServerResponse,
  method: string,
  answer: Answer,
  surfaceHeaders: Readonly<Record<string, string>> | undefined,
): void {
  const headers: Record<string, string> = { ...safetyHeaders, ...surfaceHeaders, ...answer.headers };
  const { body } = answer;
  if (body instanceof Readable) {
    response.statusCode = answer.status;
    for (const name in headers) response.setHeader(name, headers[name] ?? '');
    response.setHeader('content-type', answer.contentType ?? 'application/octet-stream');
    body.on('error', () => response.destroy());
    if (method === 'HEAD') {
      body.destroy();
      response.end();
      return;
    }
    // It broke before anybody listened, which is told once only: the client would wait for ever.
    if (body.errored !== null) return void response.destroy();
    // The client went away before: its end was told already, and nobody would let go of what is open here.
    if (response.destroyed) return void body.destroy();
    response.on('close', () => body.destroy());
    pump(body, response);
    return;
  }
  if (body === undefined) {
    if (answer.status !== 204 && answer.status !== 304) headers['content-length'] ??= '0';
    writeHead(response, answer.status, headers);
    response.end();
    return;
  }
  const payload = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  const length = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length;
  headers['content-type'] =
    answer.contentType ??
    (typeof body === 'string'
      ? 'text/plain; charset=utf-8'
      : body instanceof Uint8Array
        ? 'application/octet-stream'
        : 'application/json; charset=utf-8');
  headers['content-length'] ??= String(length);
  writeHead(response, answer.status, headers);
  if (method === 'HEAD') response.end();
  // Plain ASCII leaves in one piece with the headers, which are Latin-1: one record of TLS and one write, in place of two.
  else if (typeof payload === 'string' && length === payload.length) response.end(payload, 'latin1');
  else response.end(typeof payload === 'string' ? Buffer.from(payload) : payload);
}

/** All at once: headers that are set one by one are kept in a table first. */
function writeHead(response: ServerResponse, status: number, headers: Readonly<Record<string, string>>): void {
  const list: string[] = [];
  for (const name in headers) list.push(name, headers[name] ?? '');
  response.writeHead(status, list);
}

/** As `pipe`, and gives the memory of a piece back when it was sent. */
function pump(body: Readable, response: ServerResponse): void {
  body.on('data', (piece: Uint8Array) => {
    // What was not sent may still be read by whoever was to send it.
    const isTaken = response.write(piece, (error) => {
      if (!error) releasePiece(piece);
    });
    if (!isTaken) body.pause();
  });
  response.on('drain', () => body.resume());
  body.on('end', () => response.end());
  // Also what somebody had paused before, as `pipe` does.
  body.resume();
}

const safetyHeaders: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'strict-transport-security': 'max-age=31536000',
  'x-content-type-options': 'nosniff',
};

/** For requests that belong to no surface. */
const unknownSurface: Surface = {
  name: 'none',
  ignoresCase: false,
  collapsesSlashes: false,
  recognise: () => undefined,
  schemes: [],
  render: (failure) => ({ status: failure.status, body: { error: { code: failure.code, message: failure.message } } }),
};

const clientId = /^[\w.:{}-]{1,128}$/;

function createExchange(
  request: IncomingMessage,
  response: ServerResponse,
  clientOf: ClientOf = (peer) => peer,
): Exchange {
  const header = (name: string) => {
    const value = request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  };
  // Made when somebody asks for it, which most do not.
  let aborted: AbortController | undefined;
  let isGone = false;
  // Only of a caller that went away. After a whole answer nobody listens, and an abort costs more than it looks like.
  response.on('close', () => {
    isGone = !response.writableFinished;
    if (isGone) aborted?.abort();
  });
  const asked = header('x-ms-client-request-id');
  const correlation = header('x-ms-correlation-request-id');
  return {
    requestId: randomUuid(),
    correlationId: correlation !== undefined && clientId.test(correlation) ? correlation : randomUuid(),
    clientRequestId: asked !== undefined && clientId.test(asked) ? asked : undefined,
    method: request.method ?? 'GET',
    target: noTarget,
    address: clientOf(request.socket.remoteAddress, header('x-forwarded-for')),
    userAgent: header('user-agent'),
    header,
    get signal() {
      if (aborted === undefined) {
        aborted = new AbortController();
        if (isGone) aborted.abort();
      }
      return aborted.signal;
    },
    carried: new Map(),
    raw: { request, response },
  };
}

/** Node keeps the first of two. Whoever stands in between may have kept the other: nothing is decided on either. */
const decisive = ['host', 'authorization'] as const;

function refuseRepeated({ rawHeaders }: IncomingMessage): void {
  for (const name of decisive) {
    let isSeen = false;
    for (let at = 0; at < rawHeaders.length; at += 2) {
      const given = rawHeaders[at];
      if (given?.length !== name.length || given.toLowerCase() !== name) continue;
      if (isSeen) throw httpFailures.InvalidHeader(name);
      isSeen = true;
    }
  }
}

function withTarget(exchange: Exchange, request: IncomingMessage, hosts: Hosts | undefined): Exchange {
  refuseRepeated(request);
  const target = readTarget(request.url ?? '/', request.headers.host);
  // Before the target is known to anybody: no answer is written with a name that is not ours.
  hosts?.check(target.host, request.socket.localAddress);
  // The same object, completed: ids given out before the URL was read must be those of the answer.
  return Object.assign(exchange, { target });
}

/** Throws at start, with every mistake at once. */
function checkRoutes(
  surfaces: readonly Surface[],
  routes: readonly Route[],
  declared: readonly Action[] | undefined,
): void {
  const declaredNames = declared && new Set(declared.map(({ name, plane }) => `${plane} ${name.toLowerCase()}`));
  const mistakes: string[] = [];
  const operations = new Set<string>();
  const known = new Set(surfaces.map((surface) => surface.name));
  for (const route of routes) {
    if (operations.has(route.operation)) mistakes.push(`${route.operation}: the operation exists twice`);
    operations.add(route.operation);
    if (!known.has(route.surface)) mistakes.push(`${route.operation}: no surface is named '${route.surface}'`);
    const { access } = route;
    if (access.kind === 'open' || access.kind === 'signedIn') {
      if (access.reason.length < 8)
        mistakes.push(`${route.operation}: ${access.kind} needs a reason that a reviewer can judge`);
      continue;
    }
    if (declaredNames && !declaredNames.has(`${access.action.plane} ${access.action.name.toLowerCase()}`)) {
      mistakes.push(`${route.operation}: the action ${access.action.name} is not declared`);
    }
    // A scope that ignores a path parameter decides on less than what is acted on. The last parameters may name things
    // below the resource (a secret's version, a blob), so what must be used is every parameter of the scope's own type:
    // a probe with distinct values shows which ones reach the scope; at least the first must, and none may be unknown.
    const names = paramsOf(route.path);
    const probe = Object.fromEntries(names.map((name) => [name, `probe-${name}`]));
    const scope = access.scopeOf(
      new Proxy(probe, {
        get: (all, name) =>
          all[String(name)] ??
          mistakes.push(`${route.operation}: the scope reads '${String(name)}', which is not in ${route.path}`),
      }),
    );
    if (access.kind === 'needs') {
      const { bounds } = access;
      const words = 'reason' in bounds ? bounds.reason : 'refusal' in bounds ? bounds.refusal : undefined;
      if (words !== undefined && words.length < 8)
        mistakes.push(`${route.operation}: its bounds need words that a reviewer, and a caller, can judge`);
      if (bounds.kind === 'own' && !isWithin(bounds.under(probe), scope))
        mistakes.push(`${route.operation}: its bounds are not below the scope ${scope}`);
    }
    const first = names[0];
    if (first !== undefined && !scope.includes(`probe-${first}`) && !route.isDecidedAbove) {
      mistakes.push(`${route.operation}: the scope ${scope} ignores {${first}} of ${route.path}`);
    }
  }
  if (mistakes.length > 0) throw new Error(`routes are not mountable:\n${mistakes.join('\n')}`);
}
